package dev.pgbelay.batch;

import dev.pgbelay.batch.StatementSql.Slot;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Param;
import org.jooq.QueryPart;
import org.jooq.conf.ParamType;
import org.jooq.conf.Settings;
import org.jooq.conf.SettingsTools;
import org.jooq.conf.StatementType;

/** What becomes of a stored row, and what is told of it, as parts of a shape's statements. */
final class ChangeSql {
  private final Shape<?> shape;
  private final DSLContext dsl;

  ChangeSql(Shape<?> shape, DSLContext dsl) {
    this.shape = shape;
    this.dsl = binding(dsl);
  }

  /** Values are bound here, whatever else jOOQ is set to do with them. */
  private static DSLContext binding(DSLContext dsl) {
    Settings settings =
        SettingsTools.clone(dsl.settings())
            .withStatementType(StatementType.PREPARED_STATEMENT)
            .withParamType(ParamType.INDEXED);
    return dsl.configuration().derive(settings).dsl();
  }

  StatementSql upsertCode() {
    int missing = shape.settings().onlyIfChanged() ? 2 : 3;
    return StatementSql.of(
        "case when w.pgbelay_new then 0 when not w.pgbelay_new then 1"
            + (shape.mayEscapeKey() ? " when not s.pgbelay_cf then 0" : "")
            + " else "
            + missing
            + " end");
  }

  StatementSql action() {
    if (shape.settings().ignoreConflicts() || shape.updatedColumns().isEmpty()) {
      return StatementSql.of(WriteSql.DO_NOTHING);
    }
    StatementSql guards = guards();
    return StatementSql.fill(
        WriteSql.DO_UPDATE,
        Map.of("sets", sets(), "where", guards.isEmpty() ? guards : guards.wrap(" where ", "")));
  }

  StatementSql sets() {
    List<StatementSql> sets = new ArrayList<>();
    for (PgColumn column : shape.updatedColumns()) {
      sets.add(given(column).wrap(StatementSql.quote(column.name()) + " = ", ""));
    }
    return StatementSql.join(", ", sets);
  }

  /** What a column is set to: the caller's expression, or what the row brought. */
  private StatementSql given(PgColumn column) {
    Field<?> expression = shape.expressionOf(column.name());
    return expression == null
        ? StatementSql.of("excluded." + StatementSql.quote(column.name()))
        : render(expression);
  }

  /** By identity, for {@code =} takes 1.0 for 1.00, and of a citext any case for any other. */
  StatementSql changed() {
    List<StatementSql> stored = new ArrayList<>();
    List<StatementSql> given = new ArrayList<>();
    for (PgColumn column : shape.updatedColumns()) {
      stored.add(StatementSql.of(shape.renderedTable() + "." + StatementSql.quote(column.name())));
      given.add(given(column).wrap("(", ")::" + comparedAs(column)));
    }
    return StatementSql.join(
        " operator(pg_catalog.*<>) ",
        List.of(
            StatementSql.join(", ", stored).wrap("row(", ")::record"),
            StatementSql.join(", ", given).wrap("row(", ")::record")));
  }

  /** What an expression yields is rounded as assignment would. */
  private String comparedAs(PgColumn column) {
    return column.castRounds() && shape.expressionOf(column.name()) != null
        ? column.baseTypeWithLength() + "::" + column.type()
        : column.type();
  }

  StatementSql condition() {
    QueryPart condition = shape.settings().condition();
    return condition == null ? StatementSql.EMPTY : render(condition).wrap("(", ")");
  }

  StatementSql guards() {
    return StatementSql.join(
        " and ",
        List.of(shape.settings().onlyIfChanged() ? changed() : StatementSql.EMPTY, condition()));
  }

  StatementSql returning() {
    StringBuilder text = new StringBuilder();
    int number = 0;
    for (PgColumn column : shape.returned()) {
      text.append(", ")
          .append(shape.renderedTable())
          .append('.')
          .append(StatementSql.quote(column.name()))
          .append(" as pgbelay_r")
          .append(++number);
    }
    return StatementSql.of(text.toString());
  }

  StatementSql returnedOf(String alias) {
    StringBuilder text = new StringBuilder();
    int number = 0;
    for (PgColumn column : shape.returned()) {
      number++;
      text.append(", ").append(alias).append('.');
      text.append(
          alias.equals(shape.renderedTable())
              ? StatementSql.quote(column.name())
              : "pgbelay_r" + number);
    }
    return StatementSql.of(text.toString());
  }

  /** A part of the caller's, with its values left to be bound. */
  StatementSql render(QueryPart part) {
    List<Slot> slots = new ArrayList<>();
    for (Param<?> param : dsl.extractParams(part).values()) {
      if (param.getParamName() != null) {
        throw BatchException.contract(
            shape.describe()
                + ": the parameter "
                + param.getParamName()
                + " of a condition or expression has a name, under which it could stand more than"
                + " once; use val(…)");
      }
      if (!param.isInline()) {
        slots.add(new Slot.Value(param));
      }
    }
    return new StatementSql(dsl.render(part), slots);
  }
}
