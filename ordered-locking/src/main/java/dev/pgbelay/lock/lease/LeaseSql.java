package dev.pgbelay.lock.lease;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import dev.pgbelay.core.internal.MissingTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.ResultOrRows;
import org.jooq.Results;
import org.jooq.SQL;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * The statements of those who hold leases or want one, on their table, {@code {0}}.
 *
 * <p>A guard and a renewal must not stand in each other's way, a guard and a change of hands must:
 * guards lock the row {@code FOR KEY SHARE}, renewals update it, and whoever takes or gives the
 * lease locks it {@code FOR UPDATE} first.
 */
final class LeaseSql {
  /**
   * Numbers of a timeline begin at its number times 2^40: after a fail-over that lost the last
   * grants the next number is above all that were ever given out. {1} name, {2} {3} fence, {4}
   * lease in ms, {5} holder.
   */
  private static final String TAKE =
      """
      WITH least AS MATERIALIZED (
        SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
               << 40 AS token),
      seen AS MATERIALIZED (
        SELECT l.holder, l.lease_until, l.claimant
          FROM {0} AS l WHERE l.name = {1}),
      free AS MATERIALIZED (
        SELECT l.name FROM {0} AS l
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

  /** Waits for guards to end. {1} name, {2} {3} fence. */
  private static final String RELEASE =
      """
      WITH mine AS MATERIALIZED (
        SELECT l.name FROM {0} AS l
         WHERE l.name = {1} AND l.claimant = {2} AND l.claim_number = {3}
           FOR UPDATE OF l)
      UPDATE {0} AS l
         SET claimant = NULL, claim_number = NULL, lease_until = NULL, holder = NULL
        FROM mine
       WHERE l.name = mine.name\
      """;

  /**
   * Fails on the server if the claim is gone, so that the transaction cannot be committed whatever
   * its client makes of the exception: 22P02 (a text that is no number) where that is certain,
   * 22012 (a division by zero) where the transaction's snapshot may be older than the claim. {1}
   * name, {2} {3} fence, {4} ms.
   *
   * <p>A client that is stopped is idle, or does not take what is sent to it.
   */
  private static final String GUARD =
      """
      WITH mine AS MATERIALIZED (
        SELECT l.fencing_token FROM {0} AS l
         WHERE l.name = {1} AND l.claimant = {2} AND l.claim_number = {3}
           FOR KEY SHARE OF l),
      held AS MATERIALIZED (SELECT max(fencing_token) AS token FROM mine)
      SELECT CASE
               WHEN held.token IS NOT NULL THEN held.token
               WHEN current_setting('transaction_isolation') = 'read committed'
               THEN CAST('the lease is lost' || coalesce(held.token::text, '') AS bigint)
               ELSE 1 / coalesce(held.token, 0) END AS token,
             set_config('idle_in_transaction_session_timeout',
               CASE WHEN before.idle = '0' OR before.idle::interval > {4} * interval '1 millisecond'
                    THEN {4} || 'ms' ELSE before.idle END, true),
             set_config('tcp_user_timeout',
               CASE WHEN before.tcp = '0' OR before.tcp::interval > {4} * interval '1 millisecond'
                    THEN {4} || 'ms' ELSE before.tcp END, true)
        FROM held,
             (SELECT current_setting('idle_in_transaction_session_timeout') AS idle,
                     current_setting('tcp_user_timeout') AS tcp) AS before\
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
   * Binds names, claimants, numbers, ms. What somebody is just taking is passed over and looked at
   * again in the next round.
   */
  private static final String RENEW_ALL =
      """
      WITH asked AS MATERIALIZED (
        SELECT a.name, a.claimant, a.number
          FROM unnest(CAST(? AS text[]), CAST(? AS uuid[]), CAST(? AS bigint[]))
                 AS a(name, claimant, number)),
      mine AS MATERIALIZED (
        SELECT l.name FROM asked JOIN %s AS l
            ON l.name = asked.name
           AND l.claimant = asked.claimant AND l.claim_number = asked.number
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
                      WHERE l.name = asked.name
                        AND l.claimant = asked.claimant AND l.claim_number = asked.number)
        FROM asked\
      """;

  private static final String BOUND =
      """
      SELECT set_config('lock_timeout', {0}, true),
             set_config('idle_in_transaction_session_timeout', {0}, true);
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
    Record row =
        bounded(
                dsl,
                patience,
                DSL.sql(
                    TAKE,
                    table,
                    val(name),
                    val(fence.claimant()),
                    val(fence.number()),
                    val(lease.toMillis()),
                    val(holder)))
            .result()
            .get(0);
    Long millis = row.get("millis", Long.class);
    return new Taken(
        Optional.ofNullable(row.get("token", Long.class)),
        Optional.ofNullable(row.get("holder", String.class)),
        Duration.ofMillis(millis == null ? 0 : Math.max(0, millis)));
  }

  /**
   * In one message behind what bounds its waits, and how long a client that is stopped between it
   * and the COMMIT may keep the transaction open. A statement of its own, because a CTE that nobody
   * reads from may not be run.
   */
  static ResultOrRows bounded(DSLContext dsl, Duration patience, SQL statement) {
    Results results =
        dsl.fetchMany("{0}{1}", DSL.sql(BOUND, val(patience.toMillis() + "ms")), statement);
    return results.resultsOrRows().get(1);
  }

  static <T> T asked(Supplier<T> question) {
    try {
      return question.get();
    } catch (RuntimeException e) {
      throw explained(e);
    }
  }

  static RuntimeException explained(RuntimeException failure) {
    return MissingTable.explained(failure, "leases", "lock");
  }

  /** Whether it was still held. */
  boolean release(DSLContext dsl, String name, Fence fence, Duration patience) {
    SQL release = DSL.sql(RELEASE, table, val(name), val(fence.claimant()), val(fence.number()));
    return bounded(dsl, patience, release).rows() == 1;
  }

  /** An error of the server's if it is not held, or cannot be seen to be. */
  void guard(DSLContext dsl, String name, Fence fence, Duration idle) {
    dsl.resultQuery(
            GUARD,
            table,
            val(name),
            val(fence.claimant()),
            val(fence.number()),
            val(idle.toMillis()))
        .fetchSingle("token", Long.class);
  }

  /** Whether it is held. */
  boolean renew(DSLContext dsl, String name, Fence fence, Duration lease, Duration patience) {
    SQL renew =
        DSL.sql(
            RENEW,
            table,
            val(name),
            val(fence.claimant()),
            val(fence.number()),
            val(lease.toMillis()));
    return bounded(dsl, patience, renew).rows() == 1;
  }

  /**
   * @param names of the leases that the fences are of
   */
  LeaseKeepAlive.Renewed renewAll(
      Connection connection, List<String> names, List<Fence> fences, Duration lease)
      throws SQLException {
    try (PreparedStatement renew = connection.prepareStatement(renewAll)) {
      renew.setArray(1, connection.createArrayOf("text", names.toArray()));
      renew.setArray(
          2, connection.createArrayOf("uuid", fences.stream().map(Fence::claimant).toArray()));
      renew.setArray(
          3, connection.createArrayOf("bigint", fences.stream().map(Fence::number).toArray()));
      renew.setLong(4, lease.toMillis());
      return LeaseKeepAlive.Renewed.by(renew, lease);
    }
  }
}
