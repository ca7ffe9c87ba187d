package dev.pgbelay.reconcile.repair;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.internal.CarriedRowsSql;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.FindingRow;
import dev.pgbelay.reconcile.internal.Probe;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.TableShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements of a repair. {@code {0}} is the table of findings or that of what was undone. */
final class RepairSql {
  private static final String COUNT_CONFIRMED =
      """
      SELECT count(*) FROM {0} WHERE declaration = {1} AND state = 'CONFIRMED'\
      """;

  private static final String LIST_CONFIRMED =
      """
      SELECT * FROM {0}
       WHERE declaration = {1} AND state = 'CONFIRMED' AND id > {2} ORDER BY id LIMIT {3}\
      """;

  private static final String LOCK_FINDING =
      """
      SELECT * FROM {0} WHERE id = {1} AND state = 'CONFIRMED' FOR NO KEY UPDATE\
      """;

  private static final String CLOSE =
      """
      UPDATE {0} SET state = {2}, closed_at = clock_timestamp() WHERE id = {1}\
      """;

  /** {0}: the probe of one row */
  private static final String WRONG =
      """
      SELECT pgbelay_evidence FROM ({0}) AS probed WHERE pgbelay_scope AND pgbelay_wrong LIMIT 1\
      """;

  private static final String COUNT_KEY = "SELECT jsonb_array_length(cast({0} AS jsonb))";

  private static final String ANEW =
      """
      UPDATE {0} SET state = 'CANDIDATE', evidence = {2}, evidence_since = clock_timestamp(), last_seen = clock_timestamp()
       WHERE id = {1}\
      """;

  private static final String LOCK_ROW = "SELECT cast(ROW({0}.*) AS text) FROM {0} WHERE {1} ";
  private static final String STRONGLY = "FOR UPDATE";
  private static final String WEAKLY = "FOR NO KEY UPDATE";
  private static final String READ_ROW = "SELECT cast(ROW({0}.*) AS text) FROM {0} WHERE {1}";

  private static final String SAVE_UNDO =
      """
      INSERT INTO {0} (declaration, finding_id, batch, action, evidence, table_name, columns, row_key,
                       row_before, row_after)
      VALUES ({1}, {2}, {3}, {4}, {5}, {6}, cast({7} AS text[]), {8}, {9}, {10})\
      """;

  private final String schema;
  private final Table<?> findings;
  private final Table<?> undo;

  RepairSql(String schema) {
    this.schema = schema;
    this.findings = DSL.table(DSL.name(schema, "reconcile_finding"));
    this.undo = DSL.table(DSL.name(schema, "reconcile_undo"));
  }

  long countConfirmed(DSLContext dsl, String declaration) {
    return dsl.resultQuery(COUNT_CONFIRMED, findings, val(declaration))
        .fetchSingle()
        .get(0, Long.class);
  }

  List<Finding> confirmed(DSLContext dsl, String declaration, long afterId, int most) {
    return dsl.resultQuery(
            LIST_CONFIRMED, findings, val(declaration), val(afterId), DSL.inline(most))
        .fetch(FindingRow::read);
  }

  /** Empty if somebody else closed it. */
  Optional<Finding> lock(DSLContext dsl, long finding) {
    return dsl.resultQuery(LOCK_FINDING, findings, val(finding)).fetchOptional(FindingRow::read);
  }

  void close(DSLContext dsl, long finding, Finding.State state) {
    dsl.query(CLOSE, findings, val(finding), val(state.name())).execute();
  }

  /**
   * What is wrong with the row; empty if nothing is. In a snapshot of its own, so it sees what was
   * committed while a lock was waited for.
   */
  static Optional<JSONB> wrong(DSLContext dsl, Probe probe, Condition row) {
    return dsl.resultQuery(WRONG, probe.over(row)).fetchOptional(0, JSONB.class);
  }

  /** How many columns the key had by which the finding names its row. */
  static int keyColumns(DSLContext dsl, Finding finding) {
    return dsl.resultQuery(COUNT_KEY, val(finding.rowKey())).fetchSingle().get(0, Integer.class);
  }

  /** It is wrong in another way than was confirmed, which somebody may be about to mend. */
  void anew(DSLContext dsl, long finding, JSONB evidence) {
    dsl.query(ANEW, findings, val(finding), val(evidence)).execute();
  }

  /** The row's text, locked until the transaction ends; null if there is no row. */
  static @Nullable String lockRow(DSLContext dsl, Table<?> table, Condition row, boolean strongly) {
    return dsl.resultQuery(LOCK_ROW + (strongly ? STRONGLY : WEAKLY), table, row)
        .fetchOptional(0, String.class)
        .orElse(null);
  }

  static @Nullable String readRow(DSLContext dsl, Table<?> table, Condition row) {
    return dsl.resultQuery(READ_ROW, table, row).fetchOptional(0, String.class).orElse(null);
  }

  /** What is kept of one changed row. */
  record Kept(TableShape table, Finding finding, @Nullable String before, @Nullable String after) {}

  void saveUndo(DSLContext dsl, UUID batch, RepairPolicy.Action action, Kept kept) {
    dsl.query(
            SAVE_UNDO,
            undo,
            val(kept.finding().declaration()),
            val(kept.finding().id()),
            val(batch),
            val(action.name()),
            val(kept.finding().evidence()),
            val(kept.table().name()),
            val(kept.table().columns().keySet().toArray(String[]::new)),
            val(kept.finding().rowKey()),
            val(kept.before(), SQLDataType.CLOB),
            val(kept.after(), SQLDataType.CLOB))
        .execute();
  }

  /** What foreign keys delete or change along with the row of a finding. */
  CarriedRowsSql carried(DSLContext dsl, UUID batch, Finding finding) {
    return new CarriedRowsSql(
        dsl, schema, new CarriedRowsSql.Why(finding.declaration(), batch, finding.evidence()));
  }

  static void setNull(DSLContext dsl, Reference reference, List<Field<?>> columns, Condition row) {
    Map<Field<?>, Object> nulls = new java.util.LinkedHashMap<>();
    columns.forEach(
        column ->
            nulls.put(
                ProbeSql.column(reference.child(), column.getName()), DSL.inline((Object) null)));
    dsl.update(reference.child()).set(nulls).where(row).execute();
  }

  /**
   * Asks the catalog.
   *
   * @throws PgBelayException if the policy would set a column to NULL that is NOT NULL
   */
  static void requireFits(DSLContext dsl, Declaration declaration, RepairPolicy policy) {
    if (policy.action() != RepairPolicy.Action.SET_NULL) {
      return;
    }
    Reference reference = (Reference) declaration;
    TableShape child = CatalogSql.get(dsl, reference, reference.child());
    List<String> notNull =
        policy.columnsToSet(reference).stream()
            .map(Field::getName)
            .filter(each -> child.column(each).filter(TableShape.Column::notNull).isPresent())
            .toList();
    if (!notNull.isEmpty()) {
      throw new PgBelayException(
          "policy of '%s': SET_NULL would set %s of %s to NULL, and that is NOT NULL; name the others of the columns that refer, choose another policy, or drop the NOT NULL"
              .formatted(reference.name(), notNull, child.name()));
    }
  }

  static void recompute(DSLContext dsl, DerivedValue derived, Condition row) {
    Field<?> column = ProbeSql.column(derived.table(), derived.column().getName());
    dsl.update(derived.table()).set(Map.of(column, derived.expected())).where(row).execute();
  }

  /** True for the parent of the child's values; the key may be another than the primary one. */
  static Condition createParent(
      DSLContext dsl, Reference reference, RepairPolicy policy, Condition child) {
    List<Field<?>> into = new ArrayList<>();
    List<Field<?>> values = new ArrayList<>();
    Condition parent = DSL.noCondition();
    for (int k = 0; k < reference.childColumns().size(); k++) {
      Field<?> from = ProbeSql.column(reference.child(), reference.childColumns().get(k).getName());
      Field<?> to = ProbeSql.column(reference.parent(), reference.parentColumns().get(k).getName());
      into.add(to);
      values.add(from);
      Field<Object> value =
          DSL.field(DSL.select(from.coerce(Object.class)).from(reference.child()).where(child));
      parent = parent.and(to.coerce(Object.class).eq(value));
    }
    if (CatalogSql.isSame(dsl, reference.child(), reference.parent())) {
      throw new PgBelayException(
          "policy of '%s': CREATE_PARENT is not offered where a table refers to itself; use CUSTOM"
              .formatted(reference.name()));
    }
    policy
        .parentValues()
        .forEach(
            (column, value) -> {
              into.add(ProbeSql.column(reference.parent(), column.getName()));
              values.add(value instanceof Field<?> field ? field : DSL.val(value));
            });
    dsl.insertInto(reference.parent(), into)
        .select(DSL.select(values).from(reference.child()).where(child))
        .execute();
    return parent;
  }
}
