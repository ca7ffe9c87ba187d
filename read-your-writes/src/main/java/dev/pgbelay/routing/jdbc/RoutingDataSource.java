package dev.pgbelay.routing.jdbc;

import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.routing.ReadOptions;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.logging.Logger;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * One {@code DataSource} for frameworks: a connection on which {@code setReadOnly(true)} was called
 * reads from a replica that has all that the session in scope wrote and saw, every other one works
 * on the primary.
 *
 * <p>A connection that was just handed out leads nowhere yet and holds nothing of a pool. Where it
 * leads is decided when its first statement is made, and anew for each transaction, or under
 * autocommit for each statement; a transaction is on one node from its first statement to its end.
 * What a transaction wrote, the session in scope sees from its {@code commit()} on, which tells its
 * position in its own round trip; under autocommit, from the statement on. The pools are those of
 * the {@link ReadYourWrites}: none is to be put on top.
 *
 * <p>Without a session in scope everything goes to the primary, unless {@link
 * Builder#replicasWithoutSession}. So do read-only transactions that are {@code SERIALIZABLE},
 * which replicas refuse.
 *
 * <p>A write on a connection that was declared read-only fails with SQLSTATE 25006 and a message
 * that says where that was declared; not under autocommit while the primary stands in for replicas,
 * where PostgreSQL lets it pass. No node that fits: {@code SQLTransientConnectionException}, its
 * cause a {@link dev.pgbelay.routing.RoutingException}; nothing was run. A COMMIT without answer:
 * SQLSTATE 08007, and the session reads from the primary until that is settled.
 *
 * <p>Making the first statement of a transaction blocks as {@link ReadYourWrites#read} and {@link
 * ReadYourWrites#write} do. Safe for several threads; each connection for one at a time, but for
 * {@code abort} and {@code cancel}.
 */
public final class RoutingDataSource implements DataSource {
  private final Setup setup;
  private final boolean readOnly;
  private final DeclaredAt declaredAt;

  /** What connections need to be routed. */
  record Setup(
      ReadYourWrites routing,
      Supplier<Optional<Session>> sessions,
      ReadOptions read,
      @Nullable Duration maxStaleness,
      boolean callSites) {

    Optional<Session> session() {
      return sessions.get();
    }

    DeclaredAt here() {
      return callSites ? DeclaredAt.here() : DeclaredAt.UNKNOWN;
    }
  }

  private RoutingDataSource(Setup setup, boolean readOnly, DeclaredAt declaredAt) {
    this.setup = setup;
    this.readOnly = readOnly;
    this.declaredAt = declaredAt;
  }

  /** With default options: sessions are those of {@link ScopedSession}. */
  public static RoutingDataSource of(ReadYourWrites routing) {
    return builder(routing).build();
  }

  /** For other options. */
  public static Builder builder(ReadYourWrites routing) {
    return new Builder(routing);
  }

  /**
   * The same, but its connections begin as if {@code setReadOnly(true)} had been called: for those
   * that never call it, such as jOOQ. What is written through it fails with the place of this call.
   */
  public RoutingDataSource readOnly() {
    return new RoutingDataSource(setup, true, setup.here());
  }

  /** One that leads nowhere yet; takes nothing from a pool, and does not block. */
  @Override
  public Connection getConnection() {
    ConnectionSettings settings = new ConnectionSettings();
    settings.readOnly(readOnly, declaredAt);
    return RoutedConnection.around(new ConnectionRoutes(setup, settings));
  }

  /**
   * Not supported: users are those of the pools.
   *
   * @throws SQLFeatureNotSupportedException always
   */
  @Override
  public Connection getConnection(String user, String password) throws SQLException {
    throw new SQLFeatureNotSupportedException(
        "connections are those of the nodes' pools: set the user there, and call getConnection()");
  }

  @Override
  public @Nullable PrintWriter getLogWriter() {
    return null;
  }

  @Override
  public void setLogWriter(@Nullable PrintWriter out) throws SQLException {
    throw new SQLFeatureNotSupportedException("what happens is logged by SLF4J");
  }

  @Override
  public void setLoginTimeout(int seconds) throws SQLException {
    throw new SQLFeatureNotSupportedException("set it on the pools of the nodes");
  }

  @Override
  public int getLoginTimeout() {
    return 0;
  }

  @Override
  public Logger getParentLogger() {
    return Logger.getLogger("dev.pgbelay.routing");
  }

  @Override
  public <T> T unwrap(Class<T> type) throws SQLException {
    if (type.isInstance(this)) {
      return type.cast(this);
    }
    throw new SQLException(
        "a RoutingDataSource is no " + type.getName() + ": it stands for several pools");
  }

  @Override
  public boolean isWrapperFor(Class<?> type) {
    return type.isInstance(this);
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final ReadYourWrites routing;
    private Supplier<Optional<Session>> sessions;
    private ReadOptions read = ReadOptions.defaults();
    private @Nullable Duration maxStaleness;
    private boolean callSites = true;

    private Builder(ReadYourWrites routing) {
      this.routing = routing;
      this.sessions = () -> ScopedSession.current(routing);
    }

    /**
     * Whose session a statement is of, where frameworks keep it elsewhere than {@link
     * ScopedSession}. Asked on the thread that makes or runs the statement; must not block.
     */
    public Builder sessions(Supplier<Optional<Session>> current) {
      this.sessions = current;
      return this;
    }

    /**
     * How long a read-only transaction waits for a replica, what happens when the primary is full,
     * and whether it stays on replicas. Settings of its transaction are the connection's, not
     * these.
     */
    public Builder read(ReadOptions options) {
      this.read = options;
      return this;
    }

    /**
     * Read-only work without a session goes to replicas that have everything committed longer ago
     * than that: 100 ms to 1 hour. It may see the past of any session.
     */
    public Builder replicasWithoutSession(Duration staleness) {
      OptionRange.require("maxStaleness", staleness, Duration.ofMillis(100), Duration.ofHours(1));
      this.maxStaleness = staleness;
      return this;
    }

    /** Spares the look at the stack when a connection is declared read-only. */
    public Builder withoutCallSites() {
      this.callSites = false;
      return this;
    }

    /** Sends nothing; the nodes were asked when the {@link ReadYourWrites} was started. */
    public RoutingDataSource build() {
      return new RoutingDataSource(
          new Setup(routing, sessions, read, maxStaleness, callSites), false, DeclaredAt.UNKNOWN);
    }
  }
}
