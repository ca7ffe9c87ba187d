package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
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
    this.settings = settings;
    this.operation = operation;
    this.table = table;
    this.renderedTable = renderedTable;
    requireColumns();
    this.keyIndex = operation == Operation.INSERT ? null : findKeyIndex();
    this.updated = findUpdated();
    this.columns = findColumns();
    this.returned = returning ? findReturned() : List.of();
    this.pairingKey = operation == Operation.INSERT ? findPairingKey() : List.of();
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

  boolean isView() {
    return !table.kind().equals("r") && !table.isPartitioned();
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
    for (PgColumn column : table.columns().values()) {
      if (column.number() == number) {
        return column;
      }
    }
    throw new IllegalStateException("no column " + number);
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
    return (table.major() >= 17 && !table.rules() && !isView()) || !pairingKey.isEmpty();
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
    if (table.rules()) {
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

  // ---- checks

  /** The operation and the table, for messages. */
  String describe() {
    return operation.tag() + " on " + table.name();
  }

  private BatchException refused(String why) {
    return BatchException.contract(describe() + ": " + why);
  }

  private PgColumn column(Field<?> field) {
    PgColumn column = table.columns().get(field.getName());
    if (column == null) {
      throw refused(
          "there is no column "
              + StatementSql.quote(field.getName())
              + "; the table has "
              + String.join(", ", table.columns().keySet()));
    }
    return column;
  }

  private void requireColumns() {
    boolean inserts = operation == Operation.INSERT || operation == Operation.UPSERT;
    for (MappedColumn<R> mapped : settings.columns()) {
      PgColumn column = column(mapped.field());
      if (column.generated()) {
        throw refused(
            "column " + column.name() + " is generated by the server; leave it out of the mapping");
      }
      if (inserts && column.isIdentityAlways()) {
        throw refused(
            "column "
                + column.name()
                + " is GENERATED ALWAYS AS IDENTITY, and a value for it would be refused; leave it"
                + " out of the mapping, or declare it GENERATED BY DEFAULT");
      }
    }
    settings.returning().forEach(this::column);
    settings.sets().keySet().forEach(this::column);
    settings.duplicates().foldedColumns().forEach(this::column);
    if (inserts && !isView()) {
      for (PgColumn column : table.columns().values()) {
        if (column.notNull() && !column.isServerMade() && !isMapped(column.name())) {
          throw refused(
              "column " + column.name() + " is NOT NULL, has no DEFAULT, and is not mapped");
        }
      }
    }
  }

  private boolean isMapped(String name) {
    return settings.columns().stream().anyMatch(mapped -> mapped.name().equals(name));
  }

  private UniqueIndex findKeyIndex() {
    if (isView()) {
      throw refused("the target is a view or a foreign table, which has no unique index");
    }
    UniqueIndex index = settings.keyIndex() == null ? byColumns() : byName(settings.keyIndex());
    if (operation == Operation.UPSERT && !index.immediate()) {
      throw refused(
          "unique index "
              + index.name()
              + " belongs to a DEFERRABLE constraint, which cannot"
              + " decide conflicts; declare it NOT DEFERRABLE");
    }
    if (operation != Operation.UPSERT && index.columns().contains(0)) {
      throw refused("unique index " + index.name() + " is over an expression; name columns as key");
    }
    if (operation == Operation.UPSERT
        && index.columns().contains(0)
        && (table.isPartitioned() || (settings.onlyIfChanged() && settings.condition() != null))) {
      throw refused(
          "unique index "
              + index.name()
              + " is over an expression, by which outcomes cannot be"
              + " told apart here; use an index over columns");
    }
    for (int number : index.columns()) {
      if (number != 0 && !isMapped(columnNumbered(number).name())) {
        throw refused(
            "column "
                + columnNumbered(number).name()
                + " of the key is not mapped, so no row can"
                + " be found by it");
      }
    }
    for (int number : index.uses()) {
      if (!isMapped(columnNumbered(number).name())) {
        throw refused(
            "unique index "
                + index.describe()
                + " depends on column "
                + columnNumbered(number).name()
                + ", which is not mapped, so which rows it covers cannot be told");
      }
    }
    return index;
  }

  private UniqueIndex byName(String name) {
    UniqueIndex index = table.index(name);
    if (index == null) {
      throw refused("there is no valid unique index " + name + "; " + describeIndexes());
    }
    return index;
  }

  private UniqueIndex byColumns() {
    Set<Integer> wanted = new LinkedHashSet<>();
    if (settings.key().isEmpty()) {
      for (UniqueIndex index : table.uniqueIndexes()) {
        if (index.primary()) {
          return index;
        }
      }
      throw refused("the table has no primary key; name the key with key(…), " + describeIndexes());
    }
    settings.key().forEach(field -> wanted.add(column(field).number()));
    UniqueIndex deferrable = null;
    for (UniqueIndex index : table.uniqueIndexes()) {
      if (index.predicate() == null && new HashSet<>(index.columns()).equals(wanted)) {
        if (index.immediate()) {
          return index;
        }
        deferrable = index;
      }
    }
    if (deferrable != null) {
      return deferrable;
    }
    throw refused(
        "no unique index covers exactly the key ("
            + settings.key().stream().map(Field::getName).collect(Collectors.joining(", "))
            + "); create one, name a partial or expression index with keyIndex(…), or use another"
            + " key: "
            + describeIndexes());
  }

  private String describeIndexes() {
    return table.uniqueIndexes().isEmpty()
        ? "the table has no unique index"
        : "unique indexes are "
            + table.uniqueIndexes().stream()
                .map(UniqueIndex::describe)
                .collect(Collectors.joining("; "));
  }

  private List<PgColumn> findUpdated() {
    if (operation == Operation.INSERT || operation == Operation.DELETE) {
      return List.of();
    }
    Set<Integer> key = new HashSet<>(keyIndex().columns());
    Set<String> names = new LinkedHashSet<>();
    if (settings.updated() == null) {
      for (MappedColumn<R> mapped : settings.columns()) {
        if (!key.contains(column(mapped.field()).number())) {
          names.add(mapped.name());
        }
      }
    } else {
      for (Field<?> field : settings.updated()) {
        if (!isMapped(field.getName())) {
          throw refused("column " + field.getName() + " is to be updated but is not mapped");
        }
        names.add(column(field).name());
      }
    }
    settings.sets().keySet().forEach(field -> names.add(field.getName()));
    List<PgColumn> found = new ArrayList<>();
    for (String name : names) {
      PgColumn column = table.columns().get(name);
      if (column == null || column.generated() || column.isIdentityAlways()) {
        throw refused("column " + name + " is made by the server and cannot be updated");
      }
      found.add(column);
    }
    if (found.isEmpty() && operation == Operation.UPDATE) {
      throw refused("there is nothing to update: all mapped columns belong to the key");
    }
    return List.copyOf(found);
  }

  /** Updates and deletes send no more than they need, unless the caller's SQL may need it. */
  private List<ShapeColumn<R>> findColumns() {
    boolean all =
        operation == Operation.INSERT
            || operation == Operation.UPSERT
            || settings.condition() != null
            || !settings.sets().isEmpty()
            || (keyIndexOrNull() != null && keyIndex().predicate() != null);
    Set<Integer> key = keyIndex == null ? Set.of() : new HashSet<>(keyIndex.columns());
    List<ShapeColumn<R>> found = new ArrayList<>();
    for (MappedColumn<R> mapped : settings.columns()) {
      PgColumn column = column(mapped.field());
      if (all || key.contains(column.number()) || updated.contains(column)) {
        found.add(ShapeColumn.of(mapped, column));
      }
    }
    return List.copyOf(found);
  }

  private List<PgColumn> findReturned() {
    Set<PgColumn> found = new LinkedHashSet<>();
    settings.returning().forEach(field -> found.add(column(field)));
    if (found.isEmpty()) {
      for (UniqueIndex index : table.uniqueIndexes()) {
        if (index.primary()) {
          index.columns().forEach(number -> found.add(columnNumbered(number)));
        }
      }
      for (PgColumn column : table.columns().values()) {
        if (column.isServerMade() && !isMapped(column.name())) {
          found.add(column);
        }
      }
    }
    return List.copyOf(found);
  }

  private List<PgColumn> findPairingKey() {
    if (table.rules()) {
      return List.of();
    }
    for (UniqueIndex index : table.uniqueIndexes()) {
      if (index.predicate() != null || index.columns().contains(0)) {
        continue;
      }
      List<PgColumn> key = index.columns().stream().map(this::columnNumbered).toList();
      boolean known =
          key.stream()
              .allMatch(
                  column ->
                      (isMapped(column.name()) && column.notNull())
                          || (column.defaultSql() != null && !isMapped(column.name())));
      if (known) {
        return key;
      }
    }
    return List.of();
  }

  private void requirePairing(boolean returning) {
    if (!returning) {
      return;
    }
    if (operation == Operation.INSERT && !canPairInserts()) {
      throw refused(
          "the values the server makes cannot be paired with the rows on PostgreSQL "
              + table.major()
              + ": no unique index has all of its columns mapped or filled by a DEFAULT; map a"
              + " key, or use PostgreSQL 17, which can");
    }
    if (operation == Operation.UPSERT && mayEscapeKey()) {
      throw refused(
          "rows that unique index "
              + keyIndex().name()
              + " does not tell apart (NULL in the key, or outside its predicate) cannot be paired"
              + " with returned values; use an index over NOT NULL columns");
    }
  }
}
