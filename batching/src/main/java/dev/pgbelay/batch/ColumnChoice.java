package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jooq.Field;
import org.jspecify.annotations.Nullable;

/** Chooses the columns that an operation sends, sets and returns, or refuses by name. */
final class ColumnChoice<R> {
  private final Mapping<R> mapping;
  private final WriterSettings<R> settings;
  private final Operation operation;
  private final PgTable table;
  private final @Nullable UniqueIndex keyIndex;

  /**
   * @param keyIndex null for inserts
   */
  ColumnChoice(Mapping<R> mapping, @Nullable UniqueIndex keyIndex) {
    this.mapping = mapping;
    this.settings = mapping.settings();
    this.operation = mapping.operation();
    this.table = mapping.table();
    this.keyIndex = keyIndex;
  }

  /** What updates set. */
  List<PgColumn> updated() {
    if (operation == Operation.INSERT || operation == Operation.DELETE) {
      return List.of();
    }
    Set<Integer> key = keyColumns();
    Set<String> names = new LinkedHashSet<>();
    if (settings.updated() == null) {
      for (MappedColumn<R> mapped : settings.columns()) {
        if (!key.contains(mapping.column(mapped.field()).number())) {
          names.add(mapped.name());
        }
      }
    } else {
      for (Field<?> field : settings.updated()) {
        if (!mapping.isMapped(field.getName())) {
          throw mapping.refused(
              "column " + field.getName() + " is to be updated but is not mapped");
        }
        names.add(mapping.column(field).name());
      }
    }
    settings.sets().keySet().forEach(field -> names.add(field.getName()));
    List<PgColumn> found = new ArrayList<>();
    for (String name : names) {
      PgColumn column = table.columns().get(name);
      if (column == null || column.generated() || column.isIdentityAlways()) {
        throw mapping.refused("column " + name + " is made by the server and cannot be updated");
      }
      found.add(column);
    }
    if (found.isEmpty() && operation == Operation.UPDATE) {
      throw mapping.refused("there is nothing to update: all mapped columns belong to the key");
    }
    return List.copyOf(found);
  }

  /** Updates and deletes send no more than they need, unless the caller's SQL may need it. */
  List<ShapeColumn<R>> sent(List<PgColumn> updated) {
    boolean all =
        operation == Operation.INSERT
            || operation == Operation.UPSERT
            || settings.condition() != null
            || !settings.sets().isEmpty()
            || (keyIndex != null && keyIndex.predicate() != null);
    Set<Integer> key = keyColumns();
    List<ShapeColumn<R>> found = new ArrayList<>();
    for (MappedColumn<R> mapped : settings.columns()) {
      PgColumn column = mapping.column(mapped.field());
      if (all || key.contains(column.number()) || updated.contains(column)) {
        boolean soughtBy = operation != Operation.UPSERT && key.contains(column.number());
        found.add(ShapeColumn.of(mapped, column, soughtBy));
      }
    }
    return List.copyOf(found);
  }

  /** Those asked for, or else the primary key and what the server makes. */
  List<PgColumn> returned() {
    Set<PgColumn> found = new LinkedHashSet<>();
    settings.returning().forEach(field -> found.add(mapping.column(field)));
    if (found.isEmpty()) {
      for (UniqueIndex index : table.uniqueIndexes()) {
        if (index.primary()) {
          index.columns().forEach(number -> found.add(mapping.columnNumbered(number)));
        }
      }
      for (PgColumn column : table.columns().values()) {
        if (column.isServerMade() && !mapping.isMapped(column.name())) {
          found.add(column);
        }
      }
    }
    return List.copyOf(found);
  }

  /** A key by which inserted rows can be told apart; empty if there is none. */
  List<PgColumn> pairingKey() {
    if (table.hasRules()) {
      return List.of();
    }
    for (UniqueIndex index : table.uniqueIndexes()) {
      if (index.predicate() != null || index.columns().contains(0)) {
        continue;
      }
      List<PgColumn> key = index.columns().stream().map(mapping::columnNumbered).toList();
      boolean known =
          key.stream()
              .allMatch(
                  column ->
                      (mapping.isMapped(column.name()) && column.notNull())
                          || (column.defaultSql() != null && !mapping.isMapped(column.name())));
      if (known) {
        return key;
      }
    }
    return List.of();
  }

  private Set<Integer> keyColumns() {
    return keyIndex == null ? Set.of() : new HashSet<>(keyIndex.columns());
  }
}
