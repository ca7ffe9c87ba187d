package dev.pgbelay.routing;

final class CommitSql {
  private CommitSql() {}

  /**
   * Ends a transaction on a primary in one round trip. In an aborted transaction the first
   * statement answers 25P02 and the server skips the rest; a bare COMMIT would roll back instead.
   */
  static final String COMMIT =
      """
      SELECT pg_current_xact_id_if_assigned();
      COMMIT;
      SELECT pg_current_wal_insert_lsn()
      """;
}
