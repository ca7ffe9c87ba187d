package dev.pgbelay.keyset;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.keyset.Relation.TableName;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.jooq.Field;
import org.jooq.impl.DSL;

/** Which index would serve a query's order, and why one that is nearly it does not. */
final class IndexAdvice {
  private static final int MAX_NAME_BYTES = 63;
  private static final int NAME_SUFFIX_BYTES = "_keyset_01234567".length();

  private final PreparedQuery<?> query;
  private final Relation home;
  private final Map<String, Relation.Column> columns;

  IndexAdvice(PreparedQuery<?> query, Relation home, Map<String, Relation.Column> columnsOfKeys) {
    this.query = query;
    this.home = home;
    this.columns = columnsOfKeys;
  }

  String createIndex() {
    return createIndex(home.table());
  }

  /** On the table itself or on one of its partitions. */
  String createIndex(TableName table) {
    String list = list();
    return CheckSql.createIndex(name(table, list), qualified(table), list);
  }

  /** For a partitioned table. */
  String createIndexOnRoot() {
    String list = list();
    return CheckSql.createIndexOnRoot(name(home.table(), list), qualified(home.table()), list);
  }

  /** The same for the same table and columns, so that running the DDL twice is seen to be that. */
  private String name(TableName of, String list) {
    String table = of.name();
    int room = MAX_NAME_BYTES - NAME_SUFFIX_BYTES;
    while (table.getBytes(UTF_8).length > room) {
      table = table.substring(0, table.offsetByCodePoints(table.length(), -1));
    }
    CRC32 sum = new CRC32();
    sum.update((of.schema() + "." + of.name() + "(" + list + ")").getBytes(UTF_8));
    return query.renderer().text(DSL.name("%s_keyset_%08x".formatted(table, sum.getValue())));
  }

  private String qualified(TableName table) {
    return query.renderer().text(DSL.name(table.schema(), table.name()));
  }

  /**
   * Columns that the query compares with one value come first, then the keys as they are sorted.
   */
  private String list() {
    List<String> parts = new ArrayList<>();
    Set<String> keyColumns = new LinkedHashSet<>();
    columns.values().forEach(column -> keyColumns.add(column.name()));
    for (String column : equalColumns()) {
      if (!keyColumns.contains(column)) {
        parts.add(query.renderer().text(DSL.name(column)));
      }
    }
    for (SortKey key : query.keys()) {
      Relation.Column column = columns.get(key.label());
      String expression =
          column != null
              ? query.renderer().text(DSL.name(column.name()))
              : "(" + unqualified(query.renderer().text(key.field())) + ")";
      parts.add(expression + direction(key));
    }
    return String.join(", ", parts);
  }

  /** An index knows only columns of its own table. */
  private String unqualified(String expression) {
    return expression.replace(query.renderer().text(DSL.name(home.alias())) + ".", "");
  }

  private static String direction(SortKey key) {
    String direction = key.descending() ? " desc" : "";
    if (key.nullsFirst() == key.descending()) {
      return direction;
    }
    return direction + (key.nullsFirst() ? " nulls first" : " nulls last");
  }

  /** Columns of the home table that every row of the query has one value in. */
  private List<String> equalColumns() {
    List<String> equal = new ArrayList<>();
    for (Field<?> field : Filters.fixedColumns(query.base().select().$where())) {
      Relation.column(List.of(home), field).ifPresent(found -> equal.add(found.name()));
    }
    return equal;
  }

  /** For an index whose last columns are the keys by name: what about it does not fit. */
  Optional<String> whyNot(Relation.Index index) {
    List<SortKey> keys = query.keys();
    int offset = index.columns().size() - keys.size();
    if (offset < 0 || columns.size() < keys.size()) {
      return Optional.empty();
    }
    for (int k = 0; k < keys.size(); k++) {
      Relation.Column column = columns.get(keys.get(k).label());
      if (column == null
          || !Relation.unquoted(index.columns().get(offset + k)).equals(column.name())) {
        return Optional.empty();
      }
    }
    if (!index.valid()) {
      return Optional.of(
          "index %s has the right columns but is invalid (a CREATE INDEX CONCURRENTLY that failed?); drop it and create it again"
              .formatted(index.name()));
    }
    if (index.partial()) {
      return Optional.of(
          "index %s has the right columns but is partial; it serves only queries whose filter implies its predicate"
              .formatted(index.name()));
    }
    if (!index.options().subList(offset, index.options().size()).equals(options(keys))
        && !index
            .options()
            .subList(offset, index.options().size())
            .equals(options(flipped(keys)))) {
      return Optional.of(
          "index %s has the right columns, but not their directions and NULLs: an order of %s needs exactly these or all of them turned"
              .formatted(index.name(), query.describeOrder()));
    }
    if (index.otherOpclass().subList(offset, index.otherOpclass().size()).contains(true)) {
      return Optional.of(
          "index %s has the right columns, but with an operator class that does not sort as ORDER BY does"
              .formatted(index.name()));
    }
    return Optional.of(
        "index %s has the right columns; if its collation (%s) is not that of the order, or a filter stands in between, it cannot serve"
            .formatted(
                index.name(),
                index.collations().stream()
                    .filter(collation -> !collation.isEmpty())
                    .collect(Collectors.joining(", "))));
  }

  private static List<SortKey> flipped(List<SortKey> keys) {
    return keys.stream().map(SortKey::flipped).toList();
  }

  private static List<Integer> options(List<SortKey> keys) {
    return keys.stream()
        .map(key -> (key.descending() ? 1 : 0) | (key.nullsFirst() ? 2 : 0))
        .toList();
  }
}
