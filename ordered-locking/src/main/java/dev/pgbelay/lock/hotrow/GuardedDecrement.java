package dev.pgbelay.lock.hotrow;

import static org.jooq.impl.DSL.coalesce;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.row;
import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.lock.hotrow.StockDecrement.Outcome;
import dev.pgbelay.lock.hotrow.StockDecrement.Shortage;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Record3;
import org.jooq.Result;
import org.jooq.RowN;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * Takes from quantities in a table of the caller's own (seats left, items in stock): of one item or
 * of several, all or nothing, never below zero, and it says which item was short.
 *
 * <p>Works in the caller's transaction; what was taken comes back if that rolls back. Several items
 * are locked in one statement in the order of their keys, as the server orders them, so two baskets
 * never deadlock over their items. The rows stay locked until the transaction ends, also where the
 * answer is SHORT for several items. A single one that is short is not locked either, unless it got
 * short while it was waited for: after SHORT roll back, or take nothing else.
 *
 * <p>One statement for one item, two for several, and one to the catalog at first. Safe for several
 * threads.
 *
 * @param <K> the type of the key
 */
public final class GuardedDecrement<K> {
  /** Of what is joined to the table, whose columns the caller may name without it. */
  private static final String NUMBER = "pgbelay_number";

  private static final String KEY = "pgbelay_key";
  private static final String AMOUNT = "pgbelay_amount";
  private static final int MOST_ITEMS = 1_000;
  private static final Set<Class<?>> WHOLE = Set.of(Short.class, Integer.class, Long.class);

  private final Table<?> table;
  private final Field<K> key;
  private final Field<? extends Number> quantity;
  private final @Nullable MeterRegistry registry;
  private final Map<String, String> keyTypes = new ConcurrentHashMap<>();

  private GuardedDecrement(
      Table<?> table,
      Field<K> key,
      Field<? extends Number> quantity,
      @Nullable MeterRegistry registry) {
    this.table = table;
    this.key = key;
    this.quantity = quantity;
    this.registry = registry;
  }

  /**
   * For one table; nothing is asked of the database yet.
   *
   * @param key a unique column that does not change
   * @param quantity a SMALLINT, INTEGER or BIGINT that is not NULL
   */
  public static <K> GuardedDecrement<K> of(
      Table<?> table, Field<K> key, Field<? extends Number> quantity) {
    if (!WHOLE.contains(quantity.getType())) {
      throw new PgBelayException(
          "quantity "
              + quantity.getQualifiedName()
              + " is a "
              + quantity.getDataType()
              + ": must be SMALLINT, INTEGER or BIGINT");
    }
    if (key.getType() == Object.class) {
      throw new PgBelayException(
          "key "
              + key.getQualifiedName()
              + " has no type of its own: declare it with an SQLDataType");
    }
    return new GuardedDecrement<>(table, key, quantity, null);
  }

  /** The same with metrics. */
  public GuardedDecrement<K> meterRegistry(MeterRegistry metrics) {
    return new GuardedDecrement<>(table, key, quantity, metrics);
  }

  /** {@link #take(Tx, Map)} of one item. */
  public StockDecrement<K> take(Tx tx, K item, long amount) {
    requireItem(item, amount);
    StockDecrement<K> result = takeOne(tx.dsl(), item, amount);
    count(result);
    return result;
  }

  /**
   * Takes all amounts, or none.
   *
   * @param amounts by key, 1 or more of each, of up to 1,000 items
   * @throws PgBelayException if two of the keys are the same to the server, as with {@code citext}
   */
  public StockDecrement<K> take(Tx tx, Map<K, Long> amounts) {
    if (amounts.size() > MOST_ITEMS) {
      throw new PgBelayException("amounts has " + amounts.size() + " items: at most " + MOST_ITEMS);
    }
    amounts.forEach(this::requireItem);
    StockDecrement<K> result =
        switch (amounts.size()) {
          case 0 -> new StockDecrement<>(Outcome.TAKEN, Map.of(), List.of());
          case 1 -> {
            Map.Entry<K, Long> only = amounts.entrySet().iterator().next();
            yield takeOne(tx.dsl(), only.getKey(), only.getValue());
          }
          default -> takeSeveral(tx.dsl(), amounts);
        };
    count(result);
    return result;
  }

  private void requireItem(@Nullable K item, @Nullable Long amount) {
    if (item == null) {
      throw new PgBelayException("a key of " + table.getQualifiedName() + " is null");
    }
    if (amount == null || amount < 1) {
      throw new PgBelayException(
          "the amount of an item of "
              + table.getQualifiedName()
              + " must be 1 or more, is "
              + amount);
    }
  }

  private Field<Long> quantityAsLong() {
    return quantity.cast(SQLDataType.BIGINT);
  }

  private StockDecrement<K> takeOne(DSLContext dsl, K item, long amount) {
    List<Long> left =
        dsl.update(table)
            .set(lessBy(val(amount)))
            .where(key.eq(wanted(dsl, item)))
            .and(quantityAsLong().ge(amount))
            .returningResult(quantityAsLong())
            .fetch(0, Long.class);
    if (left.size() == 1) {
      return new StockDecrement<>(Outcome.TAKEN, Map.of(item, left.get(0)), List.of());
    }
    if (left.size() > 1) {
      throw notUnique();
    }
    List<Long> available =
        dsl.select(coalesce(quantityAsLong(), 0L))
            .from(table)
            .where(key.eq(wanted(dsl, item)))
            .fetch(0, Long.class);
    OptionalLong there =
        available.isEmpty() ? OptionalLong.empty() : OptionalLong.of(available.get(0));
    return new StockDecrement<>(
        Outcome.SHORT, Map.of(), List.of(new Shortage<>(item, amount, there)));
  }

  private Map<Field<?>, Object> lessBy(Field<Long> amount) {
    return Map.of(quantity, quantityAsLong().minus(amount).cast(quantity.getDataType()));
  }

  private StockDecrement<K> takeSeveral(DSLContext dsl, Map<K, Long> amounts) {
    List<K> items = new ArrayList<>(amounts.keySet());
    Field<Integer> number = field(name("wanted", NUMBER), SQLDataType.INTEGER);
    Field<K> wantedKey = field(name("wanted", KEY), key.getDataType());
    List<RowN> wanted = new ArrayList<>();
    for (int i = 0; i < items.size(); i++) {
      wanted.add(row(List.of(val(i), wanted(dsl, items.get(i)))));
    }
    // Numbered, because the server may take two keys for equal that Java does not, or the reverse.
    Result<Record3<Integer, Long, String>> locked =
        dsl.select(number, coalesce(quantityAsLong(), 0L), KeyTypeSql.placeOfRow(table))
            .from(table)
            .join(DSL.values(wanted.toArray(RowN[]::new)).as("wanted", NUMBER, KEY))
            .on(key.eq(wantedKey))
            .orderBy(key)
            .forNoKeyUpdate()
            .of(table)
            .fetch();
    Map<Integer, Long> available = new LinkedHashMap<>();
    Set<String> places = new HashSet<>();
    for (Record3<Integer, Long, String> each : locked) {
      if (!places.add(each.value3())) {
        throw sameRow();
      }
      if (available.put(each.value1(), each.value2()) != null) {
        throw notUnique();
      }
    }
    List<Shortage<K>> shortages = new ArrayList<>();
    for (int i = 0; i < items.size(); i++) {
      Long there = available.get(i);
      long asked = amounts.getOrDefault(items.get(i), 0L);
      if (there == null || there < asked) {
        shortages.add(
            new Shortage<>(
                items.get(i),
                asked,
                there == null ? OptionalLong.empty() : OptionalLong.of(there)));
      }
    }
    return shortages.isEmpty()
        ? write(dsl, items, amounts)
        : new StockDecrement<>(Outcome.SHORT, Map.of(), shortages);
  }

  private StockDecrement<K> write(DSLContext dsl, List<K> items, Map<K, Long> amounts) {
    Field<Integer> number = field(name("wanted", NUMBER), SQLDataType.INTEGER);
    Field<K> wantedKey = field(name("wanted", KEY), key.getDataType());
    Field<Long> amount = field(name("wanted", AMOUNT), SQLDataType.BIGINT);
    List<RowN> wanted = new ArrayList<>();
    for (int i = 0; i < items.size(); i++) {
      wanted.add(
          row(
              List.of(
                  val(i), wanted(dsl, items.get(i)), val(amounts.getOrDefault(items.get(i), 0L)))));
    }
    Result<? extends Record> written =
        dsl.update(table)
            .set(lessBy(amount))
            .from(DSL.values(wanted.toArray(RowN[]::new)).as("wanted", NUMBER, KEY, AMOUNT))
            .where(key.eq(wantedKey))
            .and(quantityAsLong().ge(amount))
            .returningResult(number, quantityAsLong())
            .fetch();
    Map<K, Long> left = new LinkedHashMap<>();
    Set<Integer> seen = new HashSet<>();
    for (Record each : written) {
      int index = each.get(0, Integer.class);
      seen.add(index);
      left.put(items.get(index), each.get(1, Long.class));
    }
    if (seen.size() != items.size() || written.size() != items.size()) {
      throw sameRow();
    }
    return new StockDecrement<>(Outcome.TAKEN, left, List.of());
  }

  /** As the column's type, without its length or precision: a cast to those cuts the key. */
  private Field<K> wanted(DSLContext dsl, K item) {
    String column = dsl.render(table) + "." + key.getName();
    String type =
        keyTypes.computeIfAbsent(
            column,
            asked ->
                KeyTypeSql.typeOf(dsl, dsl.render(table), key.getName())
                    .orElseThrow(
                        () ->
                            new PgBelayException(
                                "there is no column " + asked + " on the search path")));
    return KeyTypeSql.as(type, key, item);
  }

  private PgBelayException sameRow() {
    return new PgBelayException(
        "two of the keys name the same row of "
            + table.getQualifiedName()
            + ": add their amounts up before the call");
  }

  private PgBelayException notUnique() {
    return new PgBelayException(
        "column "
            + key.getQualifiedName()
            + " is not unique: nothing may be taken from more rows than were asked for. Roll back,"
            + " and name a unique column");
  }

  private void count(StockDecrement<K> result) {
    if (registry != null) {
      Counter.builder("pgbelay.lock.decrements")
          .description("Guarded decrements")
          .tag("outcome", result.outcome().name().toLowerCase(Locale.ROOT))
          .register(registry)
          .increment();
    }
  }
}
