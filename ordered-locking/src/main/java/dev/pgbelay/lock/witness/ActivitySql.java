package dev.pgbelay.lock.witness;

final class ActivitySql {
  /** Shows others' statements to their own role, to superusers and to pg_read_all_stats. */
  static final String READ_SESSION =
      """
      SELECT coalesce(query, ''), coalesce(application_name, '')
        FROM pg_stat_activity
       WHERE pid = ?
         AND query <> '<insufficient privilege>'
      """;

  private ActivitySql() {}
}
