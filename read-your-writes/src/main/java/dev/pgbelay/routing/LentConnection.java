package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.internal.CommitFailure;
import dev.pgbelay.core.internal.LogPosition;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.routing.Floor.Shown;
import dev.pgbelay.routing.NodeConnections.Lent;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.SeenConnections.Seen;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One connection of one node's pool, and what those who use it were shown through it. */
final class LentConnection implements Lent {
  private static final Logger LOG = LoggerFactory.getLogger(LentConnection.class);

  private final ConnectionLender lender;
  private final Choice choice;
  private final Connection connection;
  private final PGConnection driver;
  private Seen seen;
  private final long tookNanos;
  private final @Nullable Duration maxStaleness;
  private final RouteDecision decision;
  private final AtomicBoolean given = new AtomicBoolean();
  private boolean ledElsewhere;

  /**
   * @param tookNanos to get the connection; 0 where the node has not begun a read for it
   * @param maxStaleness what it was chosen for; null where it was a session
   */
  LentConnection(
      ConnectionLender lender,
      Choice choice,
      Connection connection,
      Seen seen,
      long tookNanos,
      @Nullable Duration maxStaleness)
      throws SQLException {
    this.lender = lender;
    this.choice = choice;
    this.connection = connection;
    this.driver = PgDriver.unwrap(connection);
    this.seen = seen;
    this.tookNanos = tookNanos;
    this.maxStaleness = maxStaleness;
    this.decision = choice.decision(lender.fleet());
  }

  @Override
  public Connection connection() {
    return connection;
  }

  @Override
  public RouteDecision decision() {
    return decision;
  }

  @Override
  public boolean isOfReplica() {
    return choice.reason().isReplica();
  }

  @Override
  public boolean isLost() {
    return PgDriver.isClosed(driver);
  }

  @Override
  public boolean isInTransaction() {
    return PgDriver.state(driver) != PgDriver.State.IDLE;
  }

  @Override
  public boolean fits(Optional<Session> session) {
    if (isLost() || ledElsewhere) {
      return false;
    }
    Member node = choice.node();
    if (!isOfReplica()) {
      return lender.fleet().primaryOrNull() == node && lender.fit().isOfPrimary(seen);
    }
    NodeSight sight = lender.router().replica(node, Set.of());
    if (sight == null) {
      return false;
    }
    if (choice.reason() == Reason.STALE_BY_CHOICE) {
      return sight.server().equals(seen.server());
    }
    if (maxStaleness != null) {
      return lender.fit().covers(seen, sight, Floor.NONE.raised(sight.position()))
          && lender
              .fleet()
              .staleness(sight.position())
              .filter(age -> age.compareTo(maxStaleness) <= 0)
              .isPresent();
    }
    if (session.isEmpty()) {
      return false;
    }
    Floor floor = lender.settlement().settled(session.get());
    return !floor.needsPrimary()
        && floor.unknown().isEmpty()
        && lender.router().covers(node, sight, floor)
        && lender.fit().covers(seen, sight, floor);
  }

  @Override
  public boolean mayBegin(Optional<Session> session) throws SQLException {
    if (!isBehindPooler() || !fits(session)) {
      return fits(session);
    }
    Seen now = lender.poolerLook().before(connection, choice, session);
    if (now != null) {
      seen = now;
      if (fits(session)) {
        return true;
      }
      ConnectionLender.endLook(connection);
    }
    ledElsewhere = true;
    return false;
  }

  @Override
  public boolean isBehindPooler() {
    return seen.isBehindPooler();
  }

  @Override
  public void begins(Optional<Session> session) {
    session.ifPresent(lender.fleet()::requireOwn);
    if (!isOfReplica()) {
      session.ifPresent(lender.settlement()::judge);
    }
    lender.meters().decided(decision, decision.waited().toNanos());
    session.ifPresent(each -> each.decided(decision));
  }

  @Override
  public void shown(Session session) {
    NodeSight now = choice.node().sight();
    NodeSight latest =
        now != null
                && now.server().equals(seen.server())
                && now.timeline() > choice.sight().timeline()
            ? now
            : choice.sight();
    lender.fit().noticePromotion(driver, seen, choice);
    Shown shown = new Shown(choice.node(), latest, seen.seenNanos(), System.nanoTime());
    session.change(floor -> floor.with(shown));
    if (!isOfReplica()) {
      session.change(floor -> floor.answeredBy(choice.node(), latest));
    }
  }

  @Override
  public void mayHaveCommitted(Session session) {
    pending(List.of(session));
  }

  private void pending(Collection<Session> sessions) {
    PendingCommit commit = new PendingCommit(seen.server(), seen.pid());
    lender.fleet().await(commit);
    sessions.forEach(session -> session.change(floor -> floor.with(commit)));
  }

  @Override
  public void commit(Collection<Session> sessions) throws SQLException {
    requireNotLost();
    requireStillPrimary();
    long sent = System.nanoTime();
    String transactionId;
    String reached;
    try (PreparedStatement end = prepare()) {
      end.execute();
      transactionId = firstColumn(end);
      end.getMoreResults();
      end.getMoreResults();
      reached = firstColumn(end);
    } catch (SQLException e) {
      throw notCommitted(e, sessions);
    }
    CommitPosition position = position(reached);
    if (transactionId == null || position == null) {
      sessions.forEach(this::shown);
    } else {
      sessions.forEach(
          session ->
              session.change(
                  floor ->
                      floor
                          .withoutShown(seen.server(), seen.seenNanos(), sent)
                          .raised(position)
                          .answeredBy(choice.node(), choice.sight())));
    }
  }

  private void requireNotLost() throws SQLException {
    if (isLost()) {
      throw neverSent(null);
    }
  }

  /** Sends nothing: what fails here, such as a pool that has closed the connection, ran nothing. */
  private PreparedStatement prepare() throws SQLException {
    try {
      return connection.prepareStatement(CommitSql.COMMIT);
    } catch (SQLException e) {
      throw neverSent(e);
    }
  }

  private SQLException neverSent(@Nullable SQLException cause) {
    return new SQLNonTransientConnectionException(
        "the connection to node '"
            + choice.node().name()
            + "' was lost before COMMIT was sent: nothing was committed. Run the transaction again",
        "08003",
        cause);
  }

  private static @Nullable String firstColumn(PreparedStatement statement) throws SQLException {
    try (ResultSet row = statement.getResultSet()) {
      row.next();
      return row.getString(1);
    }
  }

  /** Behind a pooler the next statement may have run on another server. */
  private @Nullable CommitPosition position(@Nullable String reached) {
    return reached == null || isBehindPooler()
        ? null
        : new CommitPosition(
            seen.server().systemIdentifier(),
            seen.primaryTimeline(),
            LogPosition.withoutHeader(LogPosition.parse(reached), seen.segmentSize()));
  }

  /** A newer timeline that was heard of meanwhile takes this one's worth. */
  private void requireStillPrimary() throws SQLException {
    try {
      Seen ignored = lender.fit().requirePrimary(connection, choice.node());
    } catch (NotFitException e) {
      throw new SQLTransientConnectionException(
          "node '"
              + choice.node().name()
              + "' "
              + e.getMessage()
              + ", and is not the primary any more: nothing was committed. Run the transaction"
              + " again",
          "08006",
          e);
    }
  }

  private SQLException notCommitted(SQLException e, Collection<Session> sessions) {
    if (CommitFailure.isRollbackCertain(e, driver)) {
      sessions.forEach(this::shown);
      rollBack(e);
      return e;
    }
    pending(sessions);
    abandon(e);
    return new SQLNonTransientConnectionException(
        "node '"
            + choice.node().name()
            + "' gave no answer to COMMIT: it may or may not have been committed. The session reads"
            + " from the primary until that is settled; look for what the transaction wrote before"
            + " it is run again",
        "08007",
        e);
  }

  private void rollBack(SQLException failure) {
    try {
      if (PgDriver.state(driver) != PgDriver.State.IDLE) {
        connection.rollback();
      }
    } catch (SQLException e) {
      failure.addSuppressed(e);
    }
  }

  private void abandon(SQLException failure) {
    try {
      SeenConnections.evict(connection);
    } catch (SQLException e) {
      failure.addSuppressed(e);
    }
  }

  @Override
  public void giveBack() {
    if (!given.compareAndSet(false, true)) {
      return;
    }
    if (tookNanos > 0) {
      if (isLost()) {
        SQLException lost = new SQLException("the connection was lost", "08006");
        choice.node().failed(FailureKind.CONNECTION_LOST, lost, tookNanos);
      } else {
        choice.node().ended(tookNanos);
      }
    }
    lender.router().over(choice);
    try {
      connection.close();
    } catch (SQLException e) {
      LOG.debug("a connection of node '{}' could not be given back", choice.node().name(), e);
    }
  }
}
