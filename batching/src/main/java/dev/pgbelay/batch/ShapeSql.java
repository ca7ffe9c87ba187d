package dev.pgbelay.batch;

import dev.pgbelay.batch.StatementSql.Slot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jooq.DSLContext;

/** The statements of one writer for one table, each rendered when it is first needed. */
final class ShapeSql<R> {
  /** Where a statement reads its rows. */
  enum Source {
    ARRAYS,
    STAGE
  }

  private final Shape<R> shape;
  private final KeySql key;
  private final ChangeSql change;
  private final SourceSql<R> source;
  private final ByKeySql<R> byKey;
  private final Map<String, StatementSql> rendered = new HashMap<>();

  ShapeSql(Shape<R> shape, DSLContext dsl) {
    this.shape = shape;
    this.key = new KeySql(shape);
    this.change = new ChangeSql(shape, dsl);
    this.source = new SourceSql<>(shape, key, change);
    this.byKey = new ByKeySql<>(shape, key, change, source);
  }

  private synchronized StatementSql once(String name, Supplier<StatementSql> render) {
    StatementSql known = rendered.get(name);
    if (known == null) {
      known = render.get();
      rendered.put(name, known);
    }
    return known;
  }

  StatementSql insertAll() {
    return once("insertAll", () -> inserts().all());
  }

  /** Of inserts whose rows must be told apart: by ordinal from 17 on, else by a key. */
  StatementSql insertPaired() {
    return once("insertPaired", () -> mergesInserts() ? inserts().merge() : inserts().join());
  }

  boolean mergesInserts() {
    return shape.table().major() >= 17 && !shape.table().hasRules() && !shape.isView();
  }

  private InsertSql<R> inserts() {
    return new InsertSql<>(shape, source, change);
  }

  StatementSql upsertCounted(Source from, boolean groups) {
    return once(
        "upsertCounted" + from + groups,
        () ->
            StatementSql.fill(
                WriteSql.UPSERT_COUNTED,
                Map.of(
                    "s", source.rows(from, true, groups),
                    "table", table(),
                    "columns", names(),
                    "values", source.each(column -> "s." + StatementSql.quote(column.name())),
                    "order", StatementSql.of(key.names("s.")),
                    "target", key.target(),
                    "predicate", key.predicate(),
                    "action", change.action())));
  }

  StatementSql upsertPaired(Source from) {
    return once(
        "upsertPaired" + from,
        () ->
            StatementSql.fill(
                WriteSql.UPSERT_PAIRED,
                Map.ofEntries(
                    Map.entry("s", source.rows(from, false, false)),
                    Map.entry("table", table()),
                    Map.entry("columns", names()),
                    Map.entry(
                        "values", source.each(column -> "s." + StatementSql.quote(column.name()))),
                    Map.entry("order", StatementSql.of(key.names("s."))),
                    Map.entry("target", key.target()),
                    Map.entry("predicate", key.predicate()),
                    Map.entry("action", change.action()),
                    Map.entry("keys", key.stored()),
                    Map.entry(
                        "inserted",
                        StatementSql.of(shape.table().isPartitioned() ? "true" : "(xmax = 0)")),
                    Map.entry("returning", change.returning()),
                    Map.entry("code", change.upsertCode()),
                    Map.entry("join", StatementSql.of(key.pairing())),
                    Map.entry("returned", change.returnedOf("w")))));
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
        () ->
            StatementSql.fill(
                WriteSql.CLASSIFY_UPSERT,
                Map.of(
                    "s",
                    source.rows(from, false, false),
                    "table",
                    table(),
                    "only",
                    shape.only(),
                    "changed",
                    shape.settings().onlyIfChanged() ? change.changed() : StatementSql.of("true"),
                    "join",
                    StatementSql.of(key.join()))));
  }

  StatementSql updateCounted(Source from) {
    return once("updateCounted" + from, () -> byKey.updateCounted(from));
  }

  StatementSql updatePaired(Source from, boolean groups) {
    return once("updatePaired" + from + groups, () -> byKey.updatePaired(from, groups));
  }

  StatementSql deleteCounted(Source from) {
    return once("deleteCounted" + from, () -> byKey.deleteCounted(from));
  }

  StatementSql deletePaired(Source from, boolean groups) {
    return once("deletePaired" + from + groups, () -> byKey.deletePaired(from, groups));
  }

  /** Locks the table as the write will, and does nothing else. */
  StatementSql lockTable() {
    return once(
        "lockTable",
        () ->
            switch (shape.operation()) {
              case INSERT, UPSERT ->
                  StatementSql.fill(WriteSql.LOCK_FOR_INSERT, Map.of("table", table()));
              case UPDATE ->
                  StatementSql.fill(
                      WriteSql.LOCK_FOR_UPDATE,
                      Map.of(
                          "table", table(),
                          "column",
                              StatementSql.of(
                                  StatementSql.quote(shape.updatedColumns().get(0).name()))));
              case DELETE -> StatementSql.fill(WriteSql.LOCK_FOR_DELETE, Map.of("table", table()));
            });
  }

  StatementSql createStage() {
    return once(
        "createStage",
        () -> {
          List<String> definitions = new ArrayList<>();
          for (int i = 0; i < shape.columns().size(); i++) {
            ShapeColumn<R> column = shape.columns().get(i);
            definitions.add(StatementSql.quote(column.name()) + " " + column.element().sql());
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
        "dropStage", () -> StatementSql.fill(WriteSql.DROP_STAGE, Map.of("stage", stage())));
  }

  StatementSql copyStage() {
    return once(
        "copyStage",
        () ->
            StatementSql.fill(
                WriteSql.COPY,
                Map.of("table", stage(), "names", source.arrayNames().wrap("", ", pgbelay_ord"))));
  }

  StatementSql copyTable() {
    return once(
        "copyTable",
        () -> StatementSql.fill(WriteSql.COPY, Map.of("table", table(), "names", names())));
  }

  private StatementSql table() {
    return StatementSql.of(shape.renderedTable());
  }

  private StatementSql stage() {
    return StatementSql.of(shape.stage());
  }

  private StatementSql names() {
    return source.each(column -> StatementSql.quote(column.name()));
  }

  /** Fails where a row's values, or its key, cannot be computed; writes nothing. */
  StatementSql evaluate(Source from) {
    return once(
        "evaluate" + from,
        () -> StatementSql.fill(WriteSql.EVALUATE, Map.of("keyed", source.keyed(from))));
  }

  /** The ordinals of the rows that have the key of a given one. */
  StatementSql listGroup(Source from) {
    return once(
        "listGroup" + from,
        () ->
            StatementSql.fill(
                WriteSql.LIST_GROUP,
                Map.of(
                    "grouped", source.grouped(from),
                    "first", StatementSql.slot("?", new Slot.FirstGroup()))));
  }
}
