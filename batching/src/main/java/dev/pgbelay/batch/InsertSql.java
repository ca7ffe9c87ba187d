package dev.pgbelay.batch;

import dev.pgbelay.batch.ShapeSql.Source;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The ways to insert a shape's rows. */
final class InsertSql<R> {
  private final Shape<R> shape;
  private final SourceSql<R> source;
  private final ChangeSql change;

  InsertSql(Shape<R> shape, SourceSql<R> source, ChangeSql change) {
    this.shape = shape;
    this.source = source;
    this.change = change;
  }

  StatementSql all() {
    return StatementSql.fill(
        WriteSql.INSERT_ALL,
        Map.of(
            "table", table(),
            "columns", names(),
            "exprs", source.exprs(),
            "arrays", source.arrays(),
            "names", source.arrayNames()));
  }

  StatementSql merge() {
    return StatementSql.fill(
        WriteSql.INSERT_MERGE,
        Map.of(
            "table", table(),
            "input", source.input(Source.ARRAYS),
            "columns", names(),
            "values", source.each(column -> "s." + StatementSql.quote(column.name())),
            "returned", change.returnedOf(table().text())));
  }

  StatementSql join() {
    List<PgColumn> generated = shape.pairingDefaults();
    List<String> keys = new ArrayList<>();
    List<String> join = new ArrayList<>();
    int number = 0;
    for (PgColumn key : shape.pairingKey()) {
      number++;
      keys.add(table().text() + "." + StatementSql.quote(key.name()) + " as pgbelay_k" + number);
      join.add("w.pgbelay_k" + number + " = s." + StatementSql.quote(key.name()));
    }
    StringBuilder evaluated = new StringBuilder();
    StringBuilder columns = new StringBuilder();
    StringBuilder values = new StringBuilder();
    boolean always = false;
    for (PgColumn column : generated) {
      String name = StatementSql.quote(column.name());
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
            Map.entry("input", source.input(Source.ARRAYS)),
            Map.entry("columns", names()),
            Map.entry("values", source.each(column -> "s." + StatementSql.quote(column.name()))),
            Map.entry("generated", StatementSql.of(evaluated.toString())),
            Map.entry("generatedColumns", StatementSql.of(columns.toString())),
            Map.entry("generatedValues", StatementSql.of(values.toString())),
            Map.entry("overriding", StatementSql.of(always ? "overriding system value" : "")),
            Map.entry("keys", StatementSql.of(String.join(", ", keys))),
            Map.entry("join", StatementSql.of(String.join(" and ", join))),
            Map.entry("returning", change.returning()),
            Map.entry("returned", change.returnedOf("w"))));
  }

  private StatementSql table() {
    return StatementSql.of(shape.renderedTable());
  }

  private StatementSql names() {
    return source.each(column -> StatementSql.quote(column.name()));
  }
}
