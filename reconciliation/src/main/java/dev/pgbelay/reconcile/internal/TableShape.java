package dev.pgbelay.reconcile.internal;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A table as the catalog has it.
 *
 * @param name qualified and quoted
 * @param oid of its class
 * @param columns by name, in the table's order
 * @param primaryKey its columns in the key's order; empty without one
 */
public record TableShape(
    String name, long oid, Map<String, Column> columns, List<String> primaryKey) {
  /**
   * One column.
   *
   * @param number in the catalog
   * @param typeId of the catalog
   * @param type as SQL writes it
   * @param unboundedType without length and scale: a cast to those would shorten a key to that of
   *     another row
   * @param collation of the catalog; 0 for none
   * @param hasDefault whether it has one, or is generated
   * @param isGenerated whether nobody can write it
   * @param isAlwaysIdentity whether it can be given by an INSERT that says so, and never updated
   */
  public record Column(
      int number,
      long typeId,
      String type,
      String unboundedType,
      long collation,
      boolean notNull,
      boolean hasDefault,
      boolean isGenerated,
      boolean isAlwaysIdentity) {}

  /**
   * One that must be there.
   *
   * @throws PgBelayException naming the table and its columns, if it is not
   */
  public Column require(String column) {
    return column(column)
        .orElseThrow(
            () ->
                new PgBelayException(
                    "%s has no column %s; it has %s".formatted(name, column, columns.keySet())));
  }

  public Optional<Column> column(String column) {
    return Optional.ofNullable(columns.get(column));
  }
}
