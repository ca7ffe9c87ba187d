package dev.pgbelay.idempotency.payment;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.idempotency.IdempotencyKey;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Table;

/** The statements of those who bring what a provider said. */
final class SettlementSql {
  /** {0} table, {1} operation, {2} what the provider key begins with. */
  private static final String FIND_BY_PROVIDER_KEY =
      """
      SELECT tenant, key FROM {0} WHERE provider_key = {2} AND operation = {1}\
      """;

  /** {0} table, {1} {2} {3} key, {4} note. */
  private static final String CONTRADICT =
      """
      UPDATE {0} SET contradiction = {4}
       WHERE tenant = {1} AND operation = {2} AND key = {3} AND contradiction IS NULL\
      """;

  private final Table<?> table;

  SettlementSql(Table<?> table) {
    this.table = table;
  }

  Optional<IdempotencyKey> byProviderKey(DSLContext dsl, String operation, byte[] beginning) {
    return dsl.resultQuery(FIND_BY_PROVIDER_KEY, table, val(operation), val(beginning))
        .fetchOptional()
        .map(
            row ->
                new IdempotencyKey(
                    row.get("tenant", String.class), operation, row.get("key", String.class)));
  }

  /** In the transaction that has the row locked. */
  void contradict(DSLContext dsl, IdempotencyKey key, String note) {
    dsl.query(CONTRADICT, table, val(key.tenant()), val(key.operation()), val(key.key()), val(note))
        .execute();
  }
}
