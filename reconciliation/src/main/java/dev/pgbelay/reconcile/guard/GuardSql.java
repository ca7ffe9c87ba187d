package dev.pgbelay.reconcile.guard;

import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.RenderedQuery;
import java.util.ArrayList;
import java.util.List;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.impl.DSL;

/**
 * The questions of a guard, each put together once. One key is asked for without arrays: plans for
 * arrays are made anew each time, since the server takes those that it could keep for dearer.
 *
 * <p>{0}: arrays of the columns, {1}: their names, {2}: the parent, {3}: same key and counts, {4}:
 * its columns as texts, {5}: the first of its columns.
 *
 * <p>OFFSET 0 makes each key a look-up by the index: a join might read all parents.
 */
final class GuardSql {
  private static final String FIND_ONE = "SELECT 1 FROM {2} WHERE {3} LIMIT 1";

  private static final String LOCK_ONE = "SELECT 1 FROM {2} WHERE {3}";

  /** Ordinals of those that are not there, as of all that follow. */
  private static final String FIND_ALL =
      """
      SELECT asked.pgbelay_n
        FROM unnest({0}) WITH ORDINALITY AS asked({1}, pgbelay_n)
       WHERE NOT EXISTS (SELECT FROM {2} WHERE {3} OFFSET 0)\
      """;

  /**
   * Locks in the order of the key, so that two who lock the same parents do not wait for each
   * other.
   */
  private static final String LOCK_ALL =
      """
      SELECT asked.pgbelay_n
        FROM (SELECT * FROM unnest({0}) WITH ORDINALITY AS sent({1}, pgbelay_n)
               ORDER BY {1} OFFSET 0) AS asked
        LEFT JOIN LATERAL (SELECT true AS is_there FROM {2} WHERE {3}%s) AS locked ON true
       WHERE locked.is_there IS NULL\
      """;

  /** Where the key is one column: in one walk of the index. */
  private static final String FIND_ALL_BY_COLUMN =
      """
      WITH sent AS MATERIALIZED (SELECT {0} AS all_keys)
      SELECT asked.pgbelay_n
        FROM sent CROSS JOIN unnest(sent.all_keys) WITH ORDINALITY AS asked(pgbelay_k, pgbelay_n)
       WHERE asked.pgbelay_k NOT IN (SELECT {5} FROM {2} WHERE {3})\
      """;

  private static final String LOCK_ALL_BY_COLUMN =
      """
      WITH sent AS MATERIALIZED (SELECT {0} AS all_keys), locked AS MATERIALIZED (
        SELECT {5} AS pgbelay_k FROM {2} WHERE {3} ORDER BY {5}%s)
      SELECT asked.pgbelay_n
        FROM sent CROSS JOIN unnest(sent.all_keys) WITH ORDINALITY AS asked(pgbelay_k, pgbelay_n)
       WHERE asked.pgbelay_k NOT IN (SELECT pgbelay_k FROM locked)\
      """;

  private static final String LOCK = " FOR KEY SHARE";

  /** An update that makes a parent count no more changes no key, and would pass a KEY SHARE. */
  private static final String LOCK_AS_IT_IS = " FOR SHARE";

  /**
   * A transaction that has no identity yet has written nothing that it sees. A row that is younger
   * than its identity may be its own, and nobody else's if it is taken back: such a one is not
   * spelled alike, so that it is not remembered.
   */
  private static final String LOOK_AT_ONE =
      """
      SELECT pg_current_xact_id_if_assigned() IS NULL,
             current_setting('transaction_isolation') = 'read committed',
             (SELECT CASE WHEN coalesce(age(xmin) > age(cast(pg_current_xact_id_if_assigned() AS xid)), true) THEN ARRAY[{4}] ELSE '{}' END
                FROM {2} WHERE {3} LIMIT 1)\
      """;

  /**
   * One row about the transaction, and one for each key that is not there or is spelled in another
   * way, byte by byte.
   */
  private static final String LOOK_AT_ALL =
      """
      SELECT 0 AS pgbelay_n, pg_current_xact_id_if_assigned() IS NULL,
             current_setting('transaction_isolation') = 'read committed'
      UNION ALL
      SELECT asked.pgbelay_n, found.is_alike IS NOT NULL, false
        FROM unnest({0}) WITH ORDINALITY AS asked({1}, pgbelay_n)
        LEFT JOIN LATERAL (
          SELECT ({4}) = ({1}) AND coalesce(age(xmin) > age(cast(pg_current_xact_id_if_assigned() AS xid)), true) AS is_alike
            FROM {2} WHERE {3} OFFSET 0) AS found ON true
       WHERE found.is_alike IS NOT TRUE\
      """;

  private final Reference reference;
  private final List<String> types;
  private final List<Field<?>> columns = new ArrayList<>();
  private final List<Field<?>> names = new ArrayList<>();
  private final List<Field<?>> texts = new ArrayList<>();

  final RenderedQuery findOne;
  final RenderedQuery findAll;
  final RenderedQuery lockOne;
  final RenderedQuery lockAll;
  final RenderedQuery lookAtOne;
  final RenderedQuery lookAtAll;

  /**
   * @param types of the parent's columns, as SQL writes them, without lengths and scales: a cast to
   *     those would shorten a key to that of another parent
   */
  GuardSql(Reference reference, List<String> types) {
    this.reference = reference;
    this.types = types;
    for (Field<?> each : reference.parentColumns()) {
      Field<?> column = ProbeSql.column(reference.parent(), each.getName());
      columns.add(column);
      names.add(DSL.field(DSL.name("pgbelay_k" + columns.size())));
      texts.add(DSL.field("cast({0} AS text) COLLATE \"C\"", column));
    }
    boolean asItIs = !reference.parentWhere().equals(DSL.noCondition());
    String lock = asItIs ? LOCK_AS_IT_IS : LOCK;
    findOne = one(FIND_ONE);
    lockOne = one(LOCK_ONE + lock);
    boolean single = types.size() == 1;
    findAll = single ? byColumn(FIND_ALL_BY_COLUMN) : each(FIND_ALL, types);
    lockAll =
        single
            ? byColumn(LOCK_ALL_BY_COLUMN.formatted(lock))
            : each(LOCK_ALL.formatted(lock), types);
    lookAtOne = one(LOOK_AT_ONE);
    lookAtAll = each(LOOK_AT_ALL, types.stream().map(type -> "text").toList());
  }

  private RenderedQuery one(String template) {
    return query(template, (k, place) -> place, (k, place) -> is(k, cast(place, types.get(k))));
  }

  private RenderedQuery byColumn(String template) {
    String type = types.get(0) + "[]";
    Field<?> all = cast(DSL.field("(SELECT all_keys FROM sent)"), type);
    return query(
        template,
        (k, place) -> cast(place, type),
        (k, place) -> DSL.condition("{0} = ANY ({1})", columns.get(k), all));
  }

  /**
   * @param sent the types of what is sent
   */
  private RenderedQuery each(String template, List<String> sent) {
    return query(
        template,
        (k, place) -> cast(place, sent.get(k) + "[]"),
        (k, place) -> {
          Field<?> asked = DSL.field("asked.{0}", names.get(k));
          return is(k, sent.equals(types) ? asked : cast(asked, types.get(k)));
        });
  }

  private Condition is(int k, Field<?> value) {
    return DSL.condition("{0} = {1}", columns.get(k), value);
  }

  /** Says something about one column, given its place. */
  @FunctionalInterface
  private interface OfColumn<R> {
    R of(int column, Field<?> place);
  }

  private RenderedQuery query(String template, OfColumn<Field<?>> array, OfColumn<Condition> same) {
    return new RenderedQuery(
        columns.size(),
        places -> {
          List<Field<?>> arrays = new ArrayList<>();
          Condition all = DSL.noCondition();
          for (int k = 0; k < places.size(); k++) {
            arrays.add(array.of(k, places.get(k)));
            all = all.and(same.of(k, places.get(k)));
          }
          return DSL.resultQuery(
              template,
              DSL.list(arrays),
              DSL.list(names),
              reference.parent(),
              all.and(reference.parentWhere()),
              DSL.list(texts),
              columns.get(0));
        });
  }

  private static Field<?> cast(Field<?> value, String type) {
    return DSL.field("cast({0} AS {1})", value, DSL.raw(type));
  }
}
