package dev.pgbelay.batch;

import dev.pgbelay.batch.StatementSql.Slot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Param;
import org.jooq.QueryPart;

/** The statements of one writer for one table, each rendered when it is first needed. */
final class ShapeSql<R> {
  /** Where a statement reads its rows. */
  enum Source {
    ARRAYS,
    STAGE
  }

  private final Shape<R> shape;
  private final DSLContext dsl;
  private final Map<String, StatementSql> rendered = new HashMap<>();

  ShapeSql(Shape<R> shape, DSLContext dsl) {
    this.shape = shape;
    this.dsl = dsl;
  }

  private synchronized StatementSql once(String key, Function<Source, StatementSql> render) {
    StatementSql known = rendered.get(key);
    if (known == null) {
      known = render.apply(key.endsWith("STAGE") ? Source.STAGE : Source.ARRAYS);
      rendered.put(key, known);
    }
    return known;
  }

  StatementSql insertAll() {
    return once(
        "insertAll",
        source ->
            StatementSql.fill(
                WriteSql.INSERT_ALL,
                Map.of(
                    "table", table(),
                    "columns", names(),
                    "exprs", exprs(),
                    "arrays", arrays(),
                    "names", arrayNames())));
  }

  /** Of inserts whose rows must be told apart: by ordinal from 17 on, else by a key. */
  StatementSql insertPaired() {
    return once("insertPaired", source -> mergesInserts() ? merge() : insertAndJoin());
  }

  boolean mergesInserts() {
    return shape.table().major() >= 17 && !shape.table().rules() && !shape.isView();
  }

  private StatementSql merge() {
    return StatementSql.fill(
        WriteSql.INSERT_MERGE,
        Map.of(
            "table", table(),
            "input", input(Source.ARRAYS),
            "columns", names(),
            "values", each(column -> "s." + quote(column.name())),
            "returned", returnedOf(table().text())));
  }

  private StatementSql insertAndJoin() {
    List<PgColumn> generated = shape.pairingDefaults();
    List<String> keys = new ArrayList<>();
    List<String> join = new ArrayList<>();
    int number = 0;
    for (PgColumn key : shape.pairingKey()) {
      number++;
      keys.add(table().text() + "." + quote(key.name()) + " as pgbelay_k" + number);
      join.add("w.pgbelay_k" + number + " = s." + quote(key.name()));
    }
    StringBuilder evaluated = new StringBuilder();
    StringBuilder columns = new StringBuilder();
    StringBuilder values = new StringBuilder();
    boolean always = false;
    for (PgColumn column : generated) {
      String name = quote(column.name());
      evaluated
          .append(", (")
          .append(StatementSql.fromCatalog(String.valueOf(column.defaultSql())).text())
          .append(")::")
          .append(column.type())
          .append(" as ")
          .append(name);
      columns.append(", ").append(name);
      values.append(", s.").append(name);
      always |= column.isIdentityAlways();
    }
    return StatementSql.fill(
        WriteSql.INSERT_JOIN,
        Map.ofEntries(
            Map.entry("table", table()),
            Map.entry("input", input(Source.ARRAYS)),
            Map.entry("columns", names()),
            Map.entry("values", each(column -> "s." + quote(column.name()))),
            Map.entry("generated", StatementSql.of(evaluated.toString())),
            Map.entry("generatedColumns", StatementSql.of(columns.toString())),
            Map.entry("generatedValues", StatementSql.of(values.toString())),
            Map.entry("overriding", StatementSql.of(always ? "overriding system value" : "")),
            Map.entry("keys", StatementSql.of(String.join(", ", keys))),
            Map.entry("join", StatementSql.of(String.join(" and ", join))),
            Map.entry("returning", returning()),
            Map.entry("returned", returnedOf("w"))));
  }

  StatementSql upsertCounted(Source from) {
    return once(
        "upsertCounted" + from,
        source ->
            StatementSql.fill(
                WriteSql.UPSERT_COUNTED,
                Map.of(
                    "s", rows(from, true),
                    "table", table(),
                    "columns", names(),
                    "values", each(column -> "s." + quote(column.name())),
                    "order", StatementSql.of(keyNames("s.")),
                    "target", target(),
                    "predicate", predicate(),
                    "action", action())));
  }

  StatementSql upsertPaired(Source from) {
    return once(
        "upsertPaired" + from,
        source ->
            StatementSql.fill(
                WriteSql.UPSERT_PAIRED,
                Map.ofEntries(
                    Map.entry("s", rows(from, false)),
                    Map.entry("table", table()),
                    Map.entry("columns", names()),
                    Map.entry("values", each(column -> "s." + quote(column.name()))),
                    Map.entry("order", StatementSql.of(keyNames("s."))),
                    Map.entry("target", target()),
                    Map.entry("predicate", predicate()),
                    Map.entry("action", action()),
                    Map.entry("keys", storedKeys()),
                    Map.entry(
                        "inserted",
                        StatementSql.of(shape.table().isPartitioned() ? "true" : "(xmax = 0)")),
                    Map.entry("returning", returning()),
                    Map.entry("code", upsertCode()),
                    Map.entry("join", StatementSql.of(pairJoin())),
                    Map.entry("returned", returnedOf("w")))));
  }

  /**
   * Needed where the statement itself cannot tell: on partitioned tables, which have no xmax to
   * return, and where a row may have been left alone for more than one reason.
   */
  boolean mustClassifyUpserts() {
    WriterSettings<R> settings = shape.settings();
    return (shape.table().isPartitioned() && !settings.ignoreConflicts())
        || (settings.onlyIfChanged()
            && (settings.condition() != null || shape.table().mayDropUpserts()));
  }

  StatementSql classifyUpsert(Source from) {
    return once(
        "classifyUpsert" + from,
        source ->
            StatementSql.fill(
                WriteSql.CLASSIFY_UPSERT,
                Map.of(
                    "s", rows(from, false),
                    "table", table(),
                    "changed",
                        shape.settings().onlyIfChanged() ? changed() : StatementSql.of("true"),
                    "join", StatementSql.of(keyJoin()))));
  }

  StatementSql updateCounted(Source from) {
    return once(
        "updateCounted" + from,
        source ->
            shape.settings().unordered()
                ? StatementSql.fill(
                    WriteSql.UPDATE_COUNTED_UNORDERED,
                    Map.of(
                        "table", table(),
                        "sets", sets(),
                        "input", input(from),
                        "join", StatementSql.of(keyJoin())))
                : StatementSql.fill(
                    WriteSql.UPDATE_COUNTED,
                    Map.of(
                        "l", locked(input(from).wrap("(", ")"), false),
                        "table", table(),
                        "sets", sets(),
                        "join", StatementSql.of(keyJoin()))));
  }

  StatementSql updatePaired(Source from) {
    return once(
        "updatePaired" + from,
        source ->
            StatementSql.fill(
                WriteSql.UPDATE_PAIRED,
                Map.of(
                    "s", rows(from, false),
                    "l", locked(StatementSql.of("s"), true),
                    "table", table(),
                    "sets", sets(),
                    "join", StatementSql.of(keyJoin()),
                    "where", guards().wrap(guards().isEmpty() ? "" : " and ", ""),
                    "missing",
                        StatementSql.of(
                            shape.settings().onlyIfChanged()
                                ? "case when l.pgbelay_changed then 3 else 2 end"
                                : "3"),
                    "returning", returning(),
                    "returned", returnedOf("u"))));
  }

  StatementSql deleteCounted(Source from) {
    return once(
        "deleteCounted" + from,
        source ->
            shape.settings().unordered()
                ? StatementSql.fill(
                    WriteSql.DELETE_COUNTED_UNORDERED,
                    Map.of(
                        "table", table(),
                        "input", input(from),
                        "join", StatementSql.of(keyJoin())))
                : StatementSql.fill(
                    WriteSql.DELETE_COUNTED,
                    Map.of(
                        "l", locked(input(from).wrap("(", ")"), false),
                        "table", table(),
                        "join", StatementSql.of(keyJoin()))));
  }

  StatementSql deletePaired(Source from) {
    return once(
        "deletePaired" + from,
        source ->
            StatementSql.fill(
                WriteSql.DELETE_PAIRED,
                Map.of(
                    "s", rows(from, false),
                    "l", locked(StatementSql.of("s"), false),
                    "table", table(),
                    "join", StatementSql.of(keyJoin()),
                    "where", condition().wrap(condition().isEmpty() ? "" : " and ", ""),
                    "returning", returning(),
                    "returned", returnedOf("u"))));
  }

  StatementSql createStage() {
    return once(
        "createStage",
        source -> {
          List<String> definitions = new ArrayList<>();
          for (int i = 0; i < shape.columns().size(); i++) {
            ShapeColumn<R> column = shape.columns().get(i);
            definitions.add(quote(column.name()) + " " + column.element().sql());
            if (column.isDefault() != null) {
              definitions.add("pgbelay_d" + i + " boolean");
            }
          }
          return StatementSql.fill(
              WriteSql.CREATE_STAGE,
              Map.of(
                  "stage",
                  stage(),
                  "definitions",
                  StatementSql.of(String.join(", ", definitions))));
        });
  }

  StatementSql dropStage() {
    return once(
        "dropStage", source -> StatementSql.fill(WriteSql.DROP_STAGE, Map.of("stage", stage())));
  }

  StatementSql copyStage() {
    return once(
        "copyStage",
        source ->
            StatementSql.fill(
                WriteSql.COPY,
                Map.of("table", stage(), "names", arrayNames().wrap("", ", pgbelay_ord"))));
  }

  StatementSql copyTable() {
    return once(
        "copyTable",
        source -> StatementSql.fill(WriteSql.COPY, Map.of("table", table(), "names", names())));
  }

  // ---- parts

  private StatementSql table() {
    return StatementSql.of(shape.renderedTable());
  }

  private StatementSql stage() {
    return StatementSql.of("pg_temp." + quote("pgbelay_stage_" + shape.stageId()));
  }

  private StatementSql names() {
    return each(column -> quote(column.name()));
  }

  private StatementSql each(Function<ShapeColumn<R>, String> part) {
    return StatementSql.of(String.join(", ", shape.columns().stream().map(part).toList()));
  }

  private StatementSql arrays() {
    List<StatementSql> arrays = new ArrayList<>();
    for (int i = 0; i < shape.columns().size(); i++) {
      ShapeColumn<R> column = shape.columns().get(i);
      arrays.add(StatementSql.slot("?::" + column.element().sql() + "[]", new Slot.Values(i)));
      if (column.isDefault() != null) {
        arrays.add(StatementSql.slot("?::boolean[]", new Slot.Defaults(i)));
      }
    }
    return StatementSql.join(", ", arrays);
  }

  private StatementSql arrayNames() {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < shape.columns().size(); i++) {
      names.add(quote(shape.columns().get(i).name()));
      if (shape.columns().get(i).isDefault() != null) {
        names.add("pgbelay_d" + i);
      }
    }
    return StatementSql.of(String.join(", ", names));
  }

  private StatementSql exprs() {
    List<StatementSql> exprs = new ArrayList<>();
    for (int i = 0; i < shape.columns().size(); i++) {
      ShapeColumn<R> column = shape.columns().get(i);
      String name = quote(column.name());
      String value = "i." + name + (column.cast() == null ? "" : "::" + column.cast());
      StatementSql expr = StatementSql.of(value);
      if (column.isDefault() != null) {
        String defaultSql = column.column().defaultSql();
        expr =
            StatementSql.join(
                "",
                List.of(
                    StatementSql.of("case when i.pgbelay_d" + i + " then "),
                    defaultSql == null
                        ? StatementSql.of("null")
                        : StatementSql.fromCatalog(defaultSql).wrap("(", ")"),
                    StatementSql.of(" else " + value + " end")));
      }
      exprs.add(expr.wrap("", " as " + name));
    }
    return StatementSql.join(", ", exprs);
  }

  private StatementSql input(Source source) {
    if (source == Source.ARRAYS) {
      return StatementSql.fill(
          WriteSql.INPUT_UNNEST,
          Map.of("exprs", exprs(), "arrays", arrays(), "names", arrayNames()));
    }
    return StatementSql.fill(
        WriteSql.INPUT_STAGE,
        Map.of(
            "exprs", exprs(),
            "stage", stage(),
            "from", StatementSql.slot("?", new Slot.From()),
            "to", StatementSql.slot("?", new Slot.To()),
            "excluded", StatementSql.slot("?", new Slot.Excluded())));
  }

  private StatementSql keyed(Source source) {
    List<String> keys = new ArrayList<>();
    UniqueIndex index = shape.keyIndex();
    for (int k = 0; k < index.expressions().size(); k++) {
      keys.add("(" + keyExpression(index, k, "i.") + ") as pgbelay_k" + (k + 1));
    }
    if (shape.mayEscapeKey()) {
      keys.add(escapes("i.") + " as pgbelay_cf");
    }
    return StatementSql.fill(
        WriteSql.KEYED,
        Map.of(
            "keys", StatementSql.fromCatalog(", " + String.join(", ", keys)),
            "input", input(source)));
  }

  /** A key of the index over rows that are named by the prefix, in the collation of the index. */
  private String keyExpression(UniqueIndex index, int k, String prefix) {
    int number = index.columns().get(k);
    String expression =
        number == 0
            ? index.expressions().get(k)
            : prefix + quote(shape.columnNumbered(number).name());
    String collation = index.collations().get(k);
    return collation.isEmpty() ? expression : "(" + expression + ") collate " + collation;
  }

  /** Whether a row can conflict at all: its keys are known, and the index covers it. */
  private String escapes(String prefix) {
    List<String> conditions = new ArrayList<>();
    UniqueIndex index = shape.keyIndex();
    if (!index.nullsNotDistinct()) {
      for (int k = 0; k < index.expressions().size(); k++) {
        conditions.add("(" + keyExpression(index, k, prefix) + ") is not null");
      }
    }
    if (index.predicate() != null) {
      conditions.add("(" + index.predicate() + ") is true");
    }
    return conditions.isEmpty() ? "true" : "(" + String.join(" and ", conditions) + ")";
  }

  private String keyNames(String prefix) {
    List<String> names = new ArrayList<>();
    for (int k = 1; k <= shape.keyIndex().expressions().size(); k++) {
      names.add(prefix + "pgbelay_k" + k);
    }
    return String.join(", ", names);
  }

  private StatementSql distinct() {
    String keys = keyNames("i.");
    return StatementSql.of(
        shape.mayEscapeKey() ? keys + ", case when not i.pgbelay_cf then i.pgbelay_ord end" : keys);
  }

  /** The rows that are to be written: one per key. */
  private StatementSql rows(Source source, boolean usedOnce) {
    Duplicates duplicates = shape.settings().duplicates();
    if (shape.serverRefusesDuplicates()) {
      return StatementSql.fill(
          WriteSql.ALL_ROWS,
          Map.of(
              "materialized", StatementSql.of(usedOnce ? "not materialized" : "materialized"),
              "keyed", keyed(source)));
    }
    if (duplicates.folds()) {
      return folded(source);
    }
    return StatementSql.fill(
        WriteSql.DISTINCT_ROWS,
        Map.of(
            "materialized", StatementSql.of(usedOnce ? "not materialized" : "materialized"),
            "distinct", distinct(),
            "keyed", keyed(source),
            "direction",
                StatementSql.of(duplicates.kept() == Duplicates.Kept.LAST ? "desc" : "asc")));
  }

  private StatementSql folded(Source source) {
    Duplicates duplicates = shape.settings().duplicates();
    String kept = duplicates.kept() == Duplicates.Kept.LAST ? "i." : "f.";
    List<StatementSql> folds = new ArrayList<>();
    for (ShapeColumn<R> column : shape.columns()) {
      Field<?> fold = duplicates.foldOf(column.name(), "f", "i");
      folds.add(
          fold == null
              ? StatementSql.of(kept + quote(column.name()))
              : render(fold).wrap("(", ")::" + typeOf(column)));
    }
    String keys = ", " + keyNames("@") + (shape.mayEscapeKey() ? ", @pgbelay_cf" : "");
    return StatementSql.fill(
        WriteSql.FOLDED_ROWS,
        Map.of(
            "distinct", distinct(),
            "keyed", keyed(source),
            "columns", each(column -> "i." + quote(column.name())),
            "keys", StatementSql.of(keys.replace("@", "i.")),
            "folded", StatementSql.join(", ", folds),
            "foldedKeys", StatementSql.of(keys.replace("@", "f."))));
  }

  private static <R> String typeOf(ShapeColumn<R> column) {
    return column.cast() != null ? column.cast() : column.element().sql();
  }

  private StatementSql target() {
    UniqueIndex index = shape.keyIndex();
    List<String> keys = new ArrayList<>();
    for (int k = 0; k < index.expressions().size(); k++) {
      int number = index.columns().get(k);
      String key =
          number == 0
              ? "(" + index.expressions().get(k) + ")"
              : quote(shape.columnNumbered(number).name());
      String collation = index.collations().get(k);
      keys.add(collation.isEmpty() ? key : key + " collate " + collation);
    }
    return StatementSql.fromCatalog(String.join(", ", keys));
  }

  private StatementSql predicate() {
    String predicate = shape.keyIndex().predicate();
    return predicate == null ? StatementSql.EMPTY : StatementSql.fromCatalog(" where " + predicate);
  }

  private StatementSql action() {
    if (shape.settings().ignoreConflicts() || shape.updatedColumns().isEmpty()) {
      return StatementSql.of(WriteSql.DO_NOTHING);
    }
    StatementSql guards = guards();
    return StatementSql.fill(
        WriteSql.DO_UPDATE,
        Map.of("sets", sets(), "where", guards.isEmpty() ? guards : guards.wrap(" where ", "")));
  }

  private StatementSql sets() {
    List<StatementSql> sets = new ArrayList<>();
    for (PgColumn column : shape.updatedColumns()) {
      sets.add(given(column).wrap(quote(column.name()) + " = ", ""));
    }
    return StatementSql.join(", ", sets);
  }

  /** What a column is set to: the caller's expression, or what the row brought. */
  private StatementSql given(PgColumn column) {
    Field<?> expression = shape.expressionOf(column.name());
    return expression == null
        ? StatementSql.of("excluded." + quote(column.name()))
        : render(expression);
  }

  private StatementSql changed() {
    List<StatementSql> stored = new ArrayList<>();
    List<StatementSql> given = new ArrayList<>();
    for (PgColumn column : shape.updatedColumns()) {
      String text = column.isComparable() ? "" : "::text";
      stored.add(StatementSql.of(shape.renderedTable() + "." + quote(column.name()) + text));
      given.add(given(column).wrap("(", ")" + text));
    }
    return StatementSql.join(
        " is distinct from ",
        List.of(
            StatementSql.join(", ", stored).wrap("row(", ")"),
            StatementSql.join(", ", given).wrap("row(", ")")));
  }

  private StatementSql condition() {
    QueryPart condition = shape.settings().condition();
    return condition == null ? StatementSql.EMPTY : render(condition).wrap("(", ")");
  }

  private StatementSql guards() {
    return StatementSql.join(
        " and ",
        List.of(shape.settings().onlyIfChanged() ? changed() : StatementSql.EMPTY, condition()));
  }

  private StatementSql storedKeys() {
    UniqueIndex index = shape.keyIndex();
    List<String> keys = new ArrayList<>();
    String prefix = shape.renderedTable() + ".";
    for (int k = 0; k < index.expressions().size(); k++) {
      keys.add("(" + keyExpression(index, k, prefix) + ") as pgbelay_k" + (k + 1));
    }
    if (shape.mayEscapeKey()) {
      keys.add(escapes(prefix) + " as pgbelay_cf");
    }
    return StatementSql.fromCatalog(String.join(", ", keys));
  }

  private String pairJoin() {
    UniqueIndex index = shape.keyIndex();
    if (index.nullsNotDistinct()) {
      // Compared as whole records, in which two NULLs are equal and which can still be hashed.
      return "row("
          + keyNames("w.")
          + ")::record = row("
          + keyNames("s.")
          + ")::record"
          + (shape.mayEscapeKey() ? " and w.pgbelay_cf and s.pgbelay_cf" : "");
    }
    List<String> join = new ArrayList<>();
    for (int k = 1; k <= index.expressions().size(); k++) {
      join.add("w.pgbelay_k" + k + " = s.pgbelay_k" + k);
    }
    if (shape.mayEscapeKey()) {
      join.add("w.pgbelay_cf and s.pgbelay_cf");
    }
    return String.join(" and ", join);
  }

  private StatementSql upsertCode() {
    int missing = shape.settings().onlyIfChanged() ? 2 : 3;
    return StatementSql.of(
        "case when w.pgbelay_new then 0 when not w.pgbelay_new then 1"
            + (shape.mayEscapeKey() ? " when not s.pgbelay_cf then 0" : "")
            + " else "
            + missing
            + " end");
  }

  /** The stored row of a key: the table against rows that are named {@code excluded}. */
  private String keyJoin() {
    List<String> join = new ArrayList<>();
    for (int number : shape.keyIndex().columns()) {
      String name = quote(shape.columnNumbered(number).name());
      join.add(shape.renderedTable() + "." + name + " = excluded." + name);
    }
    return String.join(" and ", join);
  }

  private StatementSql locked(StatementSql from, boolean tellChanged) {
    List<String> order = new ArrayList<>();
    for (int number : shape.keyIndex().columns()) {
      order.add("excluded." + quote(shape.columnNumbered(number).name()));
    }
    StatementSql lock =
        shape.settings().unordered()
            ? StatementSql.EMPTY
            : StatementSql.fill(
                WriteSql.LOCK_IN_ORDER,
                Map.of(
                    "order", StatementSql.of(String.join(", ", order)),
                    "strength", StatementSql.of(shape.changesKeys() ? "update" : "no key update"),
                    "alias", StatementSql.of(shape.table().alias())));
    return StatementSql.fill(
        WriteSql.LOCKED,
        Map.of(
            "changed",
            tellChanged && shape.settings().onlyIfChanged()
                ? changed().wrap(", ", " as pgbelay_changed")
                : StatementSql.EMPTY,
            "s",
            from,
            "table",
            table(),
            "join",
            StatementSql.of(keyJoin()),
            "lock",
            lock));
  }

  private StatementSql returning() {
    StringBuilder text = new StringBuilder();
    int number = 0;
    for (PgColumn column : shape.returned()) {
      text.append(", ")
          .append(shape.renderedTable())
          .append('.')
          .append(quote(column.name()))
          .append(" as pgbelay_r")
          .append(++number);
    }
    return StatementSql.of(text.toString());
  }

  private StatementSql returnedOf(String alias) {
    StringBuilder text = new StringBuilder();
    int number = 0;
    for (PgColumn column : shape.returned()) {
      number++;
      text.append(", ").append(alias).append('.');
      text.append(
          alias.equals(shape.renderedTable()) ? quote(column.name()) : "pgbelay_r" + number);
    }
    return StatementSql.of(text.toString());
  }

  /** A part of the caller's, with its values left to be bound. */
  private StatementSql render(QueryPart part) {
    List<Slot> slots = new ArrayList<>();
    for (Param<?> param : dsl.extractParams(part).values()) {
      slots.add(new Slot.Value(param));
    }
    return new StatementSql(dsl.render(part), slots);
  }

  static String quote(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }
}
