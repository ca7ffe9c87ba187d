package dev.pgbelay.core;

import dev.pgbelay.core.Commit.Effect;
import dev.pgbelay.core.internal.CommitFailure;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.WithCommit;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLNonTransientConnectionException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * Ends transactions so that the answer is a fact. A {@code commit()} that returns may have rolled
 * back, and one that throws may have committed; see {@link TransactionSql#COMMIT_ON_PRIMARY}.
 */
final class TransactionEnd {
  private static final String NEVER_SENT = "the connection was gone before COMMIT was sent";

  private TransactionEnd() {}

  /** What COMMIT's own round trip told. */
  record Told(Effect effect, Optional<CommitPosition> position, @Nullable String transactionId) {
    Told(Effect effect, Optional<CommitPosition> position) {
      this(effect, position, null);
    }
  }

  /** Why a transaction did not commit, or may not have. */
  static final class NotCommitted extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean outcomeKnown;
    private final SQLException failure;

    NotCommitted(SQLException failure, boolean outcomeKnown) {
      super(failure.getMessage(), failure, false, false);
      this.failure = failure;
      this.outcomeKnown = outcomeKnown;
    }

    boolean outcomeKnown() {
      return outcomeKnown;
    }

    SQLException failure() {
      return failure;
    }
  }

  /**
   * @param transactionId given at the beginning, if it was asked for then: a commit of any other
   *     one means that the text of a statement ended this and began that
   * @param asksForPosition whether anybody looks at it; it is a statement more
   */
  static Told commit(
      Connection connection,
      PGConnection driver,
      Node node,
      OwnedTx tx,
      @Nullable String transactionId,
      boolean asksForPosition)
      throws NotCommitted {
    boolean position = asksForPosition && node.tellsPosition();
    if (tx.watch().hasEnded()) {
      throw tx.watch().endedInside();
    }
    WithCommit.Statement last = tx.last();
    if (PgDriver.state(driver) == PgDriver.State.IDLE && last == null) {
      Effect effect = tx.watch().isUntouched() ? Effect.READ_ONLY : Effect.UNKNOWN;
      return new Told(effect, Optional.empty());
    }
    if (last == null
        && transactionId == null
        && !asksForPosition
        && PgDriver.state(driver) != PgDriver.State.FAILED) {
      Effect effect = tx.options().readOnly() ? Effect.READ_ONLY : Effect.UNKNOWN;
      return commitAlone(effect, connection, driver);
    }
    if (last != null && transactionId == null && !asksForPosition) {
      return commitBehind(last, connection, driver);
    }
    try (PreparedStatement end = prepare(connection, last, statement(node, position))) {
      Ended ended = read(end, node, position, last != null);
      if (transactionId != null && !transactionId.equals(ended.transactionId())) {
        throw tx.watch().endedInside();
      }
      return new Told(
          ended.transactionId() == null ? Effect.READ_ONLY : Effect.WROTE,
          ended.position(),
          ended.transactionId());
    } catch (SQLException e) {
      throw new NotCommitted(e, isRollbackCertain(e, driver));
    }
  }

  /**
   * Nobody asks for more, and the server has said with its last answer that the transaction was
   * still sound; of one that is not, the message that asks for more says why.
   */
  private static Told commitAlone(Effect effect, Connection connection, PGConnection driver)
      throws NotCommitted {
    try {
      connection.commit();
      return new Told(effect, Optional.empty());
    } catch (SQLException e) {
      throw new NotCommitted(e, isRollbackCertain(e, driver));
    }
  }

  /** Nobody asks for more, and in an aborted transaction the last statement says so itself. */
  private static Told commitBehind(
      WithCommit.Statement last, Connection connection, PGConnection driver) throws NotCommitted {
    try (PreparedStatement end = prepare(connection, last, TransactionSql.JUST_COMMIT)) {
      end.execute();
      return new Told(Effect.UNKNOWN, Optional.empty());
    } catch (SQLException e) {
      throw new NotCommitted(e, isRollbackCertain(e, driver));
    }
  }

  /** Sends nothing: what fails here, such as a pool that has closed the connection, ran nothing. */
  private static PreparedStatement prepare(
      Connection connection, WithCommit.@Nullable Statement last, String commit)
      throws NotCommitted {
    try {
      if (last == null) {
        return connection.prepareStatement(commit);
      }
      PreparedStatement both = connection.prepareStatement(TransactionSql.both(last.sql(), commit));
      last.values().bind(both);
      return both;
    } catch (SQLException e) {
      throw new NotCommitted(new SQLNonTransientConnectionException(NEVER_SENT, "08003", e), true);
    }
  }

  private static String statement(Node node, boolean position) {
    if (!position) {
      return TransactionSql.COMMIT;
    }
    return node.primaryTimeline() > 0
        ? TransactionSql.COMMIT_ON_PRIMARY
        : TransactionSql.COMMIT_ANYWHERE;
  }

  private record Ended(@Nullable String transactionId, Optional<CommitPosition> position) {}

  private static Ended read(
      PreparedStatement end, Node node, boolean position, boolean behindAnother)
      throws SQLException {
    end.execute();
    if (behindAnother) {
      end.getMoreResults();
    }
    String transactionId;
    try (ResultSet row = end.getResultSet()) {
      row.next();
      transactionId = row.getString(1);
    }
    CommitPosition reached = null;
    end.getMoreResults();
    if (position && end.getMoreResults()) {
      try (ResultSet row = end.getResultSet()) {
        row.next();
        int timeline = node.primaryTimeline() > 0 ? node.primaryTimeline() : row.getInt(2);
        reached = node.position(row.getString(1), timeline);
      }
    }
    return new Ended(transactionId, Optional.ofNullable(reached));
  }

  static boolean isRollbackCertain(SQLException e, PGConnection driver) {
    return CommitFailure.isRollbackCertain(e, driver);
  }

  static boolean isSessionLost(SQLException e) {
    return CommitFailure.isSessionLost(e);
  }

  static void rollback(Connection connection, PGConnection driver, @Nullable Throwable failure) {
    try {
      if (PgDriver.state(driver) != PgDriver.State.IDLE) {
        connection.rollback();
      }
    } catch (SQLException e) {
      Suppressed.keep(failure, e);
    }
  }
}
