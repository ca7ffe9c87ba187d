package dev.pgbelay.core;

import dev.pgbelay.core.Failures.Circumstances;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * One run of a statement that is a transaction by itself: one message there, one back. Whether a
 * failure undid it follows from who reported it, since there is no COMMIT apart to be unsure of: an
 * error that the server sent came before its commit, unless it came from a session that was ending.
 */
final class StatementAttempt<T extends @Nullable Object> implements Attempt<T, SQLException> {
  private enum Phase {
    /** The server has not heard of it. */
    NOT_SENT,
    SENT,
    COMMITTED
  }

  private final DataSource dataSource;
  private final TxOptions options;
  private final LoneStatement<T> statement;
  private final boolean asksForPosition;
  private final int attempt;
  private Phase phase = Phase.NOT_SENT;
  private boolean leftOpen;
  private @Nullable PGConnection met;
  private @Nullable FailureKind verdict;

  StatementAttempt(
      DataSource dataSource,
      TxOptions options,
      LoneStatement<T> statement,
      boolean asksForPosition,
      int attempt) {
    this.dataSource = dataSource;
    this.options = options;
    this.statement = statement;
    this.asksForPosition = asksForPosition;
    this.attempt = attempt;
  }

  @Override
  public FailureKind verdict(Throwable failure) {
    return verdict == null ? Failures.classify(failure) : verdict;
  }

  @Override
  public boolean mayRunAgain() {
    return phase != Phase.COMMITTED;
  }

  @Override
  public @Nullable String url() {
    return met == null ? null : PgDriver.url(met);
  }

  @Override
  public Commit<T> run() throws SQLException {
    Connection connection = new Borrowing(dataSource, options.path()).connect();
    SessionModes modes = SessionModes.UNTOUCHED;
    Throwable thrown = null;
    try {
      PGConnection driver = PgDriver.unwrap(connection);
      met = driver;
      Node node = asksForPosition ? node(connection, driver) : null;
      boolean autoCommit = connection.getAutoCommit();
      Commit<T> commit;
      try {
        commit = send(connection, text(node, autoCommit), autoCommit, node);
      } catch (SQLException e) {
        throw explained(e, driver, autoCommit && node == null);
      } finally {
        modes = ended(connection, driver, modes);
      }
      requireNothingLeftOpen();
      return commit;
    } catch (Throwable failure) {
      thrown = failure;
      throw failure;
    } finally {
      modes.giveBack(connection, thrown);
    }
  }

  /** Null where the server does not tell positions. */
  private @Nullable Node node(Connection connection, PGConnection driver) {
    try {
      Node node = Node.behind(connection, driver);
      return node.tellsPosition() ? node : null;
    } catch (SQLException e) {
      throw new TransactionException(
          Failures.classify(e), "path '" + options.path() + "' could not begin its transaction", e);
    }
  }

  private Commit<T> send(
      Connection connection, String text, boolean autoCommit, @Nullable Node node)
      throws SQLException {
    try (PreparedStatement prepared = connection.prepareStatement(text)) {
      statement.binding().bind(prepared);
      phase = Phase.SENT;
      prepared.execute();
      phase = Phase.COMMITTED;
      if (node != null && autoCommit) {
        prepared.getMoreResults(); // of the BEGIN
      }
      T value = read(prepared);
      return new Commit<>(
          value, Commit.Effect.UNKNOWN, Optional.ofNullable(position(prepared, node)), attempt);
    }
  }

  /** In autocommit the driver sends what it is given, elsewhere a message to begin before that. */
  private String text(@Nullable Node node, boolean autoCommit) {
    if (node == null) {
      return autoCommit ? statement.sql() : TransactionSql.committed(statement.sql());
    }
    String ending = TransactionSql.committedAndPlaced(statement.sql(), node.primaryTimeline() > 0);
    return autoCommit ? TransactionSql.begun(ending) : ending;
  }

  private T read(PreparedStatement executed) {
    try {
      return statement.reading().read(executed);
    } catch (SQLException | RuntimeException e) {
      throw new TransactionException(
          FailureKind.OTHER,
          "path '"
              + options.path()
              + "' was committed, but what its statement returned could not be read",
          e);
    }
  }

  private static @Nullable CommitPosition position(PreparedStatement executed, @Nullable Node node)
      throws SQLException {
    if (node == null) {
      return null;
    }
    executed.getMoreResults();
    if (!executed.getMoreResults()) {
      return null;
    }
    try (ResultSet row = executed.getResultSet()) {
      row.next();
      int timeline = node.primaryTimeline() > 0 ? node.primaryTimeline() : row.getInt(2);
      return node.position(row.getString(1), timeline);
    }
  }

  private SQLException explained(SQLException e, PGConnection driver, boolean alone) {
    if (phase == Phase.NOT_SENT && PgDriver.isClosed(driver)) {
      verdict = FailureKind.CONNECTION_LOST;
    } else if (phase == Phase.NOT_SENT || isUndone(e, driver, alone)) {
      verdict =
          Failures.classify(e, new Circumstances(0, 0, 0, PgDriver.isStandby(driver).orElse(null)));
    } else {
      throw new OutcomeUnknownException(
          "path '"
              + options.path()
              + "' got no answer to its statement, which commits by itself: it may or may not have"
              + " been committed",
          null,
          e);
    }
    return e;
  }

  /** Alone, there is nothing behind the statement that may have failed instead. */
  private static boolean isUndone(SQLException e, PGConnection driver, boolean alone) {
    return TransactionEnd.isRollbackCertain(e, driver)
        || (alone && PgDriver.isFromServer(e) && !TransactionEnd.isSessionLost(e));
  }

  /** Ends what failed in the middle of a message, or what a statement has begun by its text. */
  private SessionModes ended(Connection connection, PGConnection driver, SessionModes modes)
      throws SQLException {
    if (PgDriver.isClosed(driver) || PgDriver.state(driver) == PgDriver.State.IDLE) {
      return modes;
    }
    leftOpen = true;
    SessionModes entered =
        connection.getAutoCommit() ? SessionModes.enter(connection, false) : modes;
    TransactionEnd.rollback(connection, driver, null);
    return entered;
  }

  private void requireNothingLeftOpen() {
    if (leftOpen) {
      throw new TransactionException(
          FailureKind.MISUSE,
          "the statement of path '"
              + options.path()
              + "' has begun a transaction by its text; it was rolled back",
          null);
    }
  }
}
