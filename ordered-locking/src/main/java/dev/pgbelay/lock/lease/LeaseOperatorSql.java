package dev.pgbelay.lock.lease;

import static org.jooq.impl.DSL.val;

import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements of those who look after leases, on their table, {@code {0}}. */
final class LeaseOperatorSql {
  /** {1} name. */
  private static final String FORCE_RELEASE =
      """
      WITH held AS MATERIALIZED (
        SELECT l.name, l.holder FROM {0} AS l
         WHERE l.name = {1} AND l.claimant IS NOT NULL
           FOR UPDATE OF l)
      UPDATE {0} AS l
         SET claimant = NULL, claim_number = NULL, lease_until = NULL, holder = NULL
        FROM held
       WHERE l.name = held.name\
      """;

  private static final String LIST =
      """
      SELECT name, fencing_token, holder, acquired_at, renewed_at, claimant IS NOT NULL AS claimed,
             cast(extract(epoch FROM lease_until - clock_timestamp()) * 1000 AS bigint) AS millis
        FROM {0}
       ORDER BY name\
      """;

  private static final String FIND =
      """
      SELECT name, fencing_token, holder, acquired_at, renewed_at, claimant IS NOT NULL AS claimed,
             cast(extract(epoch FROM lease_until - clock_timestamp()) * 1000 AS bigint) AS millis
        FROM {0}
       WHERE name = {1}\
      """;

  private final Table<?> table;

  LeaseOperatorSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "lease"));
  }

  /** Whether anybody held it. */
  boolean forceRelease(DSLContext dsl, String name, Duration patience) {
    return LeaseSql.bounded(dsl, patience, DSL.sql(FORCE_RELEASE, table, val(name))).rows() == 1;
  }

  List<LeaseInfo> list(DSLContext dsl) {
    return dsl.resultQuery(LIST, table).fetch(LeaseOperatorSql::info);
  }

  Optional<LeaseInfo> find(DSLContext dsl, String name) {
    return dsl.resultQuery(FIND, table, val(name)).fetchOptional(LeaseOperatorSql::info);
  }

  private static LeaseInfo info(Record row) {
    boolean claimed = row.get("claimed", Boolean.class);
    Long millis = row.get("millis", Long.class);
    boolean live = claimed && millis != null && millis > 0;
    return new LeaseInfo(
        row.get("name", String.class),
        live ? LeaseInfo.State.HELD : claimed ? LeaseInfo.State.EXPIRED : LeaseInfo.State.FREE,
        row.get("fencing_token", Long.class),
        Optional.ofNullable(row.get("holder", String.class)),
        time(row, "acquired_at"),
        time(row, "renewed_at"),
        live ? Optional.of(Duration.ofMillis(millis)) : Optional.empty());
  }

  private static Optional<Instant> time(Record row, String column) {
    @Nullable OffsetDateTime at = row.get(column, OffsetDateTime.class);
    return Optional.ofNullable(at).map(OffsetDateTime::toInstant);
  }
}
