package dev.pgbelay.routing.jdbc;

import dev.pgbelay.routing.NodeConnections.Lent;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.jdbc.ConnectionSettings.Action;
import dev.pgbelay.routing.jdbc.ConnectionSettings.Setting;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A pool's connection that another one stands for. Used by one thread at a time, but for abort. */
final class OpenRoute {
  private static final Logger LOG = LoggerFactory.getLogger(OpenRoute.class);

  private final Lent lent;
  private final boolean readOnly;
  private final boolean wantedReplica;
  private final boolean ofSession;
  private final Deque<Action> undo = new ArrayDeque<>();
  private final AtomicInteger statements = new AtomicInteger();

  /**
   * @param ofSession whether it was chosen for a session, and not only for its age
   */
  OpenRoute(Lent lent, ConnectionSettings settings, boolean ofSession) {
    this.lent = lent;
    this.readOnly = settings.isReadOnly();
    this.wantedReplica = settings.wantsReplica();
    this.ofSession = ofSession;
  }

  Lent lent() {
    return lent;
  }

  Connection connection() {
    return lent.connection();
  }

  boolean isReadOnly() {
    return readOnly;
  }

  /** Whether it is what those settings ask for. */
  boolean isAsSet(ConnectionSettings settings) {
    return readOnly == settings.isReadOnly() && wantedReplica == settings.wantsReplica();
  }

  /** Whether work for this session may begin here now. */
  boolean fits(Optional<Session> session) {
    return (!lent.isOfReplica() || ofSession == session.isPresent()) && lent.fits(session);
  }

  /** A replica was asked for, and none could be had that was good enough. */
  boolean isSubstitute() {
    return wantedReplica
        && (!lent.isOfReplica() || lent.decision().reason() == Reason.STALE_BY_CHOICE);
  }

  boolean isInTransaction() {
    return lent.isInTransaction();
  }

  /** Whether the first statement of a transaction for this session may be sent here next. */
  boolean mayBegin(Optional<Session> session) throws SQLException {
    return (!lent.isOfReplica() || ofSession == session.isPresent()) && lent.mayBegin(session);
  }

  void apply(String name, Setting setting) throws SQLException {
    if (lent.isBehindPooler() && ConnectionSettings.OF_SERVER_SESSION.contains(name)) {
      throw Refusals.doesNotStay(this, name);
    }
    Action back = setting.applyTo(connection());
    if (back != null) {
      undoLater(back);
    }
  }

  void undoLater(Action action) {
    undo.addFirst(action);
  }

  void statementOpened() {
    int ignored = statements.incrementAndGet();
  }

  void statementClosed() {
    int ignored = statements.decrementAndGet();
  }

  boolean hasStatements() {
    return statements.get() > 0;
  }

  /** What is open is rolled back: to set autocommit again would commit it. */
  void giveBack() {
    try {
      if (!lent.isLost()) {
        if (isInTransaction()) {
          connection().rollback();
        }
        for (@Nullable Action next = undo.poll(); next != null; next = undo.poll()) {
          next.on(connection());
        }
      }
    } catch (SQLException e) {
      LOG.debug("settings of a connection to '{}' are left", lent.decision().node(), e);
      abort(Runnable::run);
    }
    lent.giveBack();
  }

  void abort(Executor executor) {
    try {
      connection().abort(executor);
    } catch (SQLException e) {
      LOG.debug("a connection to '{}' could not be aborted", lent.decision().node(), e);
    }
  }
}
