package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * The statements about claims. Guards lock the row {@code FOR KEY SHARE}, which renewals and the
 * holder's own writes pass; whoever takes a payment over locks it {@code FOR UPDATE} first, which a
 * guard stops.
 */
final class ClaimSql {
  /**
   * Fails on the server if the claim is gone, so that the transaction cannot be committed whatever
   * its client makes of the exception: 22P02 where that is certain, 22012 where the snapshot may be
   * older than the claim. {0} table, {1} {2} {3} key, {4} {5} fence, {6} ms that a client may be
   * silent for.
   */
  static final String GUARD =
      """
      WITH mine AS MATERIALIZED (
        SELECT p.claim_number AS n FROM {0} AS p
         WHERE p.tenant = {1} AND p.operation = {2} AND p.key = {3}
           AND p.claimant = {4} AND p.claim_number = {5} AND p.state <> 'COMPLETED'
           FOR KEY SHARE OF p),
      held AS MATERIALIZED (SELECT max(n) AS n FROM mine)
      SELECT CASE
               WHEN held.n IS NOT NULL THEN held.n
               WHEN current_setting('transaction_isolation') = 'read committed'
               THEN CAST('the claim is lost' || coalesce(held.n::text, '') AS bigint)
               ELSE 1 / coalesce(held.n, 0) END AS n,
             set_config('idle_in_transaction_session_timeout',
               CASE WHEN before.idle = '0' OR before.idle::interval > {6} * interval '1 millisecond'
                    THEN {6} || 'ms' ELSE before.idle END, true)
        FROM held,
             (SELECT current_setting('idle_in_transaction_session_timeout') AS idle) AS before\
      """;

  /**
   * Binds tenants, operations, keys, claimants, numbers, ms. What somebody is just writing is
   * passed over, and looked at again in the next round.
   */
  private static final String RENEW_ALL =
      """
      WITH asked AS MATERIALIZED (
        SELECT a.tenant AS t, a.operation AS o, a.key AS k, a.claimant AS c, a.number AS n
          FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]),
                      CAST(? AS uuid[]), CAST(? AS bigint[]))
                 AS a(tenant, operation, key, claimant, number)),
      mine AS MATERIALIZED (
        SELECT t, o, k, c, n
          FROM asked JOIN <payment> AS p
            ON p.tenant = t AND p.operation = o AND p.key = k
           AND p.claimant = c AND p.claim_number = n
         WHERE p.lease_until > '-infinity'
         ORDER BY t, o, k
           FOR NO KEY UPDATE OF p SKIP LOCKED),
      renewed AS (
        UPDATE <payment> AS p
           SET lease_until = clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond'
          FROM mine
         WHERE p.tenant = t AND p.operation = o AND p.key = k
        RETURNING c, n)
      SELECT asked.c, asked.n,
             EXISTS (SELECT FROM renewed r WHERE r.c = asked.c AND r.n = asked.n),
             EXISTS (SELECT FROM <payment> AS p
                      WHERE p.tenant = t AND p.operation = o AND p.key = k
                        AND p.claimant = asked.c AND p.claim_number = asked.n)
        FROM asked\
      """;

  private final String renewAll;

  ClaimSql(Table<?> table) {
    this.renewAll = RENEW_ALL.replace("<payment>", DSL.using(SQLDialect.POSTGRES).render(table));
  }

  /**
   * Renews what is still held.
   *
   * @param keys of the payments that the fences are of
   */
  LeaseKeepAlive.Renewed renewAll(
      Connection connection, List<IdempotencyKey> keys, List<Fence> fences, Duration lease)
      throws SQLException {
    try (PreparedStatement renew = connection.prepareStatement(renewAll)) {
      bind(connection, renew, 1, "text", keys.stream().map(IdempotencyKey::tenant).toArray());
      bind(connection, renew, 2, "text", keys.stream().map(IdempotencyKey::operation).toArray());
      bind(connection, renew, 3, "text", keys.stream().map(IdempotencyKey::key).toArray());
      bind(connection, renew, 4, "uuid", fences.stream().map(Fence::claimant).toArray());
      bind(connection, renew, 5, "bigint", fences.stream().map(Fence::number).toArray());
      renew.setLong(6, lease.toMillis());
      return LeaseKeepAlive.Renewed.by(renew, lease);
    }
  }

  private static void bind(
      Connection connection, PreparedStatement statement, int index, String type, Object[] values)
      throws SQLException {
    statement.setArray(index, connection.createArrayOf(type, values));
  }
}
