package dev.pgbelay.routing.jdbc;

import dev.pgbelay.routing.NodeConnections;
import dev.pgbelay.routing.NodeConnections.Lent;
import dev.pgbelay.routing.RoutingException;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.jdbc.ConnectionSettings.Setting;
import dev.pgbelay.routing.jdbc.RoutingDataSource.Setup;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * Where one connection leads: from the first statement of a transaction to its end to one node.
 * Used by one thread at a time, but for {@link #abort}.
 */
final class ConnectionRoutes {
  private final Setup setup;
  private final ConnectionSettings settings;

  /** Those of before, on which statements are still open. */
  private final List<OpenRoute> left = new CopyOnWriteArrayList<>();

  /** Those for whom statements of the transaction were run. */
  private final Set<Session> parties = new LinkedHashSet<>(2);

  private volatile @Nullable OpenRoute current;
  private volatile boolean closed;
  private @Nullable Session first;
  private boolean begun;
  private boolean driverHandedOut;

  ConnectionRoutes(Setup setup, ConnectionSettings settings) {
    this.setup = setup;
    this.settings = settings;
  }

  ConnectionSettings settings() {
    return settings;
  }

  boolean isClosed() {
    OpenRoute now = current;
    return closed || (begun && now != null && now.lent().isLost());
  }

  void requireOpen() throws SQLException {
    if (closed) {
      throw new SQLNonTransientConnectionException("this connection has been closed", "08003");
    }
  }

  @Nullable OpenRoute currentOrNull() {
    return current;
  }

  /** For what is sent next: the transaction's, or a newly chosen one. */
  OpenRoute route() throws SQLException {
    requireOpen();
    noticeOfDriver();
    OpenRoute now = current;
    if (now != null) {
      if (begun || driverHandedOut || mayStay(now)) {
        return now;
      }
      leave(now);
    }
    OpenRoute next = open();
    current = next;
    if (closed) {
      // Aborted meanwhile, by a thread that did not see it yet.
      next.giveBack();
    }
    requireOpen();
    return next;
  }

  private boolean mayStay(OpenRoute now) {
    return now.isAsSet(settings)
        && now.fits(setup.session())
        && (now.hasStatements() || !now.isSubstitute());
  }

  private void leave(OpenRoute now) {
    current = null;
    if (now.hasStatements()) {
      left.add(now);
    } else {
      now.giveBack();
    }
  }

  private OpenRoute open() throws SQLException {
    Optional<Session> session = setup.session();
    NodeConnections nodes = setup.routing().connections();
    Duration staleness = setup.maxStaleness();
    Lent lent;
    try {
      if (settings.wantsReplica() && session.isPresent()) {
        lent = nodes.forRead(session.get(), setup.read());
      } else if (settings.wantsReplica() && staleness != null) {
        lent = nodes.forAnyReplica(staleness, setup.read());
      } else {
        lent = nodes.forWrite();
      }
    } catch (RoutingException e) {
      throw new SQLTransientConnectionException(e.getMessage(), "08001", e);
    }
    OpenRoute route = new OpenRoute(lent, settings, session.isPresent());
    try {
      settings.applyTo(route);
      return route;
    } catch (SQLException | RuntimeException e) {
      route.giveBack();
      throw e;
    }
  }

  /** The statement that is about to run may do so there. */
  void before(OpenRoute route) throws SQLException {
    requireOpen();
    if (route != current && !left.contains(route)) {
      throw Refusals.elsewhere(route, "its connection has left that node since");
    }
    noticeOfDriver();
    Optional<Session> session = setup.session();
    if (begun) {
      requireSameTransaction(route, session);
    } else {
      requireFit(route, session);
      parties.clear();
      first = session.orElse(null);
      route.lent().begins(session);
    }
    session.ifPresent(parties::add);
  }

  private void requireSameTransaction(OpenRoute route, Optional<Session> session)
      throws SQLException {
    if (route != current) {
      throw Refusals.elsewhere(route, "a transaction is open on another node");
    }
    if (route.lent().isOfReplica() && session.isPresent() && session.get() != first) {
      throw Refusals.ofAnotherSession(route);
    }
  }

  private void requireFit(OpenRoute route, Optional<Session> session) throws SQLException {
    if (driverHandedOut && route == current && !route.lent().isOfReplica()) {
      return;
    }
    if (!route.isAsSet(settings) || (route != current && !settings.isAutoCommit())) {
      throw Refusals.elsewhere(route, "settings of its connection were changed since");
    }
    if (!route.mayBegin(session)) {
      throw Refusals.elsewhere(
          route,
          route.lent().isOfReplica()
              ? "that node is not known to have all that the session wrote and saw since"
              : "that node is not known to be the primary any more");
    }
  }

  /** It has run there, or failed; says what to throw for a failure. */
  @Nullable Throwable after(OpenRoute route, @Nullable Throwable failure) {
    boolean lost = route.lent().isLost();
    begun = lost ? begun || !settings.isAutoCommit() : route == current && route.isInTransaction();
    boolean mayHaveWritten = lost && !route.lent().isOfReplica() && !route.isReadOnly();
    for (Session session : parties) {
      route.lent().shown(session);
      if (mayHaveWritten) {
        route.lent().mayHaveCommitted(session);
      }
    }
    return failure instanceof SQLException refused
            && route.isReadOnly()
            && Refusals.READ_ONLY.equals(refused.getSQLState())
        ? Refusals.writeWhereReadOnly(refused, route, settings.declaredAt())
        : failure;
  }

  /** What was sent past this connection, by whoever has the driver's. */
  private void noticeOfDriver() {
    OpenRoute now = current;
    if (driverHandedOut && now != null && !now.lent().isLost()) {
      begun = now.isInTransaction();
      setup.session().ifPresent(now.lent()::shown);
    }
  }

  /** From now on it leads nowhere else: somebody has the driver's connection. */
  void driverHandedOut() {
    driverHandedOut = true;
  }

  void statementClosed(OpenRoute route) {
    route.statementClosed();
    if (!route.hasStatements() && left.remove(route)) {
      route.giveBack();
    }
  }

  void set(String name, @Nullable Object value, Setting setting) throws SQLException {
    requireOpen();
    OpenRoute now = current;
    if (now != null && !now.lent().isLost()) {
      now.apply(name, setting);
      begun = now.isInTransaction();
    }
    settings.set(name, value, setting);
  }

  void setReadOnly(boolean on) throws SQLException {
    requireOpen();
    noticeOfDriver();
    if (on == settings.isReadOnly()) {
      return;
    }
    if (begun || (driverHandedOut && current != null)) {
      throw Refusals.readOnlyIsFixed(begun);
    }
    settings.readOnly(on, on ? setup.here() : DeclaredAt.UNKNOWN);
  }

  void setAutoCommit(boolean on) throws SQLException {
    requireOpen();
    if (on == settings.isAutoCommit()) {
      return;
    }
    if (on) {
      commitIfBegun();
    }
    OpenRoute now = current;
    if (now != null && !now.lent().isLost()) {
      now.connection().setAutoCommit(on);
    }
    settings.autoCommit(on);
  }

  void commit() throws SQLException {
    requireTransaction("commit");
    commitIfBegun();
  }

  private void commitIfBegun() throws SQLException {
    noticeOfDriver();
    OpenRoute now = current;
    if (now == null || !begun) {
      return;
    }
    setup.session().ifPresent(parties::add);
    begun = false;
    if (now.isReadOnly() || now.lent().isOfReplica()) {
      now.connection().commit();
    } else {
      now.lent().commit(parties);
    }
  }

  void rollback() throws SQLException {
    requireTransaction("rollback");
    noticeOfDriver();
    OpenRoute now = current;
    if (now != null && begun) {
      begun = false;
      now.connection().rollback();
    }
  }

  private void requireTransaction(String operation) throws SQLException {
    requireOpen();
    if (settings.isAutoCommit()) {
      throw Refusals.noTransaction(operation);
    }
  }

  void close() {
    if (closed) {
      return;
    }
    noticeOfDriver();
    closed = true;
    forget(false, Runnable::run);
  }

  /** Also from another thread. */
  void abort(Executor executor) {
    closed = true;
    forget(true, executor);
  }

  private void forget(boolean aborts, Executor executor) {
    OpenRoute now = current;
    if (now != null) {
      left.add(now);
    }
    for (OpenRoute route : left) {
      if (aborts) {
        route.abort(executor);
        route.lent().giveBack();
      } else {
        route.giveBack();
      }
    }
  }
}
