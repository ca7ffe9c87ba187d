package dev.pgbelay.routing.pool;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.DatabaseNode;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** Asks each node once whether it accepts writes. */
final class FirstRoles {
  private FirstRoles() {}

  static DatabaseNode primary(List<DatabaseNode> nodes) {
    List<DatabaseNode> writable = new ArrayList<>();
    List<String> replicas = new ArrayList<>();
    for (DatabaseNode node : nodes) {
      if (isRecovering(node)) {
        replicas.add(node.name());
      } else {
        writable.add(node);
      }
    }
    if (writable.size() == 1) {
      return writable.get(0);
    }
    if (writable.isEmpty()) {
      throw new PgBelayException(
          "nodes " + replicas + " are replicas all: name their primary as well, or promote one");
    }
    throw new PgBelayException(
        "nodes "
            + writable.stream().map(DatabaseNode::name).toList()
            + " accept writes all: each cluster takes NodePools of its own, and one that was left"
            + " behind in a fail-over has to be rebuilt first");
  }

  private static boolean isRecovering(DatabaseNode node) {
    try (Connection connection = node.probes().getConnection();
        Statement ask = connection.createStatement();
        ResultSet row = ask.executeQuery(RoleSql.IS_RECOVERING)) {
      row.next();
      return row.getBoolean(1);
    } catch (SQLException e) {
      throw new PgBelayException(
          "node '" + node.name() + "' does not say whether it is the primary: " + e.getMessage(),
          e);
    }
  }
}
