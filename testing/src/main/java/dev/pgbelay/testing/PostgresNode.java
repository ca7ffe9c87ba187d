package dev.pgbelay.testing;

import java.net.InetSocketAddress;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One server of a {@link PostgresCluster}. Connections it hands out are the caller's to close. Safe
 * for use by several threads; a control blocks until the server has done what was asked, and throws
 * {@link ClusterException} when it does not, or {@link UnsupportedControlException} when the mode
 * the tests run in does not offer it.
 */
public final class PostgresNode {
  private static final Duration CONTROL_LIMIT = Duration.ofSeconds(30);

  private final PostgresCluster cluster;
  private final String name;
  private final Server server;
  private final @Nullable FaultProxy upstream;

  PostgresNode(PostgresCluster cluster, String name, Server server, @Nullable FaultProxy upstream) {
    this.cluster = cluster;
    this.name = name;
    this.server = server;
    this.upstream = upstream;
  }

  Server server() {
    return server;
  }

  /**
   * The node's name in its cluster: {@code primary}, {@code replica1}, … It is also a replica's
   * application_name and the name of its replication slot.
   */
  public String name() {
    return name;
  }

  /** A URL that needs neither user nor password beside it. */
  public String jdbcUrl(String database) {
    return server.jdbcUrl(server.address(), database);
  }

  /** A URL of the database that exists without anybody creating it. */
  public String jdbcUrl() {
    return jdbcUrl(server.maintenanceDatabase());
  }

  /** Where the server listens. */
  public InetSocketAddress address() {
    return server.address();
  }

  String jdbcUrl(InetSocketAddress through, String database) {
    return server.jdbcUrl(through, database);
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
    return Integer.parseInt(ask(NodeSql.SHOW_MAJOR));
  }

  /** Whether the server follows another and refuses writes. */
  public boolean isReplica() {
    return ask(NodeSql.IS_REPLICA).equals("t");
  }

  /** The timeline the server writes, or receives as a replica; each promotion starts the next. */
  public int timeline() {
    return Integer.parseInt(ask(NodeSql.SHOW_TIMELINE));
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

  /**
   * Stops all of the server's processes where they stand (SIGSTOP): connections stay open, nothing
   * answers. {@link #resume} lets them go on.
   */
  public void suspend() {
    server.suspend();
  }

  /** Ends {@link #suspend}. */
  public void resume() {
    server.resume();
  }

  /**
   * Makes this replica a primary; on return it accepts writes, and {@link
   * PostgresCluster#primary()} is this node. The old primary is left as it is: crash it before for
   * a fail-over that loses what was not replicated. Other replicas go on following the old one.
   */
  public void promote() {
    server.requireControl("promote");
    if (!ask(NodeSql.PROMOTE).equals("t")) {
      throw new ClusterException(name + " was not promoted. Its log says:\n" + logTail(20));
    }
    cluster.promoted(this);
  }

  /** Stops replay on this replica; the log still arrives. Returns when replay stands still. */
  public void pauseReplay() {
    server.requireControl("pauseReplay");
    ask(NodeSql.PAUSE_REPLAY);
    awaitControl("pause replay", () -> ask(NodeSql.SHOW_REPLAY_STATE).equals("paused"));
  }

  /** Lets replay go on; does not wait until it has caught up. */
  public void resumeReplay() {
    server.requireControl("resumeReplay");
    ask(NodeSql.RESUME_REPLAY);
    awaitControl("resume replay", () -> ask(NodeSql.SHOW_REPLAY_STATE).equals("not paused"));
  }

  /**
   * Makes this replica apply commits so long after they happened on the primary; zero ends it.
   * PostgreSQL's recovery_min_apply_delay, in milliseconds.
   */
  public void lag(Duration delay) {
    if (delay.isNegative()) {
      throw new IllegalArgumentException("a lag cannot be negative: " + delay);
    }
    configure("recovery_min_apply_delay", delay.toMillis() + "ms");
  }

  /**
   * Waits until this replica has replayed all that the primary had written when this was called.
   */
  public void awaitCaughtUp() {
    String position = cluster.primary().ask(NodeSql.SHOW_POSITION);
    awaitControl("reach " + position, () -> hasReplayed(position));
  }

  private boolean hasReplayed(String position) {
    try (Connection connection = connect();
        PreparedStatement statement = connection.prepareStatement(NodeSql.HAS_REPLAYED)) {
      statement.setString(1, position);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return rows.getBoolean(1);
      }
    } catch (SQLException e) {
      throw new ClusterException(name + " does not answer", e);
    }
  }

  /** The proxy between this replica and its primary, if the cluster was built with such. */
  public Optional<FaultProxy> upstreamProxy() {
    return Optional.ofNullable(upstream);
  }

  /**
   * Changes a setting of the running server (ALTER SYSTEM and reload) and returns when new sessions
   * have it. {@code synchronous_standby_names} is set this way.
   *
   * @throws ClusterException if the setting is refused or needs a restart
   */
  public void configure(String setting, String value) {
    server.requireControl("configure");
    PostgresCluster.requireSettingName(setting);
    String loaded = ask(NodeSql.SHOW_LOAD_TIME);
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute(NodeSql.CONFIGURE.formatted(setting, statement.enquoteLiteral(value)));
      statement.execute(NodeSql.RELOAD);
      awaitControl("take on " + setting, () -> !ask(NodeSql.SHOW_LOAD_TIME).equals(loaded));
      String refusal = refusal(connection, setting);
      if (refusal != null) {
        statement.execute(NodeSql.RESET_CONFIGURATION.formatted(setting));
        statement.execute(NodeSql.RELOAD);
        throw new ClusterException(name + " cannot take on " + setting + ": " + refusal);
      }
    } catch (SQLException e) {
      throw new ClusterException(name + " refuses " + setting + " = '" + value + "'", e);
    }
  }

  private static @Nullable String refusal(Connection connection, String setting)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(NodeSql.FIND_REFUSAL)) {
      statement.setString(1, setting);
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() ? rows.getString(1) : null;
      }
    }
  }

  /** Ends all other sessions with this application_name and returns how many there were. */
  public int terminate(String applicationName) {
    try (Connection connection = connect();
        PreparedStatement statement =
            connection.prepareStatement(NodeSql.TERMINATE_BY_APPLICATION)) {
      statement.setString(1, applicationName);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return rows.getInt(1);
      }
    } catch (SQLException e) {
      throw new ClusterException("cannot terminate sessions on " + name, e);
    }
  }

  /** Ends the session with this process; true when it has ended. */
  public boolean terminate(int pid) {
    try (Connection connection = connect();
        PreparedStatement statement = connection.prepareStatement(NodeSql.TERMINATE_BY_PID)) {
      statement.setInt(1, pid);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return rows.getBoolean(1);
      }
    } catch (SQLException e) {
      throw new ClusterException("cannot terminate session " + pid + " on " + name, e);
    }
  }

  /**
   * Opens a session with a transaction that stays open, with a snapshot, after these statements.
   */
  public HeldTransaction holdTransaction(String database, String... statements)
      throws SQLException {
    return HeldTransaction.begin(connect(database), statements);
  }

  private interface Condition {
    boolean holds();
  }

  private void awaitControl(String what, Condition condition) {
    long deadline = System.nanoTime() + CONTROL_LIMIT.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() > deadline) {
        throw new ClusterException(
            name
                + " did not "
                + what
                + " within "
                + CONTROL_LIMIT
                + ". Its log says:\n"
                + logTail(20));
      }
      try {
        TimeUnit.MILLISECONDS.sleep(3);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new ClusterException("interrupted while " + name + " was to " + what, e);
      }
    }
  }

  private String ask(String sql) {
    try (Connection connection = connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return String.valueOf(rows.getString(1));
    } catch (SQLException e) {
      throw new ClusterException(name + " does not do what was asked: " + e.getMessage(), e);
    }
  }

  @Override
  public String toString() {
    return "PostgresNode[" + name + "]";
  }
}
