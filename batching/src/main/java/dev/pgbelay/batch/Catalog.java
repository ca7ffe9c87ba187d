package dev.pgbelay.batch;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads {@link PgTable}s. */
final class Catalog {
  private Catalog() {}

  static PgTable read(Connection connection, String table) throws SQLException {
    try (PreparedStatement find = connection.prepareStatement(CatalogSql.FIND_TABLE)) {
      find.setString(1, table);
      try (ResultSet row = find.executeQuery()) {
        if (!row.next()) {
          throw BatchException.contract(
              "table " + table + " does not exist, or is not on the search_path; qualify it");
        }
        long oid = row.getLong(1);
        return new PgTable(
            oid,
            row.getString(2),
            row.getString(3),
            row.getString(4),
            row.getBoolean(5),
            row.getBoolean(6),
            row.getBoolean(7),
            row.getInt(8),
            row.getInt(9),
            columns(connection, oid),
            uniqueIndexes(connection, oid));
      }
    }
  }

  /** 0 where there is no such table. */
  static long oid(Connection connection, String table) throws SQLException {
    try (PreparedStatement resolve = connection.prepareStatement(CatalogSql.RESOLVE_TABLE)) {
      resolve.setString(1, table);
      try (ResultSet row = resolve.executeQuery()) {
        row.next();
        return row.getLong(1);
      }
    }
  }

  /** Whether COPY into these columns would do what INSERT does, as things are now. */
  static boolean allowsCopy(Connection connection, String table, List<String> columns)
      throws SQLException {
    try (PreparedStatement check = connection.prepareStatement(CatalogSql.CHECK_COPY)) {
      check.setArray(1, connection.createArrayOf("text", columns.toArray()));
      check.setString(2, table);
      try (ResultSet row = check.executeQuery()) {
        return row.next() && !row.getBoolean(1) && !row.getBoolean(2) && !row.getBoolean(3);
      }
    }
  }

  private static Map<String, PgColumn> columns(Connection connection, long oid)
      throws SQLException {
    Map<String, PgColumn> columns = new LinkedHashMap<>();
    try (PreparedStatement list = connection.prepareStatement(CatalogSql.LIST_COLUMNS)) {
      list.setLong(1, oid);
      list.setLong(2, oid);
      try (ResultSet row = list.executeQuery()) {
        while (row.next()) {
          columns.put(
              row.getString(1),
              new PgColumn(
                  row.getString(1),
                  row.getInt(2),
                  row.getBoolean(3),
                  row.getString(4).strip(),
                  !row.getString(5).isBlank(),
                  row.getString(6),
                  row.getString(7),
                  row.getString(8),
                  row.getBoolean(9),
                  row.getInt(10),
                  row.getString(11),
                  row.getString(12)));
        }
      }
    }
    return columns;
  }

  private static List<UniqueIndex> uniqueIndexes(Connection connection, long oid)
      throws SQLException {
    List<UniqueIndex> indexes = new ArrayList<>();
    try (PreparedStatement list = connection.prepareStatement(CatalogSql.LIST_UNIQUE_INDEXES)) {
      list.setLong(1, oid);
      try (ResultSet row = list.executeQuery()) {
        while (row.next()) {
          indexes.add(
              new UniqueIndex(
                  row.getString(1),
                  row.getBoolean(2),
                  row.getBoolean(3),
                  row.getBoolean(4),
                  row.getString(5),
                  elements(row.getArray(6), Integer[].class),
                  elements(row.getArray(7), String[].class),
                  elements(row.getArray(8), String[].class)));
        }
      }
    }
    return indexes;
  }

  private static <T> List<T> elements(Array array, Class<T[]> type) throws SQLException {
    return Arrays.asList(type.cast(array.getArray()));
  }
}
