package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.val;

import java.time.Duration;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Table;

/** The built-in signals, each with its statement: a row is a reason to wait. */
final class ThrottleSql {
  private static final String LAGGING_REPLICAS =
      """
      SELECT coalesce(nullif(application_name, ''), 'replica') || CASE
               WHEN state IS NULL THEN ' is not visible to this role (grant pg_monitor)'
               ELSE ' is ' || pg_size_pretty(behind) || coalesce(' and ' || replay_lag, '')
                    || ' behind' END
        FROM (SELECT application_name, state, replay_lag,
                     pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS behind
                FROM pg_stat_replication
               WHERE state IS NULL OR state IN ('streaming', 'catchup')) AS replica
       WHERE state IS NULL OR behind > {1}
          OR (behind > 0 AND replay_lag > {0} * interval '1 millisecond')
       LIMIT 1\
      """;

  private static final String VACUUM_AT_WORK =
      """
      SELECT coalesce('vacuum of ' || relid::regclass || ': ' || phase,
                      'a vacuum that this role may not look at (grant pg_monitor)')
        FROM pg_stat_progress_vacuum
       WHERE datname = current_database()
         AND (relid IS NULL OR relid IN (SELECT relid FROM pg_partition_tree(to_regclass({0}))
                       UNION ALL SELECT to_regclass({0})
                       UNION ALL
                       SELECT reltoastrelid FROM pg_class
                        WHERE oid = to_regclass({0})
                           OR oid IN (SELECT relid FROM pg_partition_tree(to_regclass({0})))))
       LIMIT 1\
      """;

  /** Only sessions that wait for a lock are asked whom they wait for: the question is not cheap. */
  private static final String WAITERS_BEHIND_US =
      """
      SELECT count(*) || ' sessions wait for locks of the chunk'
        FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
      HAVING count(*) > 0\
      """;

  private static final String ARCHIVER_FAILS =
      """
      SELECT 'archiving fails since ' || last_failed_time
        FROM pg_stat_archiver
       WHERE current_setting('archive_mode') <> 'off'
         AND last_failed_time > coalesce(last_archived_time, '-infinity')\
      """;

  private static final String SEGMENTS_WAIT =
      """
      SELECT count(*) || ' segments wait to be archived'
        FROM pg_ls_archive_statusdir()
       WHERE name LIKE '%.ready'
      HAVING count(*) > {0}\
      """;

  private static final String MAY_LIST_SEGMENTS =
      """
      SELECT current_setting('archive_mode') <> 'off'
             AND has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')\
      """;

  /** VACUUM looks past snapshots of other databases, and past other VACUUMs. */
  private static final String OLD_SNAPSHOTS =
      """
      SELECT what FROM (
        SELECT 'session ' || pid || ' holds a snapshot or writes since ' || xact_start AS what
          FROM pg_stat_activity
         WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
           AND datname = current_database()
           AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
           AND xact_start < clock_timestamp() - {0} * interval '1 millisecond'
        UNION ALL
        SELECT 'prepared transaction ' || gid || ' since ' || prepared
          FROM pg_prepared_xacts
         WHERE database = current_database()
           AND (prepared < clock_timestamp() - {0} * interval '1 millisecond'
                OR age(transaction) > {1})
        UNION ALL
        SELECT 'replica ' || application_name || ' is ' || age(backend_xmin)
               || ' transactions behind'
          FROM pg_stat_replication
         WHERE age(backend_xmin) > {1}
        UNION ALL
        SELECT 'replication slot ' || slot_name || ' is ' || greatest(age(xmin), age(catalog_xmin))
               || ' transactions behind'
          FROM pg_replication_slots
         WHERE greatest(age(xmin), age(catalog_xmin)) > {1}) AS held
       LIMIT 1\
      """;

  private ThrottleSql() {}

  private static Optional<String> first(Optional<? extends org.jooq.Record> row) {
    return row.map(found -> found.get(0, String.class));
  }

  record ReplicaLag(Duration behind, long bytes) implements ThrottleSignal {
    @Override
    public String name() {
      return "replica_lag";
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      return first(
          dsl.resultQuery(LAGGING_REPLICAS, val(behind.toMillis()), val(bytes)).fetchOptional());
    }
  }

  record Vacuum() implements ThrottleSignal {
    @Override
    public String name() {
      return "vacuum";
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      return first(
          dsl.resultQuery(VACUUM_AT_WORK, val(KeyIndexSql.nameOf(dsl, table))).fetchOptional());
    }
  }

  record LockWaiters() implements ThrottleSignal {
    @Override
    public String name() {
      return "lock_waiters";
    }

    @Override
    public boolean withinChunk() {
      return true;
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      return first(dsl.resultQuery(WAITERS_BEHIND_US).fetchOptional());
    }
  }

  record Archiving(int segments) implements ThrottleSignal {
    @Override
    public String name() {
      return "archiving";
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      Optional<String> failing = first(dsl.resultQuery(ARCHIVER_FAILS).fetchOptional());
      if (failing.isPresent()
          || !Boolean.TRUE.equals(dsl.resultQuery(MAY_LIST_SEGMENTS).fetchSingle().get(0))) {
        return failing;
      }
      return first(dsl.resultQuery(SEGMENTS_WAIT, val(segments)).fetchOptional());
    }
  }

  record OldSnapshot(Duration age, long transactions) implements ThrottleSignal {
    @Override
    public String name() {
      return "old_snapshot";
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      return first(
          dsl.resultQuery(OLD_SNAPSHOTS, val(age.toMillis()), val(transactions)).fetchOptional());
    }
  }
}
