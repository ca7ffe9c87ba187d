package dev.pgbelay.core.horizon;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/** What the server shows of those that hold back its horizon. */
final class HorizonSql {
  /**
   * VACUUM looks past snapshots of other databases, and past other VACUUMs. Sessions that stream to
   * a standby stand in the third part, with the standby's name.
   */
  private static final String LIST_PINS =
      """
      SELECT holder, name, xmin, transactions, CAST(extract(epoch FROM held) * 1000 AS bigint) AS millis
        FROM (
        SELECT 'SESSION' AS holder,
               concat_ws(', ', a.pid, nullif(a.usename, ''), nullif(a.application_name, ''), a.state) AS name,
               CAST(coalesce(a.backend_xmin, a.backend_xid) AS text) AS xmin,
               greatest(age(a.backend_xmin), age(a.backend_xid)) AS transactions,
               clock_timestamp() - a.xact_start AS held
          FROM pg_catalog.pg_stat_activity AS a
         WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
           AND a.pid <> pg_backend_pid() AND a.datname = current_database()
           AND a.backend_type <> 'walsender'
           AND a.pid NOT IN (SELECT v.pid FROM pg_catalog.pg_stat_progress_vacuum AS v)
        UNION ALL
        SELECT 'PREPARED_TRANSACTION', p.gid, CAST(p.transaction AS text), age(p.transaction),
               clock_timestamp() - p.prepared
          FROM pg_catalog.pg_prepared_xacts AS p
         WHERE p.database = current_database()
        UNION ALL
        SELECT 'STANDBY', concat_ws(', ', nullif(r.application_name, ''), r.client_addr),
               CAST(r.backend_xmin AS text), age(r.backend_xmin), NULL
          FROM pg_catalog.pg_stat_replication AS r
         WHERE r.backend_xmin IS NOT NULL
        UNION ALL
        SELECT 'REPLICATION_SLOT', concat_ws(', ', s.slot_name, CASE WHEN s.active THEN 'active' ELSE 'not in use' END),
               CAST(coalesce(s.xmin, s.catalog_xmin) AS text),
               greatest(age(s.xmin), age(s.catalog_xmin)), NULL
          FROM pg_catalog.pg_replication_slots AS s
         WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL) AS pins
       ORDER BY transactions DESC, holder, name
       LIMIT 100\
      """;

  private HorizonSql() {}

  /** One holder, however young. */
  record Row(
      HorizonPin.Holder holder,
      String name,
      String xmin,
      long transactions,
      Optional<Duration> held) {}

  static List<Row> list(DSLContext dsl) {
    return dsl.resultQuery(LIST_PINS)
        .fetch(
            row -> {
              @Nullable Long millis = row.get("millis", Long.class);
              return new Row(
                  HorizonPin.Holder.valueOf(row.get("holder", String.class)),
                  row.get("name", String.class),
                  row.get("xmin", String.class),
                  row.get("transactions", Long.class),
                  Optional.ofNullable(millis).map(Duration::ofMillis));
            });
  }
}
