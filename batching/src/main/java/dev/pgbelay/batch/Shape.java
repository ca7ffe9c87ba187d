package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jspecify.annotations.Nullable;

/**
 * One operation of one writer on one table as the catalog has it: everything that can be refused
 * without looking at a row has been refused when this exists.
 */
final class Shape<R> {
  private static final AtomicInteger STAGES = new AtomicInteger();

  private final Mapping<R> mapping;
  private final WriterSettings<R> settings;
  private final Operation operation;
  private final PgTable table;
  private final String renderedTable;
  private final List<ShapeColumn<R>> columns;
  private final @Nullable UniqueIndex keyIndex;
  private final List<PgColumn> updated;
  private final List<PgColumn> returned;
  private final List<PgColumn> pairingKey;
  private final int stageId = STAGES.incrementAndGet();
  private final ShapeSql<R> sql;

  Shape(
      WriterSettings<R> settings,
      Operation operation,
      boolean returning,
      PgTable table,
      String renderedTable,
      DSLContext dsl) {
    this.mapping = new Mapping<>(settings, operation, table);
    this.settings = settings;
    this.operation = operation;
    this.table = table;
    this.renderedTable = renderedTable;
    mapping.requireColumns();
    this.keyIndex = operation == Operation.INSERT ? null : new KeyChoice<>(mapping).find();
    ColumnChoice<R> choice = new ColumnChoice<>(mapping, keyIndex);
    this.updated = choice.updated();
    this.columns = choice.sent(updated);
    this.returned = returning ? choice.returned() : List.of();
    this.pairingKey = operation == Operation.INSERT ? choice.pairingKey() : List.of();
    this.sql = new ShapeSql<>(this, dsl);
    requirePairing(returning);
  }

  // ---- what the statements are made of

  WriterSettings<R> settings() {
    return settings;
  }

  Operation operation() {
    return operation;
  }

  PgTable table() {
    return table;
  }

  String renderedTable() {
    return renderedTable;
  }

  List<ShapeColumn<R>> columns() {
    return columns;
  }

  ShapeSql<R> sql() {
    return sql;
  }

  /** The temporary table of this shape, quoted. */
  String stage() {
    return StatementSql.stage(stageId);
  }

  /** A unique index says nothing of the tables that inherit from its own. */
  StatementSql only() {
    return StatementSql.of(table.kind().equals("r") ? "only " : "");
  }

  boolean isView() {
    return mapping.isView();
  }

  UniqueIndex keyIndex() {
    if (keyIndex == null) {
      throw new IllegalStateException("an insert has no key");
    }
    return keyIndex;
  }

  @Nullable UniqueIndex keyIndexOrNull() {
    return keyIndex;
  }

  List<PgColumn> updatedColumns() {
    return updated;
  }

  List<PgColumn> returned() {
    return returned;
  }

  /** Columns whose values tell inserted rows apart, before 17. */
  List<PgColumn> pairingKey() {
    return pairingKey;
  }

  /** Those of them that the statement evaluates by itself, for the rows do not bring them. */
  List<PgColumn> pairingDefaults() {
    Set<String> mapped = columns.stream().map(ShapeColumn::name).collect(Collectors.toSet());
    return pairingKey.stream().filter(column -> !mapped.contains(column.name())).toList();
  }

  PgColumn columnNumbered(int number) {
    return mapping.columnNumbered(number);
  }

  /** The caller's expression for an updated column, if there is one. */
  @Nullable Field<?> expressionOf(String column) {
    for (var set : settings.sets().entrySet()) {
      if (set.getKey().getName().equals(column)) {
        return set.getValue();
      }
    }
    return null;
  }

  /** Whether some rows may never conflict: a part of the key unknown, or outside the index. */
  boolean mayEscapeKey() {
    UniqueIndex index = keyIndex();
    if (index.predicate() != null) {
      return true;
    }
    return !index.nullsNotDistinct()
        && index.columns().stream()
            .anyMatch(number -> number == 0 || !columnNumbered(number).notNull());
  }

  /** PostgreSQL itself refuses a second row with the key, with 21000: no need to look for it. */
  boolean serverRefusesDuplicates() {
    return operation == Operation.UPSERT
        && settings.duplicates().kept() == Duplicates.Kept.NONE
        && !settings.partial()
        && !settings.ignoreConflicts()
        // It notices only rows that are really updated.
        && !settings.onlyIfChanged()
        && settings.condition() == null
        && !updated.isEmpty();
  }

  /** Whether rows with the same key are made one before they are written. */
  boolean writesGroups() {
    return operation != Operation.INSERT && !serverRefusesDuplicates();
  }

  /** Whether the server may be unable to compute a row that could be sent. */
  boolean mayFailToEvaluate() {
    return columns.stream().anyMatch(column -> column.cast() != null || column.isDefault() != null)
        || keyIndex().predicate() != null
        || keyIndex().columns().contains(0);
  }

  /** Whether an update needs the lock that excludes referencing rows as well. */
  boolean changesKeys() {
    Set<Integer> keys = new HashSet<>();
    table.uniqueIndexes().forEach(index -> keys.addAll(index.columns()));
    return operation == Operation.DELETE
        || keys.contains(0)
        || updated.stream().anyMatch(column -> keys.contains(column.number()));
  }

  // ---- what can be done

  boolean returnsValues() {
    return !returned.isEmpty();
  }

  boolean canPairInserts() {
    return (table.major() >= 17 && !table.hasRules() && !isView()) || !pairingKey.isEmpty();
  }

  /** Why COPY into the table is out of the question; null if it is not. */
  @Nullable String noCopy() {
    if (operation != Operation.INSERT) {
      return "only inserts go straight into the table";
    }
    if (returnsValues()) {
      return "COPY returns no values";
    }
    if (isView()) {
      return "the target is not a plain or partitioned table";
    }
    if (table.rowSecurity()) {
      return "row level security is active, under which COPY is refused";
    }
    if (table.hasRules()) {
      return "the table has rules, which COPY would bypass";
    }
    for (ShapeColumn<R> column : columns) {
      if (column.isDefault() != null) {
        return "column " + column.name() + " is left to its DEFAULT by some rows";
      }
      if (column.copied() == null) {
        return "column "
            + column.name()
            + " has type "
            + column.column().type()
            + ", for which there is no binary form here";
      }
    }
    return null;
  }

  /** The operation and the table, for messages. */
  String describe() {
    return mapping.describe();
  }

  private void requirePairing(boolean returning) {
    if (!returning) {
      return;
    }
    if (operation == Operation.INSERT && !canPairInserts()) {
      throw mapping.refused(
          isView() || table.hasRules()
              ? "the values the server makes cannot be paired with the rows of a view, a foreign"
                  + " table or a table with rules; write to the table behind it"
              : "the values the server makes cannot be paired with the rows on PostgreSQL "
                  + table.major()
                  + ": no unique index has all of its columns mapped or filled by a DEFAULT; map a"
                  + " key, or use PostgreSQL 17, which can");
    }
    if (operation == Operation.UPSERT && mayEscapeKey()) {
      throw mapping.refused(
          "rows that unique index "
              + keyIndex().name()
              + " does not tell apart (NULL in the key, or outside its predicate) cannot be paired"
              + " with returned values; use an index over NOT NULL columns");
    }
  }
}
