package dev.pgbelay.lock.hotrow;

import static org.jooq.impl.DSL.val;

import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements on the table of counters. {@code {0}} is that table, {@code {1}} the name. */
final class CounterSql {
  private static final String CREATE_SLOTS =
      """
      INSERT INTO {0} (name, slot, value)
      SELECT {1}, slot, 0 FROM generate_series(0, {2} - 1) AS slot
      ON CONFLICT (name, slot) DO NOTHING\
      """;

  private static final String ADD =
      """
      UPDATE {0} SET value = value + {3} WHERE name = {1} AND slot = {2}\
      """;

  /**
   * From one slot that nobody is at, the caller's own first. The outer condition is checked again
   * on the row as it is when it is locked.
   */
  private static final String TAKE_FROM_ONE =
      """
      UPDATE {0} AS counter SET value = counter.value - {3}
       WHERE counter.name = {1}
         AND counter.slot = (SELECT free.slot FROM {0} AS free
                              WHERE free.name = {1} AND free.value >= {3}
                              ORDER BY free.slot < {2}, free.slot
                              LIMIT 1
                                FOR NO KEY UPDATE SKIP LOCKED)
         AND counter.value >= {3}\
      """;

  private static final String SUM =
      """
      SELECT sum(value)::bigint FROM {0} WHERE name = {1}\
      """;

  private static final String LOCK_ALL =
      """
      SELECT slot, value FROM {0} WHERE name = {1} ORDER BY slot FOR NO KEY UPDATE\
      """;

  /** Spreads {@code {2}} over all slots, which the caller has locked. */
  private static final String SPREAD =
      """
      UPDATE {0} AS counter
         SET value = {2} / slots.n + CASE WHEN counter.slot < {2} % slots.n THEN 1 ELSE 0 END
        FROM (SELECT count(*) AS n FROM {0} WHERE name = {1}) AS slots
       WHERE counter.name = {1}\
      """;

  private static final String DELETE =
      """
      DELETE FROM {0} WHERE name = {1}\
      """;

  private final Table<?> table;

  CounterSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "slotted_counter"));
  }

  int createSlots(DSLContext dsl, String name, int slots) {
    return dsl.query(CREATE_SLOTS, table, val(name), val(slots)).execute();
  }

  int add(DSLContext dsl, String name, int slot, long amount) {
    return dsl.query(ADD, table, val(name), val((short) slot), val(amount)).execute();
  }

  boolean takeFromOne(DSLContext dsl, String name, int slot, long amount) {
    return dsl.query(TAKE_FROM_ONE, table, val(name), val((short) slot), val(amount)).execute()
        == 1;
  }

  /** Empty for a counter that does not exist. */
  Optional<Long> sum(DSLContext dsl, String name) {
    Record row = dsl.fetchOne(SUM, table, val(name));
    @Nullable Long sum = row == null ? null : row.get(0, Long.class);
    return Optional.ofNullable(sum);
  }

  List<Long> lockAll(DSLContext dsl, String name) {
    Result<Record> rows = dsl.fetch(LOCK_ALL, table, val(name));
    return rows.map(row -> row.get(1, Long.class));
  }

  void spread(DSLContext dsl, String name, long value) {
    dsl.query(SPREAD, table, val(name), val(value)).execute();
  }

  int delete(DSLContext dsl, String name) {
    return dsl.query(DELETE, table, val(name)).execute();
  }
}
