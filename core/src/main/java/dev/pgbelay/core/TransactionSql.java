package dev.pgbelay.core;

import java.util.Locale;

final class TransactionSql {
  /** Read once per physical connection, in autocommit, before anything else. */
  static final String IDENTIFY_NODE =
      """
      SELECT (SELECT system_identifier FROM pg_control_system()),
             (SELECT setting::bigint * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024
                                                 WHEN 'MB' THEN 1048576 ELSE 1 END
                FROM pg_settings WHERE name = 'wal_segment_size'),
             pg_backend_pid(),
             CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                  ELSE pg_current_wal_insert_lsn() END,
             CASE WHEN NOT pg_is_in_recovery()
                  THEN pg_walfile_name(pg_current_wal_insert_lsn()) END
      """;

  private static final String POSITION_ON_PRIMARY = "SELECT pg_current_wal_insert_lsn()";

  private static final String POSITION_ANYWHERE =
      """
      SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                  ELSE pg_current_wal_insert_lsn() END,
             CASE WHEN pg_is_in_recovery()
                  THEN greatest((SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                                (SELECT timeline_id FROM pg_control_checkpoint()))
                  ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
                  END
      """;

  /**
   * Ends a transaction in one round trip. In an aborted transaction the first statement answers
   * 25P02, and the server skips the rest; a bare COMMIT would roll back without a word. A primary
   * keeps its timeline for as long as its sessions live, so only the position is asked for.
   */
  static final String COMMIT_ON_PRIMARY =
      """
      SELECT pg_current_xact_id_if_assigned();
      COMMIT;
      """
          + POSITION_ON_PRIMARY;

  /** The same where the node may be in recovery, or another one each time, as behind a pooler. */
  static final String COMMIT_ANYWHERE =
      """
      SELECT pg_current_xact_id_if_assigned();
      COMMIT;
      """
          + POSITION_ANYWHERE;

  /** The same where the server does not tell positions. */
  static final String COMMIT =
      """
      SELECT pg_current_xact_id_if_assigned();
      COMMIT
      """;

  /** Behind a statement that fails in an aborted transaction, as all of them do. */
  static final String JUST_COMMIT = "COMMIT";

  /** Assigns a transaction id, and says in which history it will mean something. */
  static final String ASSIGN_TRANSACTION_ID =
      """
      SELECT pg_current_xact_id()::text,
             (SELECT system_identifier FROM pg_control_system()),
             left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
             coalesce(extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())::text, '')
      """;

  /**
   * Binds: system identifier, timeline, xid8 and time of the statistics' reset, all as seen before
   * COMMIT was sent, the xid8 twice. A crash forgets transaction ids that had not reached the disk,
   * and gives them out again on the same timeline; it also resets the statistics, which a clean
   * restart does not, and which everybody may read.
   */
  static final String OUTCOME_OF =
      """
      SELECT CASE
               WHEN pg_is_in_recovery() THEN 'in recovery'
               WHEN (SELECT system_identifier FROM pg_control_system()) <> ?
                 OR left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) <> ?
                 THEN 'other history'
               WHEN pg_xact_status(?::text::xid8) = 'committed'
                AND coalesce(extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())::text, '') <> ?
                 THEN 'committed, but after a crash the id may be another transaction''s'
               ELSE coalesce(pg_xact_status(?::text::xid8), 'forgotten')
             END,
             CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn()::text END
      """;

  static final String READ_TIMEOUTS =
      "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')";

  static final String SET_TIMEOUTS =
      "SELECT set_config('statement_timeout', ?, true), set_config('lock_timeout', ?, true)";

  /**
   * What a process has one at a time of, and no rollback to a savepoint takes back: it began its
   * transaction at that microsecond.
   */
  static final String NAME_TRANSACTION =
      """
      SELECT concat_ws('-', extract(epoch FROM pg_postmaster_start_time()), pg_backend_pid(),
                       extract(epoch FROM now()))
      """;

  private TransactionSql() {}

  /** The last statement and COMMIT in one message: one that fails keeps the others from running. */
  static String both(String last, String commit) {
    return last + ";\n" + commit;
  }

  /** A statement and the commit of it in one message, for where none begins by itself. */
  static String committed(String statement) {
    return both(statement, JUST_COMMIT);
  }

  /** The same, with the question for the position. */
  static String committedAndPlaced(String statement, boolean onPrimary) {
    return committed(statement) + ";\n" + (onPrimary ? POSITION_ON_PRIMARY : POSITION_ANYWHERE);
  }

  static String begun(String statements) {
    return "BEGIN;\n" + statements;
  }

  /** One message that sets the mode, then {@code settings} settings, then assigns an id. */
  static String begin(TxOptions options, int settings, boolean assignTransactionId) {
    StringBuilder sql = new StringBuilder();
    options
        .isolation()
        .ifPresent(
            level ->
                sql.append("SET TRANSACTION ISOLATION LEVEL ")
                    .append(level.name().replace('_', ' ').toUpperCase(Locale.ROOT))
                    .append(options.readOnly() ? " READ ONLY" : ""));
    if (settings > 0) {
      separate(sql).append("SELECT set_config(?, ?, true)");
      sql.append(", set_config(?, ?, true)".repeat(settings - 1));
    }
    if (assignTransactionId) {
      separate(sql).append(ASSIGN_TRANSACTION_ID);
    }
    return sql.toString();
  }

  private static StringBuilder separate(StringBuilder sql) {
    return sql.isEmpty() ? sql : sql.append("; ");
  }
}
