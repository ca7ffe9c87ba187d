package dev.pgbelay.reconcile.internal;

import static org.jooq.impl.DSL.condition;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.Select;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** Builds the question of each kind of declaration. */
public final class ProbeSql {
  private static final String PARENT = "pgbelay_parent";
  private static final String ROW = "pgbelay_row";

  /** In every session the same; infinity has no zone. */
  private static final String UTC =
      "CASE WHEN isfinite({0}) THEN cast({0} AT TIME ZONE 'UTC' AS text) || '+00' ELSE cast({0} AS text) END";

  private static final Field<JSONB> KEY = field(name("pgbelay_key"), SQLDataType.JSONB);
  private static final Field<JSONB> EVIDENCE = field(name("pgbelay_evidence"), SQLDataType.JSONB);
  private static final Field<Boolean> SCOPE = field(name("pgbelay_scope"), SQLDataType.BOOLEAN);
  private static final Field<Boolean> WRONG = field(name("pgbelay_wrong"), SQLDataType.BOOLEAN);

  private ProbeSql() {}

  /**
   * The question of a declaration.
   *
   * @param shape of the table that is walked
   */
  public static Probe of(Declaration declaration, Optional<TableShape> shape) {
    if (declaration instanceof Reference reference) {
      return of(reference, shape.orElseThrow());
    }
    if (declaration instanceof DerivedValue derived) {
      return of(derived, shape.orElseThrow());
    }
    return of((Invariant) declaration, shape);
  }

  /** The table that is walked; empty for the query of an invariant. */
  public static Optional<Table<?>> walked(Declaration declaration) {
    if (declaration instanceof Reference reference) {
      return Optional.of(reference.child());
    }
    if (declaration instanceof DerivedValue derived) {
      return Optional.of(derived.table());
    }
    return ((Invariant) declaration).table();
  }

  /**
   * Whether other evidence is another candidate: where one transaction writes both sides, a row
   * that is always wrong is wrong.
   */
  public static boolean evidenceCounts(Declaration declaration) {
    return declaration instanceof Reference
        || (declaration instanceof DerivedValue && !declaration.grace().isZero());
  }

  /** A column of the table, as jOOQ knows it or by its name. */
  public static Field<?> column(Table<?> table, String column) {
    Field<?> known = table.field(name(column));
    return known != null ? known : field(table.getQualifiedName().append(column));
  }

  /** Columns of the table that have the names of these, which may stand for another's. */
  public static List<Field<?>> columns(Table<?> table, List<Field<?>> columns) {
    return named(table, columns.stream().map(Field::getName).toList());
  }

  /** Columns of the table by their names. */
  public static List<Field<?>> named(Table<?> table, List<String> names) {
    return names.stream().<Field<?>>map(each -> column(table, each)).toList();
  }

  private static Probe of(Reference reference, TableShape shape) {
    Table<?> child = reference.child();
    List<Field<?>> key = key(child, shape);
    List<Field<?>> parentFields = new ArrayList<>();
    Condition same = DSL.noCondition();
    Condition refers = DSL.noCondition();
    List<Field<?>> evidence = new ArrayList<>();
    Field<?> found = null;
    for (int k = 0; k < reference.childColumns().size(); k++) {
      Field<?> from = column(child, reference.childColumns().get(k).getName());
      String alias = "pgbelay_p" + (k + 1);
      parentFields.add(
          column(reference.parent(), reference.parentColumns().get(k).getName()).as(alias));
      Field<?> to = field(name(PARENT, alias));
      found = found == null ? to : found;
      same = same.and(equal(from, to));
      refers = refers.and(from.isNotNull());
      String column = reference.childColumns().get(k).getName();
      evidence.add(DSL.inline(column));
      evidence.add(
          shape.column(column).map(each -> text(from, each.type())).orElseGet(() -> text(from)));
    }
    Table<?> parent =
        select(parentFields)
            .from(reference.parent())
            .where(reference.parentWhere())
            .asTable(name(PARENT));
    Field<Boolean> scope = field(refers);
    Field<Boolean> wrong = field(Objects.requireNonNull(found).isNull());
    Condition joined = same;
    Field<?> matched = Objects.requireNonNull(found);
    List<Field<?>> from = columns(child, reference.childColumns());
    Condition refersToSomething = refers;
    Probe.Tally tally =
        new Probe.Tally(
            rows ->
                select(DSL.count(), DSL.count(matched))
                    .from(child)
                    .leftJoin(parent)
                    .on(joined)
                    .where(rows),
            rows -> select(DSL.count()).from(child).where(rows.andNot(refersToSomething)),
            rows ->
                select(keyOf(key, types(shape)).as(KEY), object(evidence).as(EVIDENCE))
                    .from(child)
                    .where(rows)
                    .and(
                        condition(
                            "({0}) IN ({1})",
                            DSL.list(from),
                            select(from)
                                .from(child)
                                .leftJoin(parent)
                                .on(joined)
                                .where(rows.and(refersToSomething).and(matched.isNull())))));
    return new Probe(
        child,
        key,
        types(shape),
        reference.childWhere(),
        true,
        rows ->
            select(
                    keyOf(key, types(shape)).as(KEY),
                    object(evidence).as(EVIDENCE),
                    scope.as(SCOPE),
                    wrong.as(WRONG))
                .from(child)
                .leftJoin(parent)
                .on(joined)
                .where(rows),
        Optional.of(tally));
  }

  /** Each value is computed once, in a subquery that OFFSET 0 keeps apart. */
  private static Probe of(DerivedValue derived, TableShape shape) {
    Table<?> table = derived.table();
    List<Field<?>> key = key(table, shape);
    Field<?> is = field(name(ROW, "pgbelay_is"));
    Field<?> expected = field(name(ROW, "pgbelay_expected"));
    Condition wrong =
        derived
            .tolerance()
            .map(most -> beyond(is, expected, most))
            .orElseGet(() -> condition("{0} IS DISTINCT FROM {1}", is, expected));
    return new Probe(
        table,
        key,
        types(shape),
        derived.where(),
        true,
        rows ->
            select(
                    field(name(ROW, "pgbelay_key"), SQLDataType.JSONB).as(KEY),
                    object(
                            List.of(
                                DSL.inline("is"), text(is), DSL.inline("expected"), text(expected)))
                        .as(EVIDENCE),
                    DSL.inline(true).as(SCOPE),
                    field(wrong).as(WRONG))
                .from(
                    select(
                            keyOf(key, types(shape)).as("pgbelay_key"),
                            column(table, derived.column().getName()).as("pgbelay_is"),
                            derived.expected().as("pgbelay_expected"))
                        .from(table)
                        .where(rows)
                        .offset(DSL.inline(0))
                        .asTable(name(ROW))),
        Optional.empty());
  }

  private static Probe of(Invariant invariant, Optional<TableShape> shape) {
    if (invariant.offenders().isPresent()) {
      return ofQuery(invariant, invariant.offenders().get());
    }
    Table<?> table = invariant.table().orElseThrow();
    List<Field<?>> key = key(table, shape.orElseThrow());
    Condition broken = condition("({0}) IS FALSE", invariant.holds().orElseThrow());
    return new Probe(
        table,
        key,
        types(shape.orElseThrow()),
        DSL.noCondition(),
        true,
        rows ->
            select(
                    keyOf(key, types(shape.orElseThrow())).as(KEY),
                    field("to_jsonb({0})", JSONB.class, DSL.field(name(tableName(table))))
                        .as(EVIDENCE),
                    DSL.inline(true).as(SCOPE),
                    field(broken).as(WRONG))
                .from(table)
                .where(rows),
        Optional.empty());
  }

  private static Probe ofQuery(Invariant invariant, Select<? extends Record> offenders) {
    Table<?> query = offenders.asTable(name(ROW));
    List<Field<?>> key = new ArrayList<>();
    invariant.key().forEach(each -> key.add(field(name(ROW, each.getName()))));
    return new Probe(
        query,
        key,
        List.of(),
        DSL.noCondition(),
        false,
        rows ->
            select(
                    keyOf(key, List.of()).as(KEY),
                    field("to_jsonb({0})", JSONB.class, field(name(ROW))).as(EVIDENCE),
                    DSL.inline(true).as(SCOPE),
                    DSL.inline(true).as(WRONG))
                .from(query)
                .where(rows),
        Optional.empty());
  }

  /** The row itself is named by the table's last name. */
  private static String tableName(Table<?> table) {
    return Objects.requireNonNull(table.getUnqualifiedName().last());
  }

  /** The columns of the primary key. */
  public static List<Field<?>> key(Table<?> table, TableShape shape) {
    return named(table, shape.primaryKey());
  }

  /** Types of the primary key, as SQL writes them. */
  public static List<String> types(TableShape shape) {
    return shape.primaryKey().stream()
        .map(each -> shape.column(each).orElseThrow().type())
        .toList();
  }

  private static Condition equal(Field<?> from, Field<?> to) {
    return condition("{0} = {1}", from, to);
  }

  private static Condition beyond(Field<?> is, Field<?> expected, BigDecimal most) {
    return condition(
        "({0} IS DISTINCT FROM {1} AND (({0} IS NULL) <> ({1} IS NULL) OR coalesce(abs({0} - {1}) > {2}, false)))",
        is, expected, DSL.val(most));
  }

  /**
   * As findings and the table of undo keep it: the same text in every session, whatever its zone of
   * time; other styles are the transaction's ({@link dev.pgbelay.core.internal.SteadyText}).
   *
   * @param types of these columns, as SQL writes them; empty where they are not known
   */
  public static Field<JSONB> keyOf(List<Field<?>> key, List<String> types) {
    List<Field<?>> texts = new ArrayList<>();
    for (int k = 0; k < key.size(); k++) {
      texts.add(types.isEmpty() ? text(key.get(k)) : text(key.get(k), types.get(k)));
    }
    return field("jsonb_build_array({0})", JSONB.class, DSL.list(texts));
  }

  private static Field<JSONB> object(List<Field<?>> namesAndValues) {
    return field("jsonb_build_object({0})", JSONB.class, DSL.list(namesAndValues));
  }

  private static Field<String> text(Field<?> value, String type) {
    return type.matches("timestamp(\\(\\d\\))? with time zone")
        ? field(UTC, String.class, value)
        : field("cast({0} AS text)", String.class, value);
  }

  /** Of a type that is not known. */
  private static Field<String> text(Field<?> value) {
    Field<?> asTime = field("cast(cast({0} AS text) AS timestamptz)", value);
    return field(
        "CASE WHEN pg_typeof({0}) = cast('timestamptz' AS regtype) THEN {1} ELSE cast({0} AS text) END",
        String.class, value, field(UTC, String.class, asTime));
  }
}
