package dev.pgbelay.lock.hotrow;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.StatementStart;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Collection;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
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

  /** Table; binds: amount, name, slot. */
  private static final String ADD =
      """
      UPDATE %s SET value = value + ? WHERE name = ? AND slot = ?
      """;

  /**
   * From one slot that nobody is at, the caller's own first. The row is locked by its key alone:
   * one that was locked and then found to have too little stays locked, so the caller must hear of
   * it. What it has is looked at in {@code seen} first, and again once it is locked.
   */
  private static final String TAKE_FROM_ONE =
      """
      WITH seen AS MATERIALIZED (
        SELECT slot FROM {0} WHERE name = {1} AND value >= {3}),
      locked AS MATERIALIZED (
        SELECT free.slot, free.value
          FROM seen JOIN {0} AS free ON free.name = {1} AND free.slot = seen.slot
         ORDER BY free.slot < {2}, free.slot
         LIMIT 1
           FOR NO KEY UPDATE OF free SKIP LOCKED),
      taken AS (
        UPDATE {0} AS counter SET value = counter.value - {3}
          FROM locked
         WHERE counter.name = {1} AND counter.slot = locked.slot AND locked.value >= {3})
      SELECT value FROM locked\
      """;

  private static final String SUM =
      """
      SELECT sum(value)::bigint FROM {0} WHERE name = {1}\
      """;

  private static final String LOCK_ALL =
      """
      SELECT slot, value FROM {0} WHERE name = {1} ORDER BY slot FOR NO KEY UPDATE {2}\
      """;

  /** Only of slots that the caller has locked: others may have come since. */
  private static final String SET_SLOTS =
      """
      UPDATE {0} AS counter SET value = wanted.value
        FROM unnest({2}::smallint[], {3}::bigint[]) AS wanted(slot, value)
       WHERE counter.name = {1} AND counter.slot = wanted.slot\
      """;

  private static final String DELETE =
      """
      DELETE FROM {0} WHERE name = {1}\
      """;

  private final Table<?> table;
  private final Map<String, String> adds = new ConcurrentHashMap<>();

  CounterSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "slotted_counter"));
  }

  int createSlots(DSLContext dsl, String name, int slots) {
    return asked(() -> dsl.query(CREATE_SLOTS, table, val(name), val(slots)).execute());
  }

  /** By JDBC: jOOQ would put together this most frequent of all statements each time. */
  int add(DSLContext dsl, String name, int slot, long amount) {
    String sql = adds.computeIfAbsent(dsl.render(table), ADD::formatted);
    ConnectionProvider provider = dsl.configuration().connectionProvider();
    Connection connection = Objects.requireNonNull(provider.acquire());
    StatementStart.announce(dsl.configuration());
    try (PreparedStatement add = connection.prepareStatement(sql)) {
      add.setLong(1, amount);
      add.setString(2, name);
      add.setShort(3, (short) slot);
      return add.executeUpdate();
    } catch (SQLException e) {
      throw explained(new DataAccessException("counter '" + name + "' was not changed", e));
    } finally {
      provider.release(connection);
    }
  }

  /**
   * What the slot had that was locked: enough was taken from it, less was left as it is. Empty if
   * none was locked.
   */
  OptionalLong takeFromOne(DSLContext dsl, String name, int slot, long amount) {
    @Nullable Record row =
        asked(() -> dsl.fetchOne(TAKE_FROM_ONE, table, val(name), val((short) slot), val(amount)));
    return row == null ? OptionalLong.empty() : OptionalLong.of(row.get(0, long.class));
  }

  /** Empty for a counter that does not exist. */
  Optional<Long> sum(DSLContext dsl, String name) {
    @Nullable Record row = asked(() -> dsl.fetchOne(SUM, table, val(name)));
    @Nullable Long sum = row == null ? null : row.get(0, Long.class);
    return Optional.ofNullable(sum);
  }

  /** Values by slot, in the order of the slots. */
  SortedMap<Short, Long> lockAll(DSLContext dsl, String name, boolean waiting) {
    Result<Record> rows = dsl.fetch(LOCK_ALL, table, val(name), DSL.sql(waiting ? "" : "NOWAIT"));
    SortedMap<Short, Long> values = new TreeMap<>();
    rows.forEach(row -> values.put(row.get(0, Short.class), row.get(1, Long.class)));
    return values;
  }

  /** Spreads a value evenly over slots that the caller has locked. */
  void spread(DSLContext dsl, String name, Collection<Short> slots, long value) {
    Short[] numbers = slots.toArray(Short[]::new);
    Long[] values = new Long[numbers.length];
    for (int i = 0; i < numbers.length; i++) {
      values[i] = value / numbers.length + (i < value % numbers.length ? 1 : 0);
    }
    dsl.query(SET_SLOTS, table, val(name), val(numbers), val(values)).execute();
  }

  int delete(DSLContext dsl, String name) {
    return asked(() -> dsl.query(DELETE, table, val(name)).execute());
  }

  private static <T extends @Nullable Object> T asked(Supplier<T> statement) {
    try {
      return statement.get();
    } catch (DataAccessException e) {
      throw explained(e);
    }
  }

  private static RuntimeException explained(DataAccessException failure) {
    return MissingTable.explained(failure, "counters", "hotrow");
  }
}
