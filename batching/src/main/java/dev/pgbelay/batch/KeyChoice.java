package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Collectors;
import org.jooq.Field;

/** Chooses the unique index that tells rows apart, or refuses by name. */
final class KeyChoice<R> {
  private final Mapping<R> mapping;
  private final WriterSettings<R> settings;
  private final PgTable table;

  KeyChoice(Mapping<R> mapping) {
    this.mapping = mapping;
    this.settings = mapping.settings();
    this.table = mapping.table();
  }

  UniqueIndex find() {
    Operation operation = mapping.operation();
    if (mapping.isView()) {
      throw mapping.refused("the target is a view or a foreign table, which has no unique index");
    }
    if (table.hasRulesFor(operation)) {
      throw mapping.refused(
          "the table has rules for this, by which the server makes something else of the statement;"
              + " use a trigger instead of the rule, or write to the table behind it");
    }
    UniqueIndex index = settings.keyIndex() == null ? byColumns() : byName(settings.keyIndex());
    if (operation == Operation.UPSERT && !index.immediate()) {
      throw mapping.refused(
          "unique index "
              + index.name()
              + " belongs to a DEFERRABLE constraint, which cannot"
              + " decide conflicts; declare it NOT DEFERRABLE");
    }
    if (operation == Operation.UPSERT && index.withoutOverlaps()) {
      throw mapping.refused(
          "unique index "
              + index.name()
              + " is WITHOUT OVERLAPS, by which ON CONFLICT cannot update; insert and update apart");
    }
    if (operation != Operation.UPSERT && index.columns().contains(0)) {
      throw mapping.refused(
          "unique index " + index.name() + " is over an expression; name columns as key");
    }
    if (operation != Operation.UPSERT && index.predicate() != null) {
      throw mapping.refused(
          "unique index "
              + index.name()
              + " is partial: rows outside of it may have the same key and would be met as well;"
              + " use an index without WHERE");
    }
    if (operation == Operation.UPSERT
        && (index.columns().contains(0) || index.predicate() != null)
        && (table.isPartitioned()
            || (settings.onlyIfChanged()
                && (settings.condition() != null || table.mayDropUpserts())))) {
      throw mapping.refused(
          "unique index "
              + index.name()
              + " is partial or over an expression, by which outcomes cannot be told apart here; use"
              + " an index over columns");
    }
    for (int number : index.columns()) {
      if (number != 0 && !mapping.isMapped(mapping.columnNumbered(number).name())) {
        throw mapping.refused(
            "column "
                + mapping.columnNumbered(number).name()
                + " of the key is not mapped, so no row can"
                + " be found by it");
      }
    }
    for (int number : index.uses()) {
      if (!mapping.isMapped(mapping.columnNumbered(number).name())) {
        throw mapping.refused(
            "unique index "
                + index.describe()
                + " depends on column "
                + mapping.columnNumbered(number).name()
                + ", which is not mapped, so which rows it covers cannot be told");
      }
    }
    return index;
  }

  private UniqueIndex byName(String name) {
    UniqueIndex index = table.index(name);
    if (index == null) {
      throw mapping.refused("there is no valid unique index " + name + "; " + describeIndexes());
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
      throw mapping.refused(
          "the table has no primary key; name the key with key(…), " + describeIndexes());
    }
    settings.key().forEach(field -> wanted.add(mapping.column(field).number()));
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
    throw mapping.refused(
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
}
