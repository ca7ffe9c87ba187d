package dev.pgbelay.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.opentest4j.TestAbortedException;

/**
 * Another wall clock for processes that a test starts, by libfaketime: for tests of what must not
 * depend on the clock of one machine. The library is looked for in the folder {@code
 * -Dpgbelay.faketime.home} or environment PGBELAY_FAKETIME_HOME (into which Debian's libfaketime
 * was unpacked with {@code dpkg-deb -x}) if one of them is set, else where Debian installs it. No
 * clock of this process or of the machine is changed. Immutable and safe for several threads.
 */
public final class FakeTime {
  private final Path library;

  private FakeTime(Path library) {
    this.library = library;
  }

  /** Whether the library is at hand. */
  public static boolean isAvailable() {
    return library().isPresent();
  }

  /**
   * The library that is at hand.
   *
   * @throws TestAbortedException if there is none, so that the test is skipped and says why
   */
  public static FakeTime find() {
    return new FakeTime(
        library()
            .orElseThrow(
                () ->
                    new TestAbortedException(
                        "no libfaketime in /usr/lib or, if it is set, in PGBELAY_FAKETIME_HOME or"
                            + " -Dpgbelay.faketime.home")));
  }

  /**
   * The environment variables with which a process has a wall clock that goes as fast as any other
   * and is off by so much; of the offset, whole seconds count. What a JVM measures and waits for
   * stays as it is: by default, Debian's build lets a JVM's timed waits return at once.
   *
   * @param offset positive for a clock that is fast, negative for one that is slow
   */
  public Map<String, String> environment(Duration offset) {
    return Map.of(
        "LD_PRELOAD",
        library.toString(),
        "FAKETIME",
        String.format(Locale.ROOT, "%+d", offset.toSeconds()),
        "DONT_FAKE_MONOTONIC",
        "1",
        "FAKETIME_FORCE_MONOTONIC_FIX",
        "0");
  }

  private static Optional<Path> library() {
    String home = home();
    Path root = home == null ? Path.of("/usr/lib") : Path.of(home, "usr", "lib").toAbsolutePath();
    if (!Files.isDirectory(root)) {
      return Optional.empty();
    }
    try (Stream<Path> folders = Files.list(root)) {
      return folders
          .map(folder -> folder.resolve("faketime").resolve("libfaketime.so.1"))
          .filter(Files::isRegularFile)
          .findFirst();
    } catch (IOException e) {
      throw new ClusterException("cannot look for libfaketime in " + root, e);
    }
  }

  private static @Nullable String home() {
    String value =
        System.getProperty("pgbelay.faketime.home", System.getenv("PGBELAY_FAKETIME_HOME"));
    return value == null || value.isBlank() ? null : value;
  }
}
