package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.TableName;
import dev.pgbelay.lock.witness.TableInfo.ForeignKey;
import dev.pgbelay.lock.witness.TableInfo.KeyColumn;
import dev.pgbelay.lock.witness.TableInfo.UniqueKey;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The tables of one database as they were when the catalog was read. Immutable. */
final class TableCatalog {
  static final TableCatalog EMPTY = new TableCatalog(Map.of(), Set.of(), 0);

  private final Map<String, List<Entry>> byName;
  private final Set<String> functions;
  private final long version;

  private record Entry(String schema, TableInfo info) {}

  private TableCatalog(Map<String, List<Entry>> byName, Set<String> functions, long version) {
    this.byName = byName;
    this.functions = functions;
    this.version = version;
  }

  long version() {
    return version;
  }

  /** Whether one of these names is a function that can lock. */
  boolean mayLock(Set<String> calls) {
    return !Collections.disjoint(calls, functions);
  }

  /**
   * The table that a name means; without a schema the one that the search path of the reading
   * session leads to, or the only one there is.
   */
  Optional<TableInfo> find(TableName name) {
    List<Entry> entries = byName.getOrDefault(name.name(), List.of());
    if (name.schema() != null) {
      return entries.stream()
          .filter(entry -> entry.schema().equals(name.schema()))
          .map(Entry::info)
          .findFirst();
    }
    Optional<TableInfo> inPath =
        entries.stream()
            .map(Entry::info)
            .filter(info -> info.pathPosition() < 10_000)
            .min(Comparator.comparingInt(TableInfo::pathPosition));
    return inPath.isPresent() || entries.size() != 1 ? inPath : Optional.of(entries.get(0).info());
  }

  static TableCatalog read(Connection connection, long version) throws SQLException {
    Map<Long, TableInfo> byOid = new HashMap<>();
    Map<Long, Long> roots = new HashMap<>();
    Map<String, List<Entry>> byName = new HashMap<>();
    Set<String> functions = new HashSet<>();
    try (Statement statement = connection.createStatement()) {
      try (ResultSet row = statement.executeQuery(CatalogSql.TABLES)) {
        while (row.next()) {
          String rootSchema = row.getString(6);
          String root = row.getString(7);
          TableInfo info =
              new TableInfo(
                  rootSchema.equals("public") ? root : rootSchema + "." + root,
                  row.getString(4),
                  row.getString(5).equals("t"),
                  row.getString(8),
                  row.getInt(9),
                  texts(row, 11));
          byOid.put(row.getLong(1), info);
          roots.put(row.getLong(1), row.getLong(10));
          byName
              .computeIfAbsent(row.getString(3), any -> new ArrayList<>())
              .add(new Entry(row.getString(2), info));
        }
      }
      try (ResultSet row = statement.executeQuery(CatalogSql.UNIQUE_KEYS)) {
        while (row.next()) {
          TableInfo info = byOid.get(row.getLong(1));
          if (info != null) {
            info.add(new UniqueKey(row.getBoolean(2), columns(row)));
          }
        }
      }
      try (ResultSet row = statement.executeQuery(CatalogSql.FOREIGN_KEYS)) {
        while (row.next()) {
          addForeignKey(row, byOid);
        }
      }
      try (ResultSet row = statement.executeQuery(CatalogSql.FUNCTIONS)) {
        while (row.next()) {
          functions.add(row.getString(1));
        }
      }
    }
    byOid.forEach(
        (oid, info) -> {
          TableInfo root = byOid.get(roots.get(oid));
          if (root != null && root != info) {
            info.inherit(root);
          }
        });
    return new TableCatalog(byName, functions, version);
  }

  private static List<KeyColumn> columns(ResultSet row) throws SQLException {
    List<String> names = texts(row, 3);
    List<String> types = texts(row, 4);
    List<String> collationSchemas = texts(row, 5);
    List<String> collations = texts(row, 6);
    List<KeyColumn> columns = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      columns.add(
          new KeyColumn(names.get(i), types.get(i), collationSchemas.get(i), collations.get(i)));
    }
    return columns;
  }

  private static void addForeignKey(ResultSet row, Map<Long, TableInfo> byOid) throws SQLException {
    TableInfo child = byOid.get(row.getLong(2));
    TableInfo parent = byOid.get(row.getLong(3));
    if (child != null && parent != null) {
      TableInfo.add(
          new ForeignKey(
              row.getString(1),
              child,
              parent,
              texts(row, 7),
              texts(row, 8),
              row.getString(4).charAt(0),
              row.getString(5).charAt(0),
              row.getBoolean(6)));
    }
  }

  private static List<String> texts(ResultSet row, int column) throws SQLException {
    return List.of((String[]) row.getArray(column).getArray());
  }
}
