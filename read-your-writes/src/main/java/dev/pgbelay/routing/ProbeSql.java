package dev.pgbelay.routing;

final class ProbeSql {
  private ProbeSql() {}

  /** What does not change while a connection lives. */
  static final String IDENTIFY =
      """
      SELECT (SELECT system_identifier FROM pg_control_system()),
             CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS bigint),
             (SELECT setting::bigint * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024
                                                 WHEN 'MB' THEN 1048576 ELSE 1 END
                FROM pg_settings WHERE name = 'wal_segment_size'),
             pg_has_role('pg_read_all_stats', 'USAGE'),
             pg_backend_pid()
      """;

  /** Of a pooled connection, when it is first seen. */
  static final String IDENTIFY_CONNECTION =
      """
      SELECT (SELECT system_identifier FROM pg_control_system()),
             CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS bigint),
             pg_is_in_recovery(),
             CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                  ELSE pg_current_wal_insert_lsn() END,
             CASE WHEN NOT pg_is_in_recovery()
                  THEN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
                  END,
             pg_backend_pid(),
             (SELECT setting::bigint * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024
                                                 WHEN 'MB' THEN 1048576 ELSE 1 END
                FROM pg_settings WHERE name = 'wal_segment_size')
      """;

  /**
   * The position first, then the timeline: what was replayed before the timeline was asked belongs
   * to its history, also if it has changed in between. A replica's control file follows it late;
   * the receiver knows it from the first byte.
   */
  static final String PROBE =
      """
      SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                  ELSE pg_current_wal_insert_lsn() END;
      SELECT pg_is_in_recovery(),
             CASE WHEN pg_is_in_recovery()
                  THEN greatest((SELECT received_tli FROM pg_stat_wal_receiver),
                                (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                                (SELECT timeline_id FROM pg_control_checkpoint()))
                  ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
                  END
      """;

  /** Of the replication protocol: exact, also where a replica has its log from an archive. */
  static final String IDENTIFY_SYSTEM = "IDENTIFY_SYSTEM";

  private static final String TIMELINE_HISTORY = "TIMELINE_HISTORY ";

  /** Those sessions of a list that still live. */
  static final String LIVING =
      """
      SELECT pid FROM pg_stat_activity WHERE pid = ANY (CAST(? AS integer[]))
      """;

  /** Of the replication protocol, which binds no values. */
  static String timelineHistory(int timeline) {
    return TIMELINE_HISTORY + timeline;
  }
}
