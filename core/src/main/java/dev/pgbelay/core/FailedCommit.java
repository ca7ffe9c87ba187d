package dev.pgbelay.core;

import dev.pgbelay.core.OutcomeResolver.Answer;
import dev.pgbelay.core.OutcomeResolver.Ticket;
import dev.pgbelay.core.TransactionEnd.NotCommitted;
import dev.pgbelay.core.TransactionEnd.Told;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** What the caller is told of a COMMIT that failed, or whose answer did not come. */
final class FailedCommit {
  private final DataSource dataSource;
  private final TxOptions options;
  private final Node node;
  private final @Nullable Ticket ticket;

  FailedCommit(DataSource dataSource, TxOptions options, Node node, @Nullable Ticket ticket) {
    this.dataSource = dataSource;
    this.options = options;
    this.node = node;
    this.ticket = ticket;
  }

  /** Returns only if the transaction is found to have committed after all. */
  Told tell(NotCommitted e, FailureKind kind) {
    SQLException failure = e.failure();
    if (e.outcomeKnown()) {
      if (kind == FailureKind.TRANSACTION_ABORTED) {
        throw new TransactionAbortedException(
            "path '"
                + options.path()
                + "' swallowed the failure of a statement, and its transaction could only be rolled"
                + " back; let the first exception out, or put a savepoint around the statement",
            failure);
      }
      throw new TransactionException(
          kind, "path '" + options.path() + "' was rolled back at COMMIT", failure);
    }
    if (ticket == null || options.resolveOutcome().isEmpty()) {
      throw unknown(failure, "no resolveOutcome was asked for");
    }
    Answer answer =
        new OutcomeResolver(dataSource, ticket, node).resolve(options.resolveOutcome().get());
    return switch (answer.verdict()) {
      case COMMITTED -> new Told(Commit.Effect.WROTE, answer.committedAt());
      case ABORTED ->
          throw new TransactionException(
              FailureKind.CONNECTION_LOST,
              "path '"
                  + options.path()
                  + "' lost its connection at COMMIT, and the server says that transaction "
                  + ticket.transactionId()
                  + " was rolled back",
              failure);
      case UNKNOWN -> throw unknown(failure, answer.reason());
    };
  }

  private OutcomeUnknownException unknown(SQLException failure, String reason) {
    return new OutcomeUnknownException(
        "path '"
            + options.path()
            + "' got no answer to COMMIT"
            + (ticket == null ? "" : " of transaction " + ticket.transactionId())
            + ": it may or may not have been committed ("
            + reason
            + ")",
        ticket == null ? null : ticket.transactionId(),
        failure);
  }
}
