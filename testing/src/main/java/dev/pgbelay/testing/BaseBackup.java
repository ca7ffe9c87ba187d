package dev.pgbelay.testing;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Set;

/**
 * Makes a replica's data directory from a running primary without pg_basebackup, which the binaries
 * do not contain: an exclusive look at the files between pg_backup_start and pg_backup_stop, as the
 * manual describes under "Making a Base Backup Using the Low Level API".
 */
final class BaseBackup {
  private static final Set<String> EMPTY_FOLDERS =
      Set.of(
          "pg_wal",
          "pg_replslot",
          "pg_dynshmem",
          "pg_notify",
          "pg_serial",
          "pg_snapshots",
          "pg_stat_tmp",
          "pg_subtrans");

  private static final Set<String> NOT_COPIED =
      Set.of("postmaster.pid", "postmaster.opts", "pg_internal.init");

  private BaseBackup() {}

  static void copy(
      Connection primary,
      Path source,
      Path target,
      String replicaName,
      InetSocketAddress primaryAddress)
      throws SQLException, IOException {
    query(primary, NodeSql.CREATE_SLOT, replicaName);
    query(primary, NodeSql.START_BACKUP, replicaName);
    copyFiles(source, target);
    try (PreparedStatement stop = primary.prepareStatement(NodeSql.STOP_BACKUP);
        ResultSet rows = stop.executeQuery()) {
      rows.next();
      Files.writeString(target.resolve("backup_label"), rows.getString(1));
      String tablespaces = rows.getString(2);
      if (tablespaces != null && !tablespaces.isBlank()) {
        Files.writeString(target.resolve("tablespace_map"), tablespaces);
      }
    }
    Files.createFile(target.resolve("standby.signal"));
    Files.writeString(
        target.resolve("postgresql.auto.conf"),
        "primary_conninfo = 'host=127.0.0.1 port="
            + primaryAddress.getPort()
            + " user=postgres application_name="
            + replicaName
            + "'\nprimary_slot_name = '"
            + replicaName
            + "'\n",
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
    OsUser.giveToServer(target);
  }

  private static void query(Connection connection, String sql, String argument)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setString(1, argument);
      statement.execute();
    }
  }

  private static void copyFiles(Path source, Path target) throws IOException {
    Files.walkFileTree(
        source,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes)
              throws IOException {
            Path copy = target.resolve(source.relativize(folder).toString());
            Files.createDirectory(
                copy,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            boolean top = source.equals(folder.getParent());
            return top && EMPTY_FOLDERS.contains(String.valueOf(folder.getFileName()))
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            String name = String.valueOf(file.getFileName());
            if (!NOT_COPIED.contains(name) && !name.startsWith("pgsql_tmp")) {
              try {
                Files.copy(file, target.resolve(source.relativize(file).toString()));
              } catch (NoSuchFileException e) {
                return FileVisitResult.CONTINUE; // the server removed it; the log knows
              }
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
            if (e instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            throw e;
          }
        });
  }
}
