package dev.pgbelay.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * How the server is started although it refuses to run as root: as we are when we are not root;
 * inside a user namespace of its own, where root is nobody; else as uid 65534 by {@code setpriv}.
 */
enum OsUser {
  SAME(""),
  NAMESPACE("unshare -U"),
  NOBODY("setpriv --reuid=65534 --regid=65534 --clear-groups");

  private static final int NOBODY_UID = 65534;

  private static final OsUser CURRENT = detect();

  private final String prefix;

  OsUser(String prefix) {
    this.prefix = prefix;
  }

  static OsUser current() {
    return CURRENT;
  }

  List<String> prefix() {
    return prefix.isEmpty() ? List.of() : List.of(prefix.split(" ", -1));
  }

  private static OsUser detect() {
    try {
      Path self = Path.of("/proc/self");
      boolean root =
          Files.exists(self)
              ? Integer.valueOf(0).equals(Files.getAttribute(self, "unix:uid"))
              : "root".equals(System.getProperty("user.name"));
      if (!root) {
        return SAME;
      }
      String forced = System.getProperty("pgbelay.postgres.root");
      if (forced != null) {
        return valueOf(forced.toUpperCase(Locale.ROOT));
      }
      return runs("unshare", "-U", "true") ? NAMESPACE : NOBODY;
    } catch (IOException e) {
      throw new ClusterException("cannot tell which user the server may run as", e);
    }
  }

  /** Folders that this JVM makes for the server: traversable, and its own where it is another. */
  static void letServerEnter(Path folder) throws IOException {
    if (CURRENT == NOBODY) {
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
      Files.setAttribute(folder, "unix:uid", NOBODY_UID);
    }
  }

  /** The same for all that is in a folder which this JVM filled. */
  static void giveToServer(Path root) throws IOException {
    if (CURRENT == NOBODY) {
      try (Stream<Path> files = Files.walk(root)) {
        for (Path file : files.toList()) {
          Files.setAttribute(file, "unix:uid", NOBODY_UID);
        }
      }
    }
  }

  private static boolean runs(String... command) {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor(5, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
