package dev.pgbelay.batch;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
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
        setPath(connection, CatalogSql.QUALIFYING_PATH);
        PgTable found =
            new PgTable(
                oid,
                row.getString(2),
                row.getString(3),
                row.getString(4),
                row.getInt(5),
                row.getBoolean(6),
                row.getBoolean(7),
                row.getInt(8),
                row.getInt(10),
                row.getLong(9),
                columns(connection, oid),
                uniqueIndexes(connection, oid));
        setPath(connection, row.getString(11));
        return found;
      }
    }
  }

  /** For this transaction; what fails in between rolls it back with the transaction. */
  private static void setPath(Connection connection, String path) throws SQLException {
    try (PreparedStatement set = connection.prepareStatement(CatalogSql.SET_PATH)) {
      set.setString(1, path);
      set.execute();
    }
  }

  /**
   * What a table is at this moment.
   *
   * @param oid 0 where there is none
   * @param began when the transaction did
   */
  record Look(long oid, long fingerprint, String began) {
    boolean isOf(PgTable table) {
      return table.oid() == oid && table.fingerprint() == fingerprint;
    }
  }

  /**
   * @param lock a statement that locks the table and does nothing else; empty for none
   */
  static Look look(Connection connection, String lock, String table) throws SQLException {
    try (PreparedStatement look = connection.prepareStatement(CatalogSql.look(lock))) {
      look.setString(1, table);
      boolean rows = look.execute();
      for (int i = 0; i < (lock.isEmpty() ? 0 : 3); i++) {
        rows = look.getMoreResults();
      }
      try (ResultSet row = rows ? look.getResultSet() : null) {
        return row != null && row.next()
            ? new Look(row.getLong(1), row.getLong(2), row.getString(3))
            : new Look(0, 0, "");
      }
    } catch (SQLException e) {
      if (!lock.isEmpty()) {
        undoLook(connection, e);
      }
      throw e;
    }
  }

  private static void undoLook(Connection connection, SQLException failure) {
    try (Statement undo = connection.createStatement()) {
      undo.execute(CatalogSql.UNDO_LOOK);
    } catch (SQLException e) {
      failure.addSuppressed(e);
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
                  row.getBoolean(5),
                  row.getString(6),
                  elements(row.getArray(7), Integer[].class),
                  elements(row.getArray(8), String[].class),
                  elements(row.getArray(9), String[].class),
                  elements(row.getArray(10), Integer[].class)));
        }
      }
    }
    return indexes;
  }

  private static <T> List<T> elements(Array array, Class<T[]> type) throws SQLException {
    return Arrays.asList(type.cast(array.getArray()));
  }
}
