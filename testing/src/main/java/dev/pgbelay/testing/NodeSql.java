package dev.pgbelay.testing;

/** What is asked of a server as a whole, and told to it. */
final class NodeSql {
  private NodeSql() {}

  static final String SHOW_MAJOR =
      """
      SELECT current_setting('server_version_num')::int / 10000
      """;

  static final String IS_REPLICA =
      """
      SELECT pg_is_in_recovery()
      """;

  static final String SHOW_TIMELINE =
      """
      SELECT CASE
               WHEN pg_is_in_recovery()
               THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                             (SELECT timeline_id FROM pg_control_checkpoint()))
               ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
             END
      """;

  /**
   * The insert position of an idle server can sit just behind the header of a page that holds
   * nothing yet (24 bytes, 40 at the start of a segment); no replica ever reports that, only the
   * page's start.
   */
  static final String SHOW_POSITION =
      """
      SELECT lsn - CASE
                     WHEN (lsn - '0/0') % pg_size_bytes(current_setting('wal_segment_size')) = 40 THEN 40
                     WHEN (lsn - '0/0') % current_setting('wal_block_size')::int = 24 THEN 24
                     ELSE 0
                   END::numeric
        FROM pg_current_wal_insert_lsn() AS lsn
      """;

  static final String HAS_REPLAYED =
      """
      SELECT coalesce(pg_last_wal_replay_lsn() >= ?::pg_lsn, false), pg_last_wal_replay_lsn()::text
      """;

  static final String PAUSE_REPLAY =
      """
      SELECT pg_wal_replay_pause()
      """;

  static final String RESUME_REPLAY =
      """
      SELECT pg_wal_replay_resume()
      """;

  static final String SHOW_REPLAY_STATE =
      """
      SELECT pg_get_wal_replay_pause_state()
      """;

  /** May be put again: who waits for it stands in the way of the replay that comes before it. */
  static final String PROMOTE =
      """
      SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(true, 60) END
      """;

  static final String TERMINATE_BY_APPLICATION =
      """
      SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 10000))
        FROM pg_stat_activity
       WHERE application_name = ? AND pid <> pg_backend_pid()
      """;

  static final String TERMINATE_BY_PID =
      """
      SELECT CASE WHEN asked.pid NOT IN (SELECT pid FROM pg_stat_activity) THEN 'NO_SUCH_SESSION'
                  WHEN pg_terminate_backend(asked.pid, 10000) THEN 'ENDED'
                  ELSE 'STAYS' END
        FROM (SELECT ?::int AS pid) AS asked
      """;

  static final String CONFIGURE =
      """
      ALTER SYSTEM SET %s TO %s
      """;

  static final String RELOAD =
      """
      SELECT pg_reload_conf()
      """;

  static final String RESET_CONFIGURATION =
      """
      ALTER SYSTEM RESET %1$s
      """;

  /** A new session has the time at which the postmaster that forked it read the files. */
  static final String SHOW_LOAD_TIME =
      """
      SELECT pg_conf_load_time()
      """;

  static final String FIND_REFUSAL =
      """
      SELECT CASE WHEN s.context = 'postmaster' THEN 'it needs a restart of the server' ELSE f.error END
        FROM pg_file_settings f LEFT JOIN pg_settings s ON s.name = f.name
       WHERE f.name = ? AND f.error IS NOT NULL
      """;

  static final String CREATE_SLOT =
      """
      SELECT pg_create_physical_replication_slot(?, true)
      """;

  static final String START_BACKUP =
      """
      SELECT pg_backup_start(?, true)
      """;

  static final String STOP_BACKUP =
      """
      SELECT labelfile, spcmapfile FROM pg_backup_stop(false)
      """;

  static final String BEGIN_SNAPSHOT =
      """
      BEGIN ISOLATION LEVEL REPEATABLE READ
      """;

  static final String TAKE_SNAPSHOT =
      """
      SELECT pg_backend_pid(), pg_current_snapshot()
      """;
}
