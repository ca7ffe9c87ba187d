package dev.pgbelay.routing;

import dev.pgbelay.routing.RouteDecision.Reason;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;
import org.awaitility.Awaitility;

/** What tests do through connections of a routing {@code DataSource}. */
final class RoutedJdbc {
  private RoutedJdbc() {}

  interface Work<T> {
    T on(Connection connection) throws SQLException;
  }

  static Connection begin(DataSource source, boolean readOnly) throws SQLException {
    Connection connection = source.getConnection();
    connection.setReadOnly(readOnly);
    connection.setAutoCommit(false);
    return connection;
  }

  static <T> T inTransaction(DataSource source, boolean readOnly, Work<T> work)
      throws SQLException {
    try (Connection connection = begin(source, readOnly)) {
      T value = work.on(connection);
      connection.commit();
      return value;
    }
  }

  static int rename(DataSource source, int id, String name) throws SQLException {
    return inTransaction(source, false, connection -> rename(connection, id, name));
  }

  static int rename(Connection connection, int id, String name) throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement("UPDATE profile SET name = ? WHERE id = ?")) {
      update.setString(1, name);
      update.setInt(2, id);
      return update.executeUpdate();
    }
  }

  static String name(DataSource source, int id) throws SQLException {
    return inTransaction(source, true, connection -> name(connection, id));
  }

  static String name(Connection connection, int id) throws SQLException {
    try (PreparedStatement select =
        connection.prepareStatement("SELECT name FROM profile WHERE id = ?")) {
      select.setInt(1, id);
      return only(select);
    }
  }

  static String only(PreparedStatement select) throws SQLException {
    try (ResultSet row = select.executeQuery()) {
      row.next();
      return row.getString(1);
    }
  }

  static String value(Connection connection, String sql) throws SQLException {
    try (Statement select = connection.createStatement();
        ResultSet row = select.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  static boolean isOnReplica(Connection connection) throws SQLException {
    return value(connection, "SELECT pg_is_in_recovery()").equals("t");
  }

  static Reason reason(Session session) {
    return session.lastDecision().orElseThrow().reason();
  }

  static String node(Session session) {
    return session.lastDecision().orElseThrow().node();
  }

  /** A replica that trails at the start counts as lagging until the next probes. */
  static void awaitReplicas(ReadYourWrites db) {
    Awaitility.await()
        .until(() -> db.nodes().stream().noneMatch(node -> node.role() == NodeState.Role.LAGGING));
  }

  static int borrowed(ReadYourWrites db) {
    return db.nodes().stream().mapToInt(NodeState::readsUnderWay).sum();
  }
}
