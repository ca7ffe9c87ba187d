package dev.pgbelay.lock.lease;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * The statements on the table of leases, {@code {0}}.
 *
 * <p>A guard and a renewal must not stand in each other's way, a guard and a change of hands must:
 * guards lock the row {@code FOR KEY SHARE}, renewals update it, and whoever takes or gives the
 * lease locks it {@code FOR UPDATE} first.
 */
class LeaseSql {
  /**
   * Numbers of a timeline begin at its number times 2^40: after a fail-over that lost the last
   * grants the next number is above all that were ever given out. {1} name, {2} {3} fence, {4}
   * lease in ms, {5} holder, {6} in ms how long a stopped client may keep this transaction open.
   */
  private static final String TAKE =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('lock_timeout', {6} || 'ms', true),
               set_config('idle_in_transaction_session_timeout', {6} || 'ms', true)),
      least AS MATERIALIZED (
        SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
               << 40 AS token),
      seen AS MATERIALIZED (
        SELECT l.holder, l.lease_until, l.claimant
          FROM {0} AS l, bounds WHERE l.name = {1}),
      free AS MATERIALIZED (
        SELECT l.name FROM {0} AS l, bounds
         WHERE l.name = {1}
           AND (l.claimant IS NULL OR l.lease_until <= clock_timestamp()
                OR (l.claimant = {2} AND l.claim_number = {3}))
           FOR UPDATE OF l SKIP LOCKED),
      taken AS (
        UPDATE {0} AS l
           SET fencing_token = CASE WHEN l.claimant = {2} AND l.claim_number = {3}
                                    THEN l.fencing_token
                                    ELSE greatest(l.fencing_token + 1, least.token) END,
               claimant = {2}, claim_number = {3}, holder = {5},
               lease_until = clock_timestamp() + {4} * interval '1 millisecond',
               acquired_at = clock_timestamp(), renewed_at = clock_timestamp()
          FROM free, least
         WHERE l.name = free.name
        RETURNING l.fencing_token),
      added AS (
        INSERT INTO {0} AS l (name, fencing_token, claimant, claim_number, holder, lease_until,
                              acquired_at, renewed_at)
        SELECT {1}, least.token + 1, {2}, {3}, {5},
               clock_timestamp() + {4} * interval '1 millisecond',
               clock_timestamp(), clock_timestamp()
          FROM least
         WHERE NOT EXISTS (SELECT FROM seen)
        ON CONFLICT (name) DO NOTHING
        RETURNING l.fencing_token)
      SELECT (SELECT fencing_token FROM taken UNION ALL SELECT fencing_token FROM added) AS token,
             (SELECT holder FROM seen WHERE claimant IS NOT NULL) AS holder,
             (SELECT cast(extract(epoch FROM lease_until - clock_timestamp()) * 1000 AS bigint)
                FROM seen) AS millis\
      """;

  /** Waits for guards to end, as long as {4} ms. {1} name, {2} {3} fence. */
  private static final String RELEASE =
      """
      WITH bounds AS MATERIALIZED (SELECT set_config('lock_timeout', {4} || 'ms', true)),
      mine AS MATERIALIZED (
        SELECT l.name FROM {0} AS l, bounds
         WHERE l.name = {1} AND l.claimant = {2} AND l.claim_number = {3}
           FOR UPDATE OF l)
      UPDATE {0} AS l
         SET claimant = NULL, claim_number = NULL, lease_until = NULL, holder = NULL
        FROM mine
       WHERE l.name = mine.name\
      """;

  /** {1} name, {2} ms. */
  private static final String FORCE_RELEASE =
      """
      WITH bounds AS MATERIALIZED (SELECT set_config('lock_timeout', {2} || 'ms', true)),
      held AS MATERIALIZED (
        SELECT l.name, l.holder FROM {0} AS l, bounds
         WHERE l.name = {1} AND l.claimant IS NOT NULL
           FOR UPDATE OF l)
      UPDATE {0} AS l
         SET claimant = NULL, claim_number = NULL, lease_until = NULL, holder = NULL
        FROM held
       WHERE l.name = held.name\
      """;

  /** {1} name, {2} {3} fence, {4} ms. */
  private static final String GUARD =
      """
      WITH mine AS MATERIALIZED (
        SELECT l.fencing_token FROM {0} AS l
         WHERE l.name = {1} AND l.claimant = {2} AND l.claim_number = {3}
           FOR KEY SHARE OF l)
      SELECT (SELECT fencing_token FROM mine) AS token,
             set_config('idle_in_transaction_session_timeout', {4} || 'ms', true)\
      """;

  /** {1} name, {2} {3} fence, {4} ms. */
  private static final String RENEW =
      """
      UPDATE {0}
         SET lease_until = clock_timestamp() + {4} * interval '1 millisecond',
             renewed_at = clock_timestamp()
       WHERE name = {1} AND claimant = {2} AND claim_number = {3}\
      """;

  /**
   * Binds claimants, numbers, ms. What somebody is just taking is passed over and looked at again
   * in the next round.
   */
  private static final String RENEW_ALL =
      """
      WITH asked AS MATERIALIZED (
        SELECT a.claimant, a.number
          FROM unnest(CAST(? AS uuid[]), CAST(? AS bigint[])) AS a(claimant, number)),
      mine AS MATERIALIZED (
        SELECT l.name FROM %s AS l JOIN asked
            ON l.claimant = asked.claimant AND l.claim_number = asked.number
         ORDER BY l.name
           FOR NO KEY UPDATE OF l SKIP LOCKED),
      renewed AS (
        UPDATE %s AS l
           SET lease_until = clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond',
               renewed_at = clock_timestamp()
          FROM mine
         WHERE l.name = mine.name
        RETURNING l.claimant, l.claim_number)
      SELECT asked.claimant, asked.number,
             EXISTS (SELECT FROM renewed r
                      WHERE r.claimant = asked.claimant AND r.claim_number = asked.number),
             EXISTS (SELECT FROM %s AS l
                      WHERE l.claimant = asked.claimant AND l.claim_number = asked.number)
        FROM asked\
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
  private final String renewAll;

  LeaseSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "lease"));
    String name = DSL.using(SQLDialect.POSTGRES).render(table);
    this.renewAll = RENEW_ALL.formatted(name, name, name);
  }

  /**
   * What an attempt to take a lease found.
   *
   * @param token if it was taken
   * @param holder who has it otherwise, if anybody
   * @param left how much longer that lease lasts; may be over, if its last transaction is not
   */
  record Taken(Optional<Long> token, Optional<String> holder, Duration left) {}

  Taken take(
      DSLContext dsl, String name, Fence fence, Duration lease, String holder, Duration patience) {
    return dsl.resultQuery(
            TAKE,
            table,
            val(name),
            val(fence.claimant()),
            val(fence.number()),
            val(lease.toMillis()),
            val(holder),
            val(patience.toMillis()))
        .fetchSingle(
            row -> {
              Long millis = row.get("millis", Long.class);
              return new Taken(
                  Optional.ofNullable(row.get("token", Long.class)),
                  Optional.ofNullable(row.get("holder", String.class)),
                  Duration.ofMillis(millis == null ? 0 : Math.max(0, millis)));
            });
  }

  /** Whether it was still held. */
  boolean release(DSLContext dsl, String name, Fence fence, Duration patience) {
    return dsl.query(
                RELEASE,
                table,
                val(name),
                val(fence.claimant()),
                val(fence.number()),
                val(patience.toMillis()))
            .execute()
        == 1;
  }

  /** Whether anybody held it. */
  boolean forceRelease(DSLContext dsl, String name, Duration patience) {
    return dsl.query(FORCE_RELEASE, table, val(name), val(patience.toMillis())).execute() == 1;
  }

  /** Whether it is held. */
  boolean guard(DSLContext dsl, String name, Fence fence, Duration idle) {
    return dsl.resultQuery(
                GUARD,
                table,
                val(name),
                val(fence.claimant()),
                val(fence.number()),
                val(idle.toMillis()))
            .fetchSingle("token", Long.class)
        != null;
  }

  /** Whether it is held. */
  boolean renew(DSLContext dsl, String name, Fence fence, Duration lease) {
    return dsl.query(
                RENEW,
                table,
                val(name),
                val(fence.claimant()),
                val(fence.number()),
                val(lease.toMillis()))
            .execute()
        == 1;
  }

  LeaseKeepAlive.Renewed renewAll(Connection connection, List<Fence> fences, Duration lease)
      throws SQLException {
    Set<Fence> renewed = new HashSet<>();
    Set<Fence> lost = new HashSet<>();
    try (PreparedStatement renew = connection.prepareStatement(renewAll)) {
      renew.setQueryTimeout((int) Math.max(1, lease.toSeconds() / 3));
      renew.setArray(
          1, connection.createArrayOf("uuid", fences.stream().map(Fence::claimant).toArray()));
      renew.setArray(
          2, connection.createArrayOf("bigint", fences.stream().map(Fence::number).toArray()));
      renew.setLong(3, lease.toMillis());
      try (ResultSet row = renew.executeQuery()) {
        while (row.next()) {
          Fence fence = Fence.read(row, 1).orElseThrow();
          if (row.getBoolean(3)) {
            renewed.add(fence);
          } else if (!row.getBoolean(4)) {
            lost.add(fence);
          }
        }
      }
    }
    return new LeaseKeepAlive.Renewed(renewed, lost);
  }

  List<LeaseInfo> list(DSLContext dsl) {
    return dsl.resultQuery(LIST, table).fetch(LeaseSql::info);
  }

  Optional<LeaseInfo> find(DSLContext dsl, String name) {
    return dsl.resultQuery(FIND, table, val(name)).fetchOptional(LeaseSql::info);
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

  private static Optional<java.time.Instant> time(Record row, String column) {
    @Nullable OffsetDateTime at = row.get(column, OffsetDateTime.class);
    return Optional.ofNullable(at).map(OffsetDateTime::toInstant);
  }
}
