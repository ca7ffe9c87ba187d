package dev.pgbelay.idempotency.payment;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;

/** The statements of those who watch. */
final class OpenPaymentSql {
  /** {0} table, {1} operations, {2} state, {3} limit. */
  private static final String OPEN =
      """
      SELECT tenant, operation, key, state, asked, attempts, reason,
             CAST(extract(epoch FROM clock_timestamp() - created_at) * 1000 AS bigint) AS age,
             CAST(extract(epoch FROM clock_timestamp() - unknown_since) * 1000 AS bigint) AS unknown
        FROM {0}
       WHERE operation = ANY ({1}) AND finished_at = 'infinity' AND state = {2}
       ORDER BY created_at, tenant, operation, key
       LIMIT {3}\
      """;

  /** {0} table, {1} operations, {2} limit. */
  private static final String CONTRADICTED =
      """
      SELECT tenant, operation, key, state, asked, attempts, contradiction AS reason,
             CAST(extract(epoch FROM clock_timestamp() - created_at) * 1000 AS bigint) AS age,
             CAST(extract(epoch FROM clock_timestamp() - unknown_since) * 1000 AS bigint) AS unknown
        FROM {0}
       WHERE operation = ANY ({1}) AND contradiction IS NOT NULL
       ORDER BY operation, tenant, key
       LIMIT {2}\
      """;

  /** {0} table, {1} operation. */
  private static final String STANDING =
      """
      SELECT count(*) FILTER (WHERE state = 'UNKNOWN') AS unknown,
             CAST(coalesce(extract(epoch FROM clock_timestamp()
                    - min(unknown_since) FILTER (WHERE state = 'UNKNOWN')), 0)
                  AS double precision) AS oldest,
             count(*) FILTER (WHERE state = 'PARKED') AS parked
        FROM {0}
       WHERE operation = {1} AND finished_at = 'infinity'\
      """;

  /** Each payment once, also with several watchers. {0} table, {1} operation, {2} ms, {3} limit. */
  private static final String ESCALATE =
      """
      WITH old AS MATERIALIZED (
        SELECT tenant AS t, operation AS o, key AS k
          FROM {0}
         WHERE operation = {1} AND finished_at = 'infinity' AND NOT escalated
           AND unknown_since + {2} * interval '1 millisecond' <= clock_timestamp()
         ORDER BY unknown_since
         LIMIT {3}
           FOR NO KEY UPDATE SKIP LOCKED)
      UPDATE {0} AS p
         SET escalated = true
        FROM old
       WHERE p.tenant = old.t AND p.operation = old.o AND p.key = old.k
      RETURNING p.tenant, p.operation, p.key, p.state, p.asked, p.attempts, p.reason,
             CAST(extract(epoch FROM clock_timestamp() - p.created_at) * 1000 AS bigint) AS age,
             CAST(extract(epoch FROM clock_timestamp() - p.unknown_since) * 1000 AS bigint)
               AS unknown\
      """;

  private final Table<?> table;

  OpenPaymentSql(Table<?> table) {
    this.table = table;
  }

  List<OpenPayment> open(
      DSLContext dsl, Collection<String> operations, OpenPayment.State state, int limit) {
    return dsl.resultQuery(
            OPEN, table, val(operations.toArray(String[]::new)), val(state.name()), val(limit))
        .fetch(OpenPaymentSql::payment);
  }

  List<OpenPayment> contradicted(DSLContext dsl, Collection<String> operations, int limit) {
    return dsl.resultQuery(CONTRADICTED, table, val(operations.toArray(String[]::new)), val(limit))
        .fetch(OpenPaymentSql::payment);
  }

  PaymentMeters.Standing standing(DSLContext dsl, String operation) {
    Record row = dsl.resultQuery(STANDING, table, val(operation)).fetchSingle();
    return new PaymentMeters.Standing(
        row.get("unknown", Long.class),
        row.get("oldest", Double.class),
        row.get("parked", Long.class));
  }

  List<OpenPayment> escalate(DSLContext dsl, String operation, Duration after, int limit) {
    return dsl.resultQuery(ESCALATE, table, val(operation), val(after.toMillis()), val(limit))
        .fetch(OpenPaymentSql::payment);
  }

  private static OpenPayment payment(Record row) {
    return new OpenPayment(
        new IdempotencyKey(
            row.get("tenant", String.class),
            row.get("operation", String.class),
            row.get("key", String.class)),
        OpenPayment.State.valueOf(row.get("state", String.class)),
        Optional.ofNullable(row.get("asked", String.class)),
        Duration.ofMillis(row.get("age", Long.class)),
        Optional.ofNullable(row.get("unknown", Long.class)).map(Duration::ofMillis),
        row.get("attempts", Integer.class),
        Optional.ofNullable(row.get("reason", String.class)));
  }
}
