package dev.pgbelay.batch;

import dev.pgbelay.batch.ShapeSql.Source;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The updates and deletes of a shape: stored rows are found, and locked in order, by the key. */
final class ByKeySql<R> {
  private final Shape<R> shape;
  private final KeySql key;
  private final ChangeSql change;
  private final SourceSql<R> source;

  ByKeySql(Shape<R> shape, KeySql key, ChangeSql change, SourceSql<R> source) {
    this.shape = shape;
    this.key = key;
    this.change = change;
    this.source = source;
  }

  StatementSql updateCounted(Source from) {
    return counted(
        from,
        WriteSql.UPDATE_COUNTED,
        WriteSql.UPDATE_COUNTED_UNORDERED,
        Map.of("sets", change.sets()));
  }

  StatementSql deleteCounted(Source from) {
    return counted(from, WriteSql.DELETE_COUNTED, WriteSql.DELETE_COUNTED_UNORDERED, Map.of());
  }

  private StatementSql counted(
      Source from, String ordered, String unordered, Map<String, StatementSql> own) {
    Map<String, StatementSql> parts = new HashMap<>(own);
    parts.put("table", table());
    parts.put("only", shape.only());
    parts.put("join", StatementSql.of(key.join()));
    StatementSql input = source.input(from);
    if (shape.settings().unordered()) {
      parts.put("input", input);
      return StatementSql.fill(unordered, parts);
    }
    parts.put("l", locked(input.wrap("(", ")"), false));
    return StatementSql.fill(ordered, parts);
  }

  StatementSql updatePaired(Source from, boolean groups) {
    String missing =
        shape.settings().onlyIfChanged() ? "case when l.pgbelay_changed then 3 else 2 end" : "3";
    return paired(
        from,
        groups,
        WriteSql.UPDATE_PAIRED,
        true,
        change.guards(),
        Map.of("sets", change.sets(), "missing", StatementSql.of(missing)));
  }

  StatementSql deletePaired(Source from, boolean groups) {
    return paired(from, groups, WriteSql.DELETE_PAIRED, false, change.condition(), Map.of());
  }

  private StatementSql paired(
      Source from,
      boolean groups,
      String template,
      boolean tellChanged,
      StatementSql guards,
      Map<String, StatementSql> own) {
    Map<String, StatementSql> parts = new HashMap<>(own);
    parts.put("s", source.rows(from, false, groups));
    parts.put("l", locked(StatementSql.of("s"), tellChanged));
    parts.put("table", table());
    parts.put("only", shape.only());
    parts.put("join", StatementSql.of(key.join()));
    parts.put("where", guards.wrap(guards.isEmpty() ? "" : " and ", ""));
    parts.put("returning", change.returning());
    parts.put("returned", change.returnedOf("u"));
    return StatementSql.fill(template, parts);
  }

  private StatementSql table() {
    return StatementSql.of(shape.renderedTable());
  }

  private StatementSql locked(StatementSql from, boolean tellChanged) {
    StatementSql changed =
        tellChanged && shape.settings().onlyIfChanged()
            ? change.changed().wrap(", ", " as pgbelay_changed")
            : StatementSql.EMPTY;
    return StatementSql.fill(
        WriteSql.LOCKED,
        Map.of(
            "changed",
            changed,
            "s",
            from,
            "table",
            table(),
            "only",
            shape.only(),
            "join",
            StatementSql.of(key.join()),
            "lock",
            shape.settings().unordered() ? StatementSql.EMPTY : lockInOrder()));
  }

  private StatementSql lockInOrder() {
    List<String> order = new ArrayList<>();
    UniqueIndex index = shape.keyIndex();
    for (int k = 0; k < index.columns().size(); k++) {
      order.add(key.expression(index, k, "excluded."));
    }
    return StatementSql.fill(
        WriteSql.LOCK_IN_ORDER,
        Map.of(
            "order", StatementSql.of(String.join(", ", order)),
            "strength", StatementSql.of(shape.changesKeys() ? "update" : "no key update"),
            "alias", StatementSql.of(shape.table().alias())));
  }
}
