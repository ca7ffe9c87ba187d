package dev.pgbelay.reconcile.repair;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.internal.CarriedRowsSql;
import dev.pgbelay.reconcile.internal.TableShape;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.QueryPart;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** Puts rows back from their text. {@code {0}} is the table, {@code {1}} the text. */
final class UndoSql {
  private static final String LIST =
      """
      SELECT id FROM {0} WHERE batch = {1} AND undone_at IS NULL ORDER BY id DESC\
      """;

  private static final String LOCK =
      """
      SELECT * FROM {0} WHERE id = {1} AND undone_at IS NULL FOR NO KEY UPDATE\
      """;

  private static final String MARK =
      """
      UPDATE {0} SET undone_at = clock_timestamp() WHERE id = {1}\
      """;

  private static final String REOPEN =
      """
      UPDATE {0} SET state = 'CONFIRMED', closed_at = NULL, reopened = reopened + 1
       WHERE id = {1} AND state = 'REPAIRED'\
      """;

  /** {2}: columns that can be written, {3}: the same of the row of the text */
  private static final String INSERT =
      """
      INSERT INTO {0} ({2}) OVERRIDING SYSTEM VALUE
      SELECT {3} FROM (SELECT cast({1} AS {0}) AS kept) AS of_text
      ON CONFLICT DO NOTHING\
      """;

  /**
   * {4}: the text that the row must have now, written as this session writes it, {5}: that its key
   * is that of the text
   */
  private static final String UPDATE =
      """
      UPDATE {0} AS t SET ({2}) = ROW ({3})
        FROM (SELECT cast({1} AS {0}) AS kept) AS of_text
       WHERE {5} AND cast(ROW(t.*) AS text) = cast(cast({4} AS {0}) AS text)\
      """;

  private static final String IS_ROW =
      "({0}) IN (SELECT {1} FROM (SELECT cast({3} AS {2}) AS kept) AS of_text)";

  private static final String DELETE =
      """
      DELETE FROM {0} AS t
       USING (SELECT cast({1} AS {0}) AS kept) AS of_text
       WHERE {5} AND cast(ROW(t.*) AS text) = cast(cast({4} AS {0}) AS text)\
      """;

  private final Table<?> undo;
  private final Table<?> findings;

  UndoSql(String schema) {
    this.undo = DSL.table(DSL.name(schema, "reconcile_undo"));
    this.findings = DSL.table(DSL.name(schema, "reconcile_finding"));
  }

  /** One kept row. */
  record Entry(
      long id,
      @Nullable Long finding,
      String table,
      List<String> columns,
      @Nullable String before,
      @Nullable String after) {}

  List<Long> list(DSLContext dsl, UUID batch) {
    return dsl.resultQuery(LIST, undo, val(batch)).fetch(row -> row.get(0, Long.class));
  }

  Optional<Entry> lock(DSLContext dsl, long id) {
    return dsl.resultQuery(LOCK, undo, val(id)).fetchOptional(UndoSql::entry);
  }

  void mark(DSLContext dsl, Entry entry) {
    dsl.query(MARK, undo, val(entry.id())).execute();
    if (entry.finding() != null) {
      dsl.query(REOPEN, findings, val(entry.finding())).execute();
    }
  }

  /** A row that was created is not taken back over others that came since. */
  static boolean carriesOthers(DSLContext dsl, Entry entry, TableShape shape) {
    if (entry.before() != null || shape.primaryKey().isEmpty()) {
      return false;
    }
    Condition row =
        DSL.condition(
            IS_ROW,
            DSL.list(shape.primaryKey().stream().map(each -> DSL.field(DSL.name(each))).toList()),
            DSL.list(shape.primaryKey().stream().map(UndoSql::ofText).toList()),
            DSL.raw(shape.name()),
            val(entry.after()));
    return CarriedRowsSql.any(dsl, shape, row);
  }

  /** How many rows were put back: none if something else stands there now. */
  static int restore(DSLContext dsl, Entry entry, TableShape shape) {
    String statement = entry.before() == null ? DELETE : entry.after() == null ? INSERT : UPDATE;
    String text = entry.before() == null ? entry.after() : entry.before();
    boolean updates = statement.equals(UPDATE);
    List<String> written =
        shape.columns().entrySet().stream()
            .filter(column -> !column.getValue().isGenerated())
            .filter(column -> !updates || !column.getValue().isAlwaysIdentity())
            .map(Map.Entry::getKey)
            .toList();
    QueryPart key =
        shape.primaryKey().isEmpty()
            ? DSL.trueCondition()
            : DSL.and(shape.primaryKey().stream().map(UndoSql::sameKey).toList());
    return dsl.query(
            statement,
            DSL.raw(shape.name()),
            val(text),
            DSL.list(written.stream().map(column -> DSL.field(DSL.name(column))).toList()),
            DSL.list(written.stream().map(UndoSql::ofText).toList()),
            val(entry.after(), org.jooq.impl.SQLDataType.CLOB),
            key)
        .execute();
  }

  private static Field<?> ofText(String column) {
    return DSL.field("(of_text.kept).{0}", DSL.name(column));
  }

  private static Condition sameKey(String column) {
    return DSL.condition("t.{0} = (of_text.kept).{0}", DSL.name(column));
  }

  private static Entry entry(Record row) {
    return new Entry(
        row.get("id", Long.class),
        row.get("finding_id", Long.class),
        row.get("table_name", String.class),
        List.of(row.get("columns", String[].class)),
        row.get("row_before", String.class),
        row.get("row_after", String.class));
  }
}
