package dev.pgbelay.keyset;

/** Sharing one snapshot between transactions. */
final class SnapshotSql {
  static final String EXPORT_SNAPSHOT =
      """
      select pg_catalog.pg_export_snapshot()
      """;

  private static final String IMPORT_SNAPSHOT = "set transaction snapshot '%s'";

  private SnapshotSql() {}

  /** The name comes from the server; it holds digits, letters and dashes only. */
  static String importSnapshot(String name) {
    if (!name.matches("[0-9A-Fa-f-]+")) {
      throw new IllegalArgumentException("not a snapshot name: " + name);
    }
    return IMPORT_SNAPSHOT.formatted(name);
  }
}
