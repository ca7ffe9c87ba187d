package dev.pgbelay.testing;

import dev.pgbelay.core.PgBelayException;
import java.net.InetSocketAddress;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One server of a {@link PostgresCluster}. Connections it hands out are the caller's to close. Safe
 * for use by several threads; a control blocks until the server has done what was asked, and throws
 * {@link ClusterException} when it does not, or {@link UnsupportedControlException} when the mode
 * the tests run in does not offer it.
 */
public final class PostgresNode {
  private final PostgresCluster cluster;
  private final String name;
  private final Server server;
  private final @Nullable FaultProxy upstream;
  private final NodeQuestions questions = new NodeQuestions(this);

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
    return Integer.parseInt(questions.ask(NodeSql.SHOW_MAJOR));
  }

  /** Whether the server follows another and refuses writes. */
  public boolean isReplica() {
    return questions.ask(NodeSql.IS_REPLICA).equals("t");
  }

  /** The timeline the server writes, or receives as a replica; each promotion starts the next. */
  public int timeline() {
    return Integer.parseInt(questions.ask(NodeSql.SHOW_TIMELINE));
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
    questions.ask(NodeSql.PROMOTE);
    questions.await("be promoted", () -> !isReplica());
    cluster.promoted(this);
  }

  /** Stops replay on this replica; the log still arrives. Returns when replay stands still. */
  public void pauseReplay() {
    server.requireControl("pauseReplay");
    questions.ask(NodeSql.PAUSE_REPLAY);
    questions.await(
        "pause replay", () -> questions.ask(NodeSql.SHOW_REPLAY_STATE).equals("paused"));
  }

  /** Lets replay go on; does not wait until it has caught up. */
  public void resumeReplay() {
    server.requireControl("resumeReplay");
    questions.ask(NodeSql.RESUME_REPLAY);
    questions.await(
        "resume replay", () -> questions.ask(NodeSql.SHOW_REPLAY_STATE).equals("not paused"));
  }

  /**
   * Makes this replica apply commits so long after they happened on the primary; zero ends it.
   * PostgreSQL's recovery_min_apply_delay, in milliseconds.
   */
  public void lag(Duration delay) {
    if (delay.isNegative()) {
      throw new PgBelayException("a lag cannot be negative: " + delay);
    }
    configure("recovery_min_apply_delay", delay.toMillis() + "ms");
  }

  /**
   * Waits until this replica has replayed all that the primary had written when this was called.
   */
  public void awaitCaughtUp() {
    String position = cluster.primary().questions.ask(NodeSql.SHOW_POSITION);
    questions.await(
        "reach " + position, () -> questions.ask(NodeSql.HAS_REPLAYED, position).equals("t"));
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
    questions.configure(setting, value);
  }

  /** Ends all other sessions with this application_name and returns how many there were. */
  public int terminate(String applicationName) {
    return Integer.parseInt(questions.askOnce(NodeSql.TERMINATE_BY_APPLICATION, applicationName));
  }

  /** What {@link #terminate(int)} found. */
  public enum Termination {
    /** The session was there and has ended. */
    ENDED,
    /** No session has this process: it had ended before, or never was. */
    NO_SUCH_SESSION
  }

  /**
   * Ends the session with this process, and returns when it has ended.
   *
   * @throws ClusterException if it does not end within 10 seconds
   */
  public Termination terminate(int pid) {
    String answer = questions.askOnce(NodeSql.TERMINATE_BY_PID, Integer.toString(pid));
    if (answer.equals("STAYS")) {
      throw new ClusterException(name + ": session " + pid + " does not end within 10 seconds");
    }
    return Termination.valueOf(answer);
  }

  /**
   * Opens a session with a transaction that stays open, with a snapshot, after these statements.
   */
  public HeldTransaction holdTransaction(String database, String... statements)
      throws SQLException {
    return HeldTransaction.begin(connect(database), statements);
  }

  @Override
  public String toString() {
    return "PostgresNode[" + name + "]";
  }
}
