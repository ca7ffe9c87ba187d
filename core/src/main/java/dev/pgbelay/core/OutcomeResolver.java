package dev.pgbelay.core;

import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Asks the server what became of a transaction whose COMMIT got no answer. A verdict counts only
 * from a primary on the same timeline of the same cluster: after a fail-over that lost the tail of
 * the log, the same transaction id can be another transaction that committed. So it can after a
 * crash, on the same timeline: what a crashed server says was committed is not known.
 */
final class OutcomeResolver {
  /** What was known before COMMIT was sent. */
  record Ticket(
      String transactionId, long systemIdentifier, String timeline, String statisticsReset) {}

  enum Verdict {
    COMMITTED,
    ABORTED,
    UNKNOWN
  }

  /**
   * @param committedAt a place in the log behind the commit
   * @param reason what the last look showed, for the error message
   */
  record Answer(Verdict verdict, Optional<CommitPosition> committedAt, String reason) {}

  private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
  private static final Duration LONGEST_PAUSE = Duration.ofMillis(500);

  private final DataSource dataSource;
  private final Ticket ticket;
  private final Node node;

  OutcomeResolver(DataSource dataSource, Ticket ticket, Node node) {
    this.dataSource = dataSource;
    this.ticket = ticket;
    this.node = node;
  }

  /** Looks until there is a verdict or {@code wait} has passed; a look under way is finished. */
  Answer resolve(Duration wait) {
    Deadline deadline = Deadline.in(wait);
    IntervalFunction pause =
        IntervalFunction.ofExponentialRandomBackoff(FIRST_PAUSE, 2.0, 0.5, LONGEST_PAUSE);
    Retry again =
        Retry.of(
            "outcome",
            RetryConfig.<Answer>custom()
                .maxAttempts(Integer.MAX_VALUE)
                .retryOnResult(a -> a.verdict() == Verdict.UNKNOWN && !deadline.hasPassed())
                .intervalBiFunction((attempt, last) -> pause.apply(attempt))
                .build());
    try {
      return again.executeSupplier(this::look);
    } catch (RuntimeException interrupted) {
      return new Answer(Verdict.UNKNOWN, Optional.empty(), "interrupted while waiting");
    }
  }

  private Answer look() {
    try (Connection connection = dataSource.getConnection()) {
      return ask(connection);
    } catch (SQLException e) {
      return new Answer(
          Verdict.UNKNOWN, Optional.empty(), "asking failed with SQLSTATE " + e.getSQLState());
    }
  }

  private Answer ask(Connection connection) throws SQLException {
    try (PreparedStatement ask = connection.prepareStatement(TransactionSql.OUTCOME_OF)) {
      ask.setLong(1, ticket.systemIdentifier());
      ask.setString(2, ticket.timeline());
      ask.setString(3, ticket.transactionId());
      ask.setString(4, ticket.statisticsReset());
      ask.setString(5, ticket.transactionId());
      try (ResultSet row = ask.executeQuery()) {
        row.next();
        String status = row.getString(1);
        return switch (status) {
          case "committed" -> new Answer(Verdict.COMMITTED, position(row.getString(2)), status);
          case "aborted" -> new Answer(Verdict.ABORTED, Optional.empty(), status);
          default -> new Answer(Verdict.UNKNOWN, Optional.empty(), status);
        };
      }
    } finally {
      if (!connection.getAutoCommit()) {
        connection.rollback();
      }
    }
  }

  private Optional<CommitPosition> position(@Nullable String lsn) {
    return Optional.ofNullable(node.position(lsn, Integer.parseInt(ticket.timeline(), 16)));
  }
}
