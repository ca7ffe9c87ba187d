package dev.pgbelay.testing;

import java.net.InetSocketAddress;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * One server of a {@link PostgresCluster}. Connections it hands out are the caller's to close. Safe
 * for use by several threads; a control blocks until the server has done what was asked, and throws
 * {@link ClusterException} when it does not, or {@link UnsupportedControlException} when the mode
 * the tests run in does not offer it.
 */
public final class PostgresNode {
  private final String name;
  private final Server server;

  PostgresNode(String name, Server server) {
    this.name = name;
    this.server = server;
  }

  /** The node's name in its cluster, such as {@code primary}. */
  public String name() {
    return name;
  }

  /** A URL that needs neither user nor password beside it. */
  public String jdbcUrl(String database) {
    return server.jdbcUrl(server.address(), database);
  }

  /** Where the server listens. */
  public InetSocketAddress address() {
    return server.address();
  }

  String jdbcUrl(InetSocketAddress through, String database) {
    return server.jdbcUrl(through, database);
  }

  /** A URL of the database that exists without anybody creating it. */
  public String jdbcUrl() {
    return jdbcUrl(server.maintenanceDatabase());
  }

  /**
   * A new connection of the driver's own, outside every pool and not watched by observers, as the
   * user that owns the server.
   */
  public Connection connect(String database) throws SQLException {
    return DriverManager.getConnection(jdbcUrl(database));
  }

  /** A new connection to the database that exists without anybody creating it. */
  public Connection connect() throws SQLException {
    return connect(server.maintenanceDatabase());
  }

  /** The major version that answers, asked of the server. */
  public int majorVersion() {
    try (Connection connection = connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(NodeSql.SHOW_MAJOR)) {
      rows.next();
      return rows.getInt(1);
    } catch (SQLException e) {
      throw new ClusterException("node " + name + " does not answer", e);
    }
  }

  /** The last lines of the server's log; empty where this JVM cannot read it. */
  public String logTail(int lines) {
    return server.logTail(lines);
  }

  /**
   * Kills the postmaster and every process of it at once (SIGKILL): sessions end without a word,
   * and what was committed is found again by crash recovery at {@link #restart}. The machine's own
   * caches survive, so this is the crash of a server, not of its host.
   */
  public void crash() {
    server.crash();
  }

  /** Ends all sessions and stops the server in an orderly way ("fast" shutdown). */
  public void stop() {
    server.stop();
  }

  /** Starts a crashed or stopped server again: same data directory, same port. */
  public void restart() {
    server.start();
  }

  @Override
  public String toString() {
    return "PostgresNode[" + name + "]";
  }
}
