package dev.pgbelay.keyset;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Name;
import org.jooq.Record;
import org.jooq.impl.DSL;

/**
 * A table in a query, as the catalog has it.
 *
 * @param notNull by column name, whether it is declared NOT NULL
 * @param partitions those of a partitioned table that have rows of their own
 */
record Relation(
    TableName table,
    String alias,
    Map<String, Boolean> notNull,
    List<Index> indexes,
    List<TableName> partitions) {

  record TableName(String schema, String name) {}

  /** A column of one of the query's relations. */
  record Column(String relation, String name, boolean notNull) {}

  /**
   * An index.
   *
   * @param columns definitions, as PostgreSQL prints them
   * @param options per column, bit 1 for DESC and bit 2 for NULLS FIRST
   */
  record Index(
      String name,
      boolean unique,
      boolean valid,
      boolean partial,
      List<String> columns,
      List<String> collations,
      List<Boolean> otherOpclass,
      List<Integer> options) {

    boolean provesUnique(Set<String> keys, Relation relation) {
      return unique
          && valid
          && !partial
          && columns.stream()
              .allMatch(
                  column ->
                      keys.contains(unquoted(column))
                          && relation.notNull().getOrDefault(unquoted(column), false));
    }
  }

  static Relation load(DSLContext dsl, TableName table, String alias) {
    Map<String, Boolean> notNull = new TreeMap<>();
    dsl.fetch(CheckSql.FIND_COLUMNS, table.schema(), table.name())
        .forEach(
            row -> notNull.put(row.get("name", String.class), row.get("not_null", Boolean.class)));
    List<Index> indexes =
        dsl.fetch(CheckSql.FIND_INDEXES, table.schema(), table.name()).map(Relation::index);
    List<TableName> partitions =
        dsl.fetch(CheckSql.FIND_PARTITIONS, table.schema(), table.name()).map(Relation::tableName);
    return new Relation(table, alias, notNull, indexes, partitions);
  }

  /** The partitioned table that a partition belongs to. */
  static Optional<TableName> root(DSLContext dsl, TableName table) {
    return dsl.fetchOptional(CheckSql.FIND_ROOT, table.schema(), table.name())
        .map(Relation::tableName);
  }

  private static TableName tableName(Record row) {
    return new TableName(row.get(0, String.class), row.get(1, String.class));
  }

  private static Index index(Record row) {
    return new Index(
        row.get("name", String.class),
        row.get("is_unique", Boolean.class),
        row.get("is_valid", Boolean.class),
        row.get("is_partial", Boolean.class),
        Arrays.asList(row.get("columns", String[].class)),
        Arrays.asList(row.get("collations", String[].class)),
        Arrays.asList(row.get("other_opclass", Boolean[].class)),
        Arrays.asList(row.get("options", Integer[].class)));
  }

  /** The one column that a field names, if it names a column. */
  static Optional<Column> column(List<Relation> relations, Field<?> field) {
    if (!DSL.field(field.getQualifiedName()).toString().equals(field.toString())) {
      return Optional.empty();
    }
    Name qualified = field.getQualifiedName();
    List<Column> found =
        relations.stream()
            .filter(relation -> relation.isNamedBy(qualified))
            .filter(relation -> relation.notNull().containsKey(field.getName()))
            .map(
                relation ->
                    new Column(
                        relation.alias(),
                        field.getName(),
                        relation.notNull().getOrDefault(field.getName(), false)))
            .toList();
    return found.size() == 1 ? Optional.of(found.get(0)) : Optional.empty();
  }

  private boolean isNamedBy(Name column) {
    return !column.qualified()
        || column.parts()[column.parts().length - 2].unquotedName().last().equals(alias);
  }

  String qualifiedName() {
    return table.schema() + "." + table.name();
  }

  static String unquoted(String column) {
    return column.startsWith("\"") && column.endsWith("\"")
        ? column.substring(1, column.length() - 1).replace("\"\"", "\"")
        : column;
  }
}
