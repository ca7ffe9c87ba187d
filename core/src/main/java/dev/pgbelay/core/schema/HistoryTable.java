package dev.pgbelay.core.schema;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** The table that says which scripts a schema has seen. */
final class HistoryTable {
  private final SchemaName schema;

  HistoryTable(SchemaName schema) {
    this.schema = schema;
  }

  void record(Connection connection, SchemaScript script) throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement(schema.render(SchemaSql.RECORD_SCRIPT))) {
      insert.setString(1, script.module());
      insert.setInt(2, script.number());
      insert.setString(3, script.name());
      insert.setString(4, script.checksum());
      insert.executeUpdate();
    }
  }

  record Existing(boolean schema, boolean history) {}

  Existing existing(Connection connection) throws SQLException {
    try (PreparedStatement find = connection.prepareStatement(SchemaSql.FIND_HISTORY)) {
      find.setString(1, schema.value());
      find.setString(2, schema.value());
      try (ResultSet row = find.executeQuery()) {
        row.next();
        return new Existing(row.getBoolean(1), row.getBoolean(2));
      }
    }
  }

  List<SchemaHistory.Entry> entries(Connection connection, List<SchemaScript> scripts)
      throws SQLException {
    List<SchemaHistory.Entry> entries = new ArrayList<>();
    Array modules =
        connection.createArrayOf(
            "text", scripts.stream().map(SchemaScript::module).distinct().toArray());
    try (PreparedStatement read =
        connection.prepareStatement(schema.render(SchemaSql.READ_HISTORY))) {
      read.setArray(1, modules);
      try (ResultSet row = read.executeQuery()) {
        while (row.next()) {
          entries.add(
              new SchemaHistory.Entry(
                  row.getString(1), row.getInt(2), row.getString(3), row.getString(4)));
        }
      }
    }
    return entries;
  }
}
