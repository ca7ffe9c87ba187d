package dev.pgbelay.reconcile.propagate;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CarriedRowsSql;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.TableShape;
import dev.pgbelay.reconcile.propagate.QueueSql.Entry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.ResultQuery;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The children of one captured delete. {@code {0}} is their table. */
final class ChildrenSql {
  /** Of the rows that {0} returns; one value, since each that is sent costs more than it says. */
  private static final String KEYS =
      """
      SELECT jsonb_agg(pgbelay_key), cast(count(*) AS integer), jsonb_agg(pgbelay_key) -> -1
        FROM ({0}) AS found(pgbelay_key)\
      """;

  /** {1}: their key as in the table of undo, {2}: which, {3}: columns of the key */
  private static final String NEXT =
      """
      SELECT {1} FROM {0} WHERE {2} ORDER BY {3} LIMIT {4}\
      """;

  private static final String BEHIND = "({0}) > ({1})";

  private static final String LOCK =
      """
      SELECT {1} FROM {0} WHERE {2} ORDER BY {3} FOR UPDATE OF {4} SKIP LOCKED\
      """;

  /** Whoever waits holds no other child, so nobody waits for him: no deadlock. */
  private static final String AWAIT_ONE =
      """
      SELECT {1} FROM {0} WHERE {2} ORDER BY {3} LIMIT 1 FOR UPDATE OF {4}\
      """;

  /**
   * A child is treated once for a delete, whatever the rule leaves of it. OFFSET keeps it a look-up
   * for each row: a join might read everything that was kept.
   */
  private static final String NOT_YET =
      "NOT EXISTS (SELECT FROM {1} WHERE batch = {2} AND row_key = {0} AND action <> 'CARRIED' OFFSET 0)";

  /** Decides about rows that were found by their key, and cannot be what they are found by. */
  private static final String DECIDES = "({0}) IS TRUE";

  private static final String AMONG =
      "({0}) IN (SELECT {1} FROM jsonb_array_elements(cast({2} AS jsonb)) AS asked(pgbelay_key))";

  private static final String KEEP =
      """
      WITH kept AS (
        INSERT INTO {1} (declaration, batch, action, evidence, table_name, columns, row_key, row_before)
        SELECT {2}, {3}, {4}, jsonb_build_object('deleted_parent', {5}), {6}, cast({7} AS text[]), {8}, cast(ROW({0}.*) AS text)
          FROM {0} WHERE {9}
        RETURNING id, row_key)
      SELECT jsonb_agg(row_key), cast(count(*) AS integer), NULL, array_agg(id) FROM kept\
      """;

  private static final String KEEP_AFTER =
      """
      UPDATE {1} AS pgbelay_undo SET row_after = cast(ROW({0}.*) AS text) FROM {0}
       WHERE pgbelay_undo.id = ANY ({3}) AND {2}\
      """;

  private final DSLContext dsl;
  private final Reference reference;
  private final Entry entry;
  private final CascadeSql cascades;
  private final String schema;
  private final Table<?> undo;
  private final TableShape shape;
  private final List<Field<?>> key;
  private final Field<JSONB> rowKey;
  private final Condition children;
  private final Condition orphans;

  ChildrenSql(
      DSLContext dsl, String schema, Reference reference, Entry entry, CascadeSql cascades) {
    this.cascades = cascades;
    this.schema = schema;
    this.dsl = dsl;
    this.reference = reference;
    this.entry = entry;
    this.undo = DSL.table(DSL.name(schema, "reconcile_undo"));
    this.shape = CatalogSql.get(dsl, reference, reference.child());
    if (shape.primaryKey().isEmpty()) {
      throw new PgBelayException(
          "reference '%s': %s has no primary key; deletes cannot be propagated to it"
              .formatted(reference.name(), shape.name()));
    }
    this.key = ProbeSql.key(reference.child(), shape);
    this.rowKey = ProbeSql.keyOf(key, ProbeSql.types(shape));
    this.children = OrphansSql.children(dsl, reference, entry.parentKey());
    this.orphans = children.and(OrphansSql.withoutParent(reference));
  }

  /** Those that have no parent: one that was inserted again is honoured. */
  Condition orphans() {
    return orphans;
  }

  /**
   * Children.
   *
   * @param array of their keys, null for none
   * @param last of these, as they were read
   */
  record Keys(@Nullable JSONB array, int count, @Nullable JSONB last) {
    boolean isEmpty() {
      return count == 0;
    }

    private static Keys of(Record row) {
      return new Keys(row.get(0, JSONB.class), row.get(1, Integer.class), row.get(2, JSONB.class));
    }
  }

  /** The next of its children by their key, whether they have a parent again or not. */
  Keys next(int most) {
    Condition behind = DSL.noCondition();
    JSONB walkedTo = entry.walkedTo();
    if (walkedTo != null) {
      List<Field<?>> reached = new ArrayList<>();
      for (int k = 0; k < key.size(); k++) {
        reached.add(keyPart(DSL.field("cast({0} AS jsonb)", val(walkedTo)), k));
      }
      behind = DSL.condition(BEHIND, DSL.list(key), DSL.list(reached));
    }
    return keys(
        DSL.resultQuery(
            NEXT,
            reference.child(),
            rowKey,
            children.and(behind),
            DSL.list(key),
            DSL.inline(most)));
  }

  /** Locks those that have no parent and that nobody else has locked. */
  Keys lock(Keys some) {
    return lock(LOCK, some);
  }

  /** Waits for one that has no parent. */
  Keys awaitOne(Keys some) {
    return lock(AWAIT_ONE, some);
  }

  private Keys lock(String statement, Keys some) {
    return keys(
        DSL.resultQuery(
            statement,
            reference.child(),
            rowKey,
            among(some)
                .and(DSL.condition(DECIDES, orphans))
                .and(DSL.condition(NOT_YET, rowKey, undo, val(entry.batch()))),
            DSL.list(key),
            reference.child().getUnqualifiedName()));
  }

  private Keys keys(ResultQuery<?> rows) {
    return Keys.of(dsl.resultQuery(KEYS, rows).fetchSingle());
  }

  /** Keeps what they are and does what the rule says, to those that have no parent even now. */
  long treat(Tx tx, Keys locked) {
    Record row =
        dsl.resultQuery(
                KEEP,
                reference.child(),
                undo,
                val(reference.name()),
                val(entry.batch()),
                val(reference.onDelete().action().name()),
                val(entry.parentKey(), SQLDataType.JSONB),
                val(shape.name()),
                CatalogSql.columns(shape),
                rowKey,
                among(locked).and(DSL.condition(DECIDES, orphans)))
            .fetchSingle();
    Keys kept = Keys.of(row);
    if (kept.isEmpty()) {
      return 0;
    }
    cascades.capture(dsl, reference, among(kept));
    long changed = apply(tx, among(kept));
    if (reference.onDelete().action() != OnDelete.Action.CASCADE || changed < kept.count()) {
      dsl.query(KEEP_AFTER, reference.child(), undo, sameKey(), val(row.get(3, Long[].class)))
          .execute();
    }
    return changed;
  }

  private long apply(Tx tx, Condition children) {
    OnDelete rule = reference.onDelete();
    return switch (rule.action()) {
      case CASCADE -> {
        CarriedRowsSql carried =
            new CarriedRowsSql(
                dsl,
                schema,
                new CarriedRowsSql.Why(reference.name(), entry.batch(), entry.parentKey()));
        carried.keep(reference.child(), shape, children);
        int deleted = dsl.deleteFrom(reference.child()).where(children).execute();
        carried.keepAfter();
        yield deleted;
      }
      case SET_NULL -> update(columnsTo(DSL.inline((Object) null)), children);
      case SET_DEFAULT -> update(columnsTo(DSL.defaultValue()), children);
      case SOFT_DELETE -> {
        Map<Field<?>, Object> values = new LinkedHashMap<>();
        rule.assignments()
            .forEach(
                (column, value) ->
                    values.put(ProbeSql.column(reference.child(), column.getName()), value));
        yield update(values, children);
      }
      case CUSTOM -> rule.handler().orElseThrow().apply(tx, reference, children);
      case RESTRICT ->
          throw new PgBelayException(
              "reference '%s': RESTRICT has nothing to propagate".formatted(reference.name()));
    };
  }

  private Map<Field<?>, Object> columnsTo(Field<?> value) {
    Map<Field<?>, Object> values = new LinkedHashMap<>();
    reference
        .columnsToSet()
        .forEach(each -> values.put(ProbeSql.column(reference.child(), each.getName()), value));
    return values;
  }

  private long update(Map<Field<?>, Object> values, Condition children) {
    return dsl.update(reference.child()).set(values).where(children).execute();
  }

  private Condition among(Keys rows) {
    List<Field<?>> values = new ArrayList<>();
    for (int k = 0; k < key.size(); k++) {
      values.add(keyPart(DSL.field(DSL.raw("asked.pgbelay_key")), k));
    }
    return DSL.condition(
        AMONG, DSL.list(key), DSL.list(values), val(rows.array(), SQLDataType.JSONB));
  }

  private Condition sameKey() {
    Condition same = DSL.noCondition();
    for (int k = 0; k < key.size(); k++) {
      same =
          same.and(
              DSL.condition(
                  "{0} = {1}", key.get(k), keyPart(DSL.field(DSL.raw("pgbelay_undo.row_key")), k)));
    }
    return same;
  }

  private Field<?> keyPart(Field<?> array, int k) {
    String type = shape.column(shape.primaryKey().get(k)).orElseThrow().unboundedType();
    return DSL.field("cast({0} ->> {1} AS {2})", array, DSL.inline(k), DSL.raw(type));
  }
}
