package dev.pgbelay.core;

import dev.pgbelay.core.Failures.Circumstances;
import dev.pgbelay.core.OutcomeResolver.Ticket;
import dev.pgbelay.core.TransactionEnd.NotCommitted;
import dev.pgbelay.core.TransactionEnd.Told;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.jooq.Configuration;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One run of the work in one transaction on one connection. */
final class TransactionAttempt<T extends @Nullable Object, X extends Exception>
    implements Attempt<T, X> {
  private static final Logger LOG = LoggerFactory.getLogger(Transactions.class);
  private static final int TRANSACTION_TIMEOUT_SINCE = 17;
  private static final long TRANSACTION_TIMEOUT_GRACE_MILLIS = 1000;

  private final DataSource dataSource;
  private final Configuration configuration;
  private final TxOptions options;
  private final @Nullable Deadline deadline;
  private final int attempt;
  private final Object opener;
  private final TxWork<T, X> work;
  private final boolean asksForPosition;
  private boolean mayRunAgain = true;
  private @Nullable OwnedTx ended;
  private @Nullable Node node;
  private @Nullable FailureKind verdict;

  /**
   * @param opener tells the transactions of one {@link Transactions} from those of another
   * @param asksForPosition whether the caller looks at the commit's position; hooks may as well
   */
  TransactionAttempt(
      Object opener,
      DataSource dataSource,
      Configuration configuration,
      TxOptions options,
      @Nullable Deadline deadline,
      int attempt,
      TxWork<T, X> work,
      boolean asksForPosition) {
    this.opener = opener;
    this.work = work;
    this.asksForPosition = asksForPosition;
    this.dataSource = dataSource;
    this.configuration = configuration;
    this.options = options;
    this.deadline = deadline;
    this.attempt = attempt;
  }

  @Override
  public @Nullable String url() {
    return node == null ? null : node.url();
  }

  @Override
  public FailureKind verdict(Throwable failure) {
    return verdict == null ? Failures.classify(failure) : verdict;
  }

  @Override
  public boolean mayRunAgain() {
    return mayRunAgain;
  }

  @Override
  public Commit<T> run() throws X {
    Open open = open();
    node = open.node();
    T value;
    OpenTransactions.opened(open.tx());
    try {
      value = work.run(open.tx());
    } catch (Throwable failure) {
      mayRunAgain = open.tx().mayRunAgain();
      verdict = ofWork(failure, open);
      open.rollBackAndClose(failure);
      throw failure;
    } finally {
      OpenTransactions.ended(open.tx());
      open.tx().watch().workReturned();
    }
    mayRunAgain = open.tx().mayRunAgain();
    Told told = commit(open, asksForPosition || open.tx().hooksAskForPosition());
    ended = open.tx();
    open.tx().committed(told.transactionId());
    return new Commit<>(value, told.effect(), told.position(), attempt);
  }

  @Override
  public void runHooks(Commit<T> commit, TransactionEvents events) {
    if (ended == null) {
      return;
    }
    ended.eachHook(
        hook -> {
          try {
            hook.accept(commit);
          } catch (Throwable e) { // checked ones too, which some languages throw from anywhere
            events.hookFailed(options.path());
            LOG.error("a hook after the commit of path '{}' failed", options.path(), e);
          }
        });
  }

  private record Open(
      Connection connection,
      PGConnection driver,
      Node node,
      OwnedTx tx,
      Timeouts timeouts,
      @Nullable Ticket ticket,
      SessionModes modes,
      long sinceNanos) {

    void rollBackAndClose(@Nullable Throwable failure) {
      TransactionEnd.rollback(connection, driver, failure);
      close(failure);
    }

    void close(@Nullable Throwable failure) {
      modes.giveBack(connection, failure);
    }
  }

  private Open open() {
    long since = System.nanoTime();
    if (deadline != null && deadline.hasPassed()) {
      throw new TransactionException(
          FailureKind.DEADLINE_EXCEEDED,
          "path '" + options.path() + "' passed its deadline before it could begin",
          null);
    }
    Connection connection = new Borrowing(dataSource, options.path()).connect();
    SessionModes modes = SessionModes.UNTOUCHED;
    try {
      PGConnection driver = PgDriver.unwrap(connection);
      Timeouts timeouts =
          new Timeouts(
              connection, driver, options.path(), deadline, options.lockTimeout().orElse(null));
      Node node = Node.behind(connection, driver);
      modes = SessionModes.enter(connection, options.readOnly());
      OwnedTx tx =
          new OwnedTx(opener, dataSource, connection, driver, configuration, options, timeouts);
      Ticket ticket = begin(connection, driver, timeouts);
      return new Open(connection, driver, node, tx, timeouts, ticket, modes, since);
    } catch (SQLException e) {
      FailureKind kind = Failures.classify(e);
      modes.abandon(connection, e);
      throw new TransactionException(
          kind, "path '" + options.path() + "' could not begin its transaction", e);
    } catch (RuntimeException | Error e) {
      modes.abandon(connection, e);
      throw e;
    }
  }

  private @Nullable Ticket begin(Connection connection, PGConnection driver, Timeouts timeouts)
      throws SQLException {
    BeginMessage message = new BeginMessage(options, options.resolveOutcome().isPresent());
    if (timeouts.statementMillis() > 0) {
      message.setting("statement_timeout", timeouts.statementMillis() + "ms");
      if (PgDriver.serverMajor(driver) >= TRANSACTION_TIMEOUT_SINCE) {
        message.setting(
            "transaction_timeout",
            timeouts.statementMillis() + TRANSACTION_TIMEOUT_GRACE_MILLIS + "ms");
      }
    }
    if (timeouts.lockMillis() > 0) {
      message.setting("lock_timeout", timeouts.lockMillis() + "ms");
    }
    return message.send(connection);
  }

  private Told commit(Open open, boolean asksForPosition) {
    Told told;
    try {
      if (deadline != null && deadline.hasPassed()) {
        throw new TransactionException(
            FailureKind.DEADLINE_EXCEEDED,
            "path '"
                + options.path()
                + "' passed its deadline before COMMIT; nothing was committed",
            null);
      }
      requireNoJoinedFailure(open.tx());
      Ticket ticket = open.ticket();
      told =
          TransactionEnd.commit(
              open.connection(),
              open.driver(),
              open.node(),
              open.tx(),
              ticket == null ? null : ticket.transactionId(),
              asksForPosition);
    } catch (NotCommitted e) {
      return notCommitted(open, e);
    } catch (RuntimeException | Error e) {
      open.rollBackAndClose(e);
      throw e;
    }
    open.close(null);
    return told;
  }

  private void requireNoJoinedFailure(OwnedTx tx) {
    if (tx.joinedFailure().isPresent()) {
      OwnedTx.JoinedFailure joined = tx.joinedFailure().get();
      throw new TransactionAbortedException(
          "path '"
              + options.path()
              + "' swallowed the failure of path '"
              + joined.path()
              + "', which had joined its transaction and may have left half of its work in it; it"
              + " was rolled back. Let that exception out, or run what may fail inside"
              + " tx.dsl().transaction(…), which undoes it alone",
          joined.failure());
    }
  }

  private Told notCommitted(Open open, NotCommitted e) {
    SQLException failure = e.failure();
    FailureKind kind = Failures.classify(failure, circumstances(open));
    open.rollBackAndClose(failure);
    return new FailedCommit(dataSource, options, open.node(), open.ticket()).tell(e, kind);
  }

  /** A failure of a transaction that ran inside says nothing of this one. */
  private FailureKind ofWork(Throwable failure, Open open) {
    if (open.tx().watch().hasEnded()) {
      return FailureKind.OUTCOME_UNKNOWN;
    }
    FailureKind kind = FailureNote.of(open.tx().attempt(), failure);
    if (kind == null) {
      kind =
          FailureNote.isOfAnother(failure, open.sinceNanos())
              ? FailureKind.OTHER
              : Failures.classify(failure, circumstances(open));
    }
    boolean closedUnnoticed = kind == FailureKind.OTHER && PgDriver.isClosed(open.driver());
    return kind == FailureKind.OUTCOME_UNKNOWN || closedUnnoticed
        ? FailureKind.CONNECTION_LOST
        : kind;
  }

  private static Circumstances circumstances(Open open) {
    return new Circumstances(
        open.timeouts().statementMillis(),
        open.timeouts().lockMillis(),
        open.timeouts().millisSinceStatementStart(),
        PgDriver.isStandby(open.driver()).orElse(null));
  }
}
