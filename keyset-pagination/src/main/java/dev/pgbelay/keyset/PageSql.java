package dev.pgbelay.keyset;

import static org.jooq.impl.DSL.count;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.trueCondition;

import dev.pgbelay.keyset.PageStatement.Limit;
import dev.pgbelay.keyset.PageStatement.Slot;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Record1;
import org.jooq.Select;
import org.jooq.SelectFieldOrAsterisk;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Builds the statement of a shape with jOOQ. A shape with one branch is the caller's select with a
 * condition, an order and a limit; one with several is a UNION ALL of such selects, each ordered
 * and limited by itself, ordered and limited again outside.
 */
final class PageSql {
  private static final String SCAN = "scan";
  private static final String ROW_VALUE = "row_value";
  private static final String BRANCHES = "branches";

  private final BaseSelect base;
  private final Renderer renderer;
  private final SeekSql seek;
  private final RowColumns row;

  /**
   * For one way to say that the leading key equals the position's.
   *
   * @param leadAsArray whether to say it as {@code = any (array of one)}. To the planner that is no
   *     constant: it cannot take an index on the other keys alone and filter by the leading one,
   *     and it knows that the branch comes sorted as the whole does.
   */
  PageSql(BaseSelect base, Renderer renderer, boolean leadAsArray) {
    this.base = base;
    this.renderer = renderer;
    this.seek = new SeekSql(base.keys(), leadAsArray);
    this.row = new RowColumns(base);
  }

  /** Where in a row the cursor's values stand, counted from 1. */
  int[] keyColumns() {
    return row.keyColumns();
  }

  PageStatement everything() {
    return statement(SCAN, base.select());
  }

  PageStatement page(PageShape shape) {
    return statement(plan(shape), select(shape, false));
  }

  /** The same rows; behind their columns one more for each key, NULL and of the key's own type. */
  PageStatement typedPage(PageShape shape) {
    return statement(plan(shape), select(shape, true), true);
  }

  /** No rows, and columns of the keys' own types. */
  PageStatement keyTypes() {
    List<SelectFieldOrAsterisk> list = row.keysAlone();
    return statement(SCAN, base.select().$select(list).$limit(inline(0)), true);
  }

  /**
   * The keys of the row that lies {@code COUNTED} rows ahead: nothing else is read for the others.
   */
  PageStatement step(PageShape shape) {
    List<SelectFieldOrAsterisk> list = row.keysAlone();
    List<SeekBranch> branches = shape.branches(base.keys());
    Table<?> rows =
        branches.size() == 1
            ? seek.ordered(
                    base.select().$select(list), branches.get(0), false, SeekSql.limit(Limit.ROWS))
                .asTable("pgbelay_branches")
            : union(list, branches, false, Limit.ROWS);
    List<Field<?>> keys = new ArrayList<>();
    for (int k = 0; k < base.keys().size(); k++) {
      keys.add(base.keys().get(k).type().output(row.keyColumn(rows, k)));
    }
    return statement(
        BRANCHES,
        DSL.select(keys)
            .from(rows)
            .orderBy(row.order(rows, false))
            .offset(SeekSql.limit(Limit.COUNTED))
            .limit(inline(1)));
  }

  private Select<?> select(PageShape shape, boolean typed) {
    List<SeekBranch> branches = shape.branches(base.keys());
    if (shape.around()) {
      return withExtras(around(shape), shape, typed);
    }
    if (shape.hasExtras()) {
      return withExtras(window(branches, shape.backward(), Limit.ROWS), shape, typed);
    }
    return branches.size() == 1
        ? direct(branches.get(0), shape.backward(), typed)
        : merged(branches, shape.backward(), typed);
  }

  /** One branch: nothing around the caller's select. */
  private Select<?> direct(SeekBranch branch, boolean backward, boolean typed) {
    List<SelectFieldOrAsterisk> list = row.direct(typed);
    return seek.ordered(base.select().$select(list), branch, backward, SeekSql.limit(Limit.ROWS));
  }

  /** Several branches, and around them only what the caller's mapper and the cursors need. */
  private Select<?> merged(List<SeekBranch> branches, boolean backward, boolean typed) {
    Table<?> union = union(row.aliased(), branches, backward, Limit.ROWS);
    List<Field<?>> list = row.outputs(union);
    if (typed) {
      row.addTypes(list, union);
    }
    return DSL.select(list)
        .from(union)
        .orderBy(row.order(union, backward))
        .limit(SeekSql.limit(Limit.ROWS));
  }

  /** All branches as one ordered and limited select of {@code c1 … cn, k1 … km}. */
  private Select<?> window(List<SeekBranch> branches, boolean backward, Limit limit) {
    List<SelectFieldOrAsterisk> list = row.aliased();
    if (branches.isEmpty()) {
      return base.select().$select(list).$where(DSL.falseCondition());
    }
    if (branches.size() == 1) {
      return seek.ordered(
          base.select().$select(list), branches.get(0), backward, SeekSql.limit(limit));
    }
    Table<?> union = union(list, branches, backward, limit);
    return DSL.select(row.rowColumns(union))
        .from(union)
        .orderBy(row.order(union, backward))
        .limit(SeekSql.limit(limit));
  }

  @SuppressWarnings("unchecked")
  private Table<?> union(
      List<SelectFieldOrAsterisk> list, List<SeekBranch> branches, boolean backward, Limit limit) {
    Select<Record> all = null;
    for (SeekBranch branch : branches) {
      Select<Record> next =
          (Select<Record>)
              seek.ordered(base.select().$select(list), branch, backward, SeekSql.limit(limit));
      all = all == null ? next : all.unionAll(next);
    }
    return Objects.requireNonNull(all).asTable("pgbelay_branches");
  }

  /** The rows before and the rows from the position, each limited by itself. */
  private Select<?> around(PageShape shape) {
    Select<?> before = window(shape.branchesBefore(base.keys()), true, Limit.ROWS_BEFORE);
    Select<?> from = window(shape.branches(base.keys()), false, Limit.ROWS);
    Table<?> first = before.asTable("pgbelay_before");
    Table<?> second = from.asTable("pgbelay_from");
    List<Field<?>> firstList = row.rowColumns(first);
    firstList.add(inline(true).as("pgbelay_is_before"));
    List<Field<?>> secondList = row.rowColumns(second);
    secondList.add(inline(false).as("pgbelay_is_before"));
    return DSL.select(firstList).from(first).unionAll(DSL.select(secondList).from(second));
  }

  /** One row at least, with what was asked about the rows beside the page. */
  private Select<?> withExtras(Select<?> rows, PageShape shape, boolean typed) {
    Table<?> page = rows.asTable("pgbelay_page");
    List<SelectFieldOrAsterisk> extras = new ArrayList<>();
    Field<Boolean> otherEnd =
        shape.bothEnds() ? exists(shape.branchesOtherEnd(base.keys()), shape) : inline(false);
    extras.add(otherEnd.as("pgbelay_other_end"));
    extras.add((shape.counted() ? counted() : inline(0L)).as("pgbelay_count"));
    Table<?> beside = DSL.select(extras).asTable("pgbelay_beside");
    List<Field<?>> list = row.outputs(page);
    list.add(
        shape.around()
            ? RowColumns.column(page, "pgbelay_is_before", inline(true))
            : inline(false));
    list.add(RowColumns.column(beside, "pgbelay_other_end", otherEnd));
    list.add(field(name("pgbelay_beside", "pgbelay_count"), SQLDataType.BIGINT));
    list.add(row.keyColumn(page, keyThatIsNeverNull()).isNotNull().as("pgbelay_is_row"));
    if (typed) {
      row.addTypes(list, page);
    }
    return DSL.select(list)
        .from(beside)
        .leftJoin(page)
        .on(trueCondition())
        .orderBy(row.order(page, shape.backward()));
  }

  /** Every order has one: the tie-breaker. */
  private int keyThatIsNeverNull() {
    int key = 0;
    while (base.keys().get(key).nullable()) {
      key++;
    }
    return key;
  }

  /** Sub-selects and not EXISTS: that would drop the order, and with it the index. */
  @SuppressWarnings("unchecked")
  private Field<Boolean> exists(List<SeekBranch> branches, PageShape shape) {
    Field<Boolean> any = inline(false);
    for (SeekBranch branch : branches) {
      Select<Record1<Boolean>> one =
          (Select<Record1<Boolean>>)
              seek.ordered(
                  base.select().$select(List.of(inline(true))),
                  branch,
                  !shape.backward(),
                  inline(1));
      Field<Boolean> probe = field(field(one).isNotNull());
      any =
          branch.equals(branches.get(0))
              ? probe
              : field(DSL.condition(any).or(DSL.condition(probe)));
    }
    return any;
  }

  private Field<Long> counted() {
    Select<?> some =
        base.select()
            .$select(List.of(inline(1).as("pgbelay_one")))
            .$limit(SeekSql.limit(Limit.COUNTED));
    return field(DSL.select(count()).from(some.asTable("pgbelay_counted")))
        .coerce(SQLDataType.BIGINT);
  }

  private String plan(PageShape shape) {
    if (shape.keyCount() == 0) {
      return SCAN;
    }
    return shape.branches(base.keys()).size() == 1 && !shape.around() ? ROW_VALUE : BRANCHES;
  }

  private PageStatement statement(String plan, Select<?> select) {
    return statement(plan, select, false);
  }

  private PageStatement statement(String plan, Select<?> select, boolean typed) {
    Renderer.Template template = renderer.template(select);
    List<Slot> slots = template.params().stream().map(SeekSql::slot).toList();
    return new PageStatement(plan, template.pieces(), slots, typed);
  }
}
