package dev.pgbelay.core.schema;

import static dev.pgbelay.core.schema.DdlException.Reason.INVALID_STATEMENT;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jooq.Name;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** What the server's catalogue says of a table and of the relations that bear an index's name. */
final class IndexCatalog {
  private static final String PARTITIONED = "p";

  private IndexCatalog() {}

  record Table(long oid, String schema, String name) {
    String quoted() {
      return IndexCatalog.quoted(schema, name);
    }
  }

  /** A relation of the wanted name; {@code tableOid} is 0 where it is not an index. */
  record Index(long oid, long tableOid, boolean valid, String definition) {}

  static Table findTable(Connection connection, IndexStatement wanted) throws SQLException {
    try (PreparedStatement find = connection.prepareStatement(IndexSql.FIND_TABLE)) {
      find.setString(1, wanted.table());
      try (ResultSet row = find.executeQuery()) {
        if (!row.next()) {
          throw new DdlException(
              INVALID_STATEMENT,
              "Table "
                  + wanted.table()
                  + " is not there (for this role's search_path): name it with its schema");
        }
        if (row.getString(2).equals(PARTITIONED)) {
          throw new DdlException(
              INVALID_STATEMENT,
              "Table "
                  + wanted.table()
                  + " is partitioned, and PostgreSQL builds no index on it concurrently: create it ON ONLY the"
                  + " table, build one on each partition with createIndexConcurrently, then attach them");
        }
        return new Table(row.getLong(1), row.getString(3), row.getString(4));
      }
    }
  }

  static Optional<Index> findIndex(Connection connection, Table table, String name)
      throws SQLException {
    try (PreparedStatement find = connection.prepareStatement(IndexSql.FIND_INDEX)) {
      find.setString(1, table.schema());
      find.setString(2, name);
      try (ResultSet row = find.executeQuery()) {
        if (!row.next()) {
          return Optional.empty();
        }
        String definition = row.getString(4);
        return Optional.of(
            new Index(
                row.getLong(1),
                row.getLong(2),
                row.getBoolean(3),
                definition == null ? "" : definition));
      }
    }
  }

  static List<String> findSetAside(Connection connection, Table table) throws SQLException {
    List<String> names = new ArrayList<>();
    try (PreparedStatement find = connection.prepareStatement(IndexSql.FIND_SET_ASIDE)) {
      find.setLong(1, table.oid());
      try (ResultSet row = find.executeQuery()) {
        while (row.next()) {
          names.add(row.getString(1));
        }
      }
    }
    return names;
  }

  static String quoted(String... parts) {
    Name name = DSL.quotedName(parts);
    return DSL.using(SQLDialect.POSTGRES).render(name);
  }
}
