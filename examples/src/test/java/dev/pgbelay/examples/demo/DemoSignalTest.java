package dev.pgbelay.examples.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The demo in a process of its own, told to end while it loads. */
@EnabledIfSystemProperty(
    named = "pgbelay.scale",
    matches = "full",
    disabledReason = "takes half a minute: -Dpgbelay.scale=full")
@EnabledOnOs(value = OS.LINUX, disabledReason = "sends signals with kill and reads /proc")
class DemoSignalTest {
  private static final long PATIENCE_SECONDS = 60;

  @ParameterizedTest
  @ValueSource(strings = {"TERM", "INT"})
  @Timeout(3 * PATIENCE_SECONDS)
  void signalWhileLoading_leavesNoServerAndNoDataDirectory(String signal, @TempDir Path temp)
      throws Exception {
    Process demo =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Djava.io.tmpdir=" + temp,
                "-Dot.epg.working-dir="
                    + Path.of(System.getProperty("java.io.tmpdir"), "embedded-pg"),
                "-cp",
                System.getProperty("java.class.path"),
                Demo.class.getName(),
                "--rows=2000000",
                "--only=keyset",
                "--out=" + temp.resolve("out"))
            .redirectErrorStream(true)
            .start();
    try (BufferedReader said = demo.inputReader(StandardCharsets.UTF_8)) {
      for (String line = said.readLine();
          line != null && !line.contains("Loading orders");
          line = said.readLine()) {
        assertThat(line).doesNotContain("demo: ");
      }
      List<ProcessHandle> servers = demo.descendants().toList();
      assertThat(serversIn(temp)).as("postgres processes before the signal").isPositive();
      assertThat(directoriesIn(temp)).as("data directories before the signal").isNotEmpty();

      new ProcessBuilder("kill", "-" + signal, Long.toString(demo.pid())).start().waitFor();

      assertThat(demo.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS))
          .as("the demo has ended")
          .isTrue();
      for (ProcessHandle server : servers) {
        server.onExit().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
      }
      assertThat(serversIn(temp)).as("postgres processes left").isZero();
      assertThat(directoriesIn(temp)).as("data directories left").isEmpty();
    } finally {
      demo.destroyForcibly();
    }
  }

  /** Processes whose command line names a data directory below {@code temp}. */
  private static long serversIn(Path temp) {
    return ProcessHandle.allProcesses()
        .filter(p -> p.pid() != ProcessHandle.current().pid())
        .filter(p -> commandLine(p).contains("postgres"))
        .filter(p -> commandLine(p).contains(temp.toString() + "/"))
        .filter(p -> !commandLine(p).contains(Demo.class.getName()))
        .count();
  }

  private static String commandLine(ProcessHandle process) {
    try {
      return Files.readString(
          Path.of("/proc", Long.toString(process.pid()), "cmdline"), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return ""; // has ended meanwhile, or is another user's
    }
  }

  private static List<Path> directoriesIn(Path temp) throws IOException {
    List<Path> found = new ArrayList<>();
    Files.walkFileTree(
        temp,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
            if (Files.exists(directory.resolve("PG_VERSION"))) {
              found.add(directory);
              return FileVisitResult.SKIP_SUBTREE;
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE; // a running server removes files
          }
        });
    return found;
  }
}
