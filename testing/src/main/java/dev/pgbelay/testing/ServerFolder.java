package dev.pgbelay.testing;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The folder under {@code java.io.tmpdir} that holds this JVM's data directories, and the promise
 * that no server outlives the JVM: a shutdown hook for an orderly end, a watching shell whose
 * standard input closes when the JVM is killed, and at the next start a look at folders whose owner
 * no longer holds their lock.
 */
final class ServerFolder {
  private static final Logger log = LoggerFactory.getLogger(ServerFolder.class);

  /** Waits for its standard input to close, which the end of the JVM does, however it came. */
  private static final String WATCH =
      """
      trap '' INT TERM HUP
      cat >/dev/null
      for signal in QUIT KILL; do
        for file in "$1"/*/*/data/postmaster.pid "$1"/*/pgbouncer.pid; do
          [ -f "$file" ] || continue
          pid=$(head -n 1 "$file")
          children=$(cat /proc/$pid/task/$pid/children 2>/dev/null)
          kill -CONT $pid $children 2>/dev/null
          kill -$signal $pid 2>/dev/null
          busy=1
        done
        [ -n "$busy" ] && sleep 1
      done
      rm -rf "$1"
      """;

  private static @Nullable ServerFolder ofThisJvm;

  private final Path path;
  private final AtomicInteger clusters = new AtomicInteger();

  // Held until the JVM ends: their closing is what tells others that the owner is gone.
  @SuppressWarnings({"unused", "FieldCanBeLocal"})
  private final FileLock ownerLock;

  @SuppressWarnings({"unused", "FieldCanBeLocal"})
  private final @Nullable Process watch;

  private ServerFolder(Path path, FileLock ownerLock, @Nullable Process watch) {
    this.path = path;
    this.ownerLock = ownerLock;
    this.watch = watch;
  }

  /** A name with the user in it, so that two users of one machine do not meet. */
  static Path base() {
    String user = System.getProperty("user.name", "unknown").replaceAll("[^A-Za-z0-9_.-]", "_");
    return Path.of(System.getProperty("java.io.tmpdir", "/tmp"), "pgbelay-" + user)
        .toAbsolutePath();
  }

  static synchronized ServerFolder ofThisJvm() throws IOException {
    if (ofThisJvm == null) {
      Path runs = base().resolve("run");
      Files.createDirectories(runs);
      removeAbandoned(runs);
      Path path = Files.createTempDirectory(runs, ProcessHandle.current().pid() + "-");
      OsUser.letServerEnter(path);
      FileLock lock = tryLock(path);
      if (lock == null) {
        throw new IOException("somebody else holds the lock in " + path);
      }
      ServerFolder folder = new ServerFolder(path, lock, watch(path));
      Runtime.getRuntime()
          .addShutdownHook(new Thread(folder::stopEverything, "pgbelay-postgres-shutdown"));
      ofThisJvm = folder;
    }
    return ofThisJvm;
  }

  /** A new folder {@code c<n>}; each node of the cluster gets a folder in it. */
  Path newClusterFolder() throws IOException {
    Path folder = Files.createDirectory(path.resolve("c" + clusters.incrementAndGet()));
    OsUser.letServerEnter(folder);
    return folder;
  }

  private void stopEverything() {
    try {
      removeWithServers(path);
    } catch (IOException e) {
      log.warn("Could not remove {}: the next run will try again", path, e);
    }
  }

  private static @Nullable Process watch(Path path) throws IOException {
    if (!Files.isExecutable(Path.of("/bin/sh"))) {
      return null;
    }
    return new ProcessBuilder("/bin/sh", "-c", WATCH, "pgbelay-watch", path.toString())
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  private static void removeAbandoned(Path runs) throws IOException {
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(runs)) {
      for (Path folder : folders) {
        // Without a lock file the owner is between creating the folder and locking it.
        if (Files.exists(folder.resolve("owner.lock"))) {
          try (FileLock lock = tryLock(folder)) {
            if (lock != null) {
              log.info("Removing {}: the JVM that owned it is gone", folder);
              removeWithServers(folder);
            }
          }
        }
      }
    }
  }

  private static @Nullable FileLock tryLock(Path folder) throws IOException {
    FileChannel channel =
        FileChannel.open(
            folder.resolve("owner.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      FileLock lock = channel.tryLock();
      if (lock == null) {
        channel.close();
      }
      return lock;
    } catch (OverlappingFileLockException e) {
      channel.close();
      return null;
    }
  }

  private static void removeWithServers(Path folder) throws IOException {
    List<Path> pidFiles;
    try (Stream<Path> files = Files.walk(folder, 4)) {
      pidFiles = files.filter(file -> file.endsWith("postmaster.pid")).toList();
    } catch (NoSuchFileException | java.io.UncheckedIOException e) {
      pidFiles = List.of();
    }
    for (Path pidFile : pidFiles) {
      killServer(pidFile);
      SharedMemory.remove(pidFile);
    }
    delete(folder);
  }

  private static void killServer(Path pidFile) throws IOException {
    List<String> lines;
    try {
      lines = Files.readAllLines(pidFile);
    } catch (NoSuchFileException e) {
      return; // Ctrl-C reached the server too, and it has ended by itself.
    }
    if (lines.isEmpty()) {
      return;
    }
    ProcessHandle postmaster = ProcessHandle.of(Long.parseLong(lines.get(0).trim())).orElse(null);
    Path folder = pidFile.getParent();
    if (postmaster == null || folder == null || !servesFolder(postmaster, folder)) {
      return;
    }
    ServerProcess.shutDownAtOnce(postmaster);
    try {
      postmaster.onExit().get(5, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException e) {
      throw new IOException("server " + postmaster.pid() + " did not die", e);
    }
  }

  /** A process number is reused: only a process started on this very folder is ours to kill. */
  private static boolean servesFolder(ProcessHandle process, Path dataFolder) {
    return process
        .info()
        .arguments()
        .map(arguments -> List.of(arguments).contains(dataFolder.toString()))
        .orElse(false);
  }

  static void delete(Path root) throws IOException {
    if (!Files.exists(root)) {
      return;
    }
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.deleteIfExists(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
            if (e instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            throw e;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path folder, @Nullable IOException e)
              throws IOException {
            Files.deleteIfExists(folder);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
