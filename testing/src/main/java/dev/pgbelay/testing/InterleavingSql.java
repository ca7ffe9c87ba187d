package dev.pgbelay.testing;

/** Looks at sessions from outside. */
final class InterleavingSql {
  private InterleavingSql() {}

  static final String FIND_BLOCKERS =
      """
      SELECT coalesce(array_agg(DISTINCT blocker), '{}')
        FROM unnest(?::int[]) AS waiter(pid), unnest(pg_blocking_pids(waiter.pid)) AS blocker
      """;

  static final String COUNT_IN_STATE =
      """
      SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (?::int[]) AND state = ?
      """;

  static final String CANCEL =
      """
      SELECT pg_cancel_backend(pid) FROM unnest(?::int[]) AS pid
      """;

  static final String TERMINATE =
      """
      SELECT pg_terminate_backend(pid) FROM unnest(?::int[]) AS pid
      """;

  static final String DUMP =
      """
      SELECT format('  pid %s  %s  %s  wait %s/%s  blocked by %s  transaction open for %s%s%s      %s',
                    a.pid, coalesce(nullif(a.application_name, ''), '(no name)'), a.state,
                    coalesce(a.wait_event_type, '-'), coalesce(a.wait_event, '-'), pg_blocking_pids(a.pid),
                    coalesce((clock_timestamp() - a.xact_start)::text, '-'),
                    (SELECT string_agg(format('%s      waits for %s on %s', chr(10), l.mode,
                                       coalesce(l.relation::regclass::text, l.locktype)), '')
                       FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted),
                    chr(10), a.query)
        FROM pg_stat_activity a
       WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
       ORDER BY a.xact_start NULLS LAST, a.pid
      """;
}
