package dev.pgbelay.testing;

/** What a test class may have left behind in its database. */
final class LeakSql {
  private LeakSql() {}

  static final String FIND_OPEN_TRANSACTIONS =
      """
      SELECT format('open transaction (%s for %s) of application_name "%s", pid %s, last statement: %s',
                    state, clock_timestamp() - xact_start, application_name, pid, query)
        FROM pg_stat_activity
       WHERE datname = ? AND backend_type = 'client backend' AND xact_start IS NOT NULL
         AND pid <> pg_backend_pid()
      """;

  static final String FIND_SESSIONS =
      """
      SELECT format('connection not closed: application_name "%s", pid %s, %s, last statement: %s',
                    application_name, pid, state, query)
        FROM pg_stat_activity
       WHERE datname = ? AND backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()
      """;

  static final String FIND_PREPARED =
      """
      SELECT format('prepared transaction "%s" since %s', gid, prepared)
        FROM pg_prepared_xacts
       WHERE database = ?
      """;

  static final String FIND_SLOTS =
      """
      SELECT format('replication slot "%s"', slot_name)
        FROM pg_replication_slots
       WHERE database = ? AND NOT temporary
      """;

  static final String LIST_PREPARED =
      """
      SELECT gid FROM pg_prepared_xacts WHERE database = ?
      """;

  static final String ROLL_BACK_PREPARED =
      """
      ROLLBACK PREPARED %s
      """;

  static final String DROP_SLOTS =
      """
      SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = ? AND NOT temporary
      """;
}
