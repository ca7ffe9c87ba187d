package dev.pgbelay.batch;

import dev.pgbelay.batch.ShapeSql.Source;
import dev.pgbelay.batch.StatementSql.Slot;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jooq.Field;

/** The given rows as a shape's statements read them: as sent, with their keys, one per key. */
final class SourceSql<R> {
  private final Shape<R> shape;
  private final KeySql key;
  private final ChangeSql change;

  SourceSql(Shape<R> shape, KeySql key, ChangeSql change) {
    this.shape = shape;
    this.key = key;
    this.change = change;
  }

  StatementSql each(Function<ShapeColumn<R>, String> part) {
    return StatementSql.of(String.join(", ", shape.columns().stream().map(part).toList()));
  }

  StatementSql arrays() {
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

  StatementSql arrayNames() {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < shape.columns().size(); i++) {
      names.add(StatementSql.quote(shape.columns().get(i).name()));
      if (shape.columns().get(i).isDefault() != null) {
        names.add("pgbelay_d" + i);
      }
    }
    return StatementSql.of(String.join(", ", names));
  }

  StatementSql exprs() {
    List<StatementSql> exprs = new ArrayList<>();
    for (int i = 0; i < shape.columns().size(); i++) {
      ShapeColumn<R> column = shape.columns().get(i);
      String name = StatementSql.quote(column.name());
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

  StatementSql input(Source source) {
    if (source == Source.ARRAYS) {
      return StatementSql.fill(
          WriteSql.INPUT_UNNEST,
          Map.of("exprs", exprs(), "arrays", arrays(), "names", arrayNames()));
    }
    return StatementSql.fill(
        WriteSql.INPUT_STAGE,
        Map.of(
            "exprs", exprs(),
            "stage", StatementSql.of(shape.stage()),
            "from", StatementSql.slot("?", new Slot.From()),
            "to", StatementSql.slot("?", new Slot.To()),
            "excluded", StatementSql.slot("?", new Slot.Excluded())));
  }

  StatementSql keyed(Source source) {
    List<String> keys = new ArrayList<>();
    UniqueIndex index = shape.keyIndex();
    for (int k = 0; k < index.expressions().size(); k++) {
      keys.add("(" + key.expression(index, k, "i.") + ") as pgbelay_k" + (k + 1));
    }
    if (shape.mayEscapeKey()) {
      keys.add(key.escapes("i.") + " as pgbelay_cf");
    }
    return StatementSql.fill(
        WriteSql.KEYED,
        Map.of(
            "keys", StatementSql.fromCatalog(", " + String.join(", ", keys)),
            "input", input(source)));
  }

  /** With the first ordinal of each row's key. */
  StatementSql grouped(Source source) {
    return StatementSql.fill(
        WriteSql.GROUPED, Map.of("distinct", key.distinct(), "keyed", keyed(source)));
  }

  /**
   * The rows that are to be written: one per key.
   *
   * @param groups only for keys whose first row is in a range
   */
  StatementSql rows(Source source, boolean usedOnce, boolean groups) {
    Duplicates duplicates = shape.settings().duplicates();
    StatementSql materialized = StatementSql.of(usedOnce ? "not materialized" : "materialized");
    if (shape.serverRefusesDuplicates()) {
      return StatementSql.fill(
          WriteSql.ALL_ROWS, Map.of("materialized", materialized, "keyed", keyed(source)));
    }
    StatementSql range = groups ? range() : StatementSql.EMPTY;
    if (duplicates.folds()) {
      return folded(source, range.isEmpty() ? range : range.wrap(" and ", ""));
    }
    return StatementSql.fill(
        WriteSql.DISTINCT_ROWS,
        Map.of(
            "materialized",
            materialized,
            "distinct",
            key.distinct(),
            "rows",
            groups ? grouped(source) : keyed(source),
            "where",
            range.isEmpty() ? range : range.wrap("where ", ""),
            "direction",
            StatementSql.of(duplicates.kept() == Duplicates.Kept.LAST ? "desc" : "asc")));
  }

  private static StatementSql range() {
    return StatementSql.fill(
        WriteSql.GROUPS,
        Map.of(
            "first", StatementSql.slot("?", new Slot.FirstGroup()),
            "end", StatementSql.slot("?", new Slot.EndGroup())));
  }

  private StatementSql folded(Source source, StatementSql range) {
    Duplicates duplicates = shape.settings().duplicates();
    String kept = duplicates.kept() == Duplicates.Kept.LAST ? "i." : "f.";
    List<StatementSql> folds = new ArrayList<>();
    for (ShapeColumn<R> column : shape.columns()) {
      Field<?> fold = duplicates.foldOf(column.name(), "f", "i");
      folds.add(
          fold == null
              ? StatementSql.of(kept + StatementSql.quote(column.name()))
              : change.render(fold).wrap("(", ")::" + foldedType(column)));
    }
    String keys = ", " + key.names("@") + (shape.mayEscapeKey() ? ", @pgbelay_cf" : "");
    return StatementSql.fill(
        WriteSql.FOLDED_ROWS,
        Map.of(
            "range", range,
            "distinct", key.distinct(),
            "keyed", keyed(source),
            "columns", each(column -> begun(column)),
            "keys", StatementSql.of(keys.replace("@", "i.")),
            "folded", StatementSql.join(", ", folds),
            "foldedKeys", StatementSql.of(keys.replace("@", "f."))));
  }

  private String begun(ShapeColumn<R> column) {
    String name = "i." + StatementSql.quote(column.name());
    boolean folded = shape.settings().duplicates().foldOf(column.name(), "f", "i") != null;
    return folded
        ? name + "::" + foldedType(column) + " as " + StatementSql.quote(column.name())
        : name;
  }

  /** Without a length, for a cast would cut what assignment refuses. */
  private static <R> String foldedType(ShapeColumn<R> column) {
    String cast = column.cast();
    return cast == null || column.hasOwnForm() ? column.element().sql() : cast;
  }
}
