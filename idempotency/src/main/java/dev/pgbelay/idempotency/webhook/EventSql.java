package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.Optional;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** The statements of whoever handles events. */
final class EventSql {
  /**
   * Waits for nobody: whoever has the row locked is at it, also behind its lease. A lease that
   * ended counts as a crash. No column of an index changes.
   */
  private static final String CLAIM_DUE =
      """
      WITH due AS MATERIALIZED (
        SELECT event_id AS id, lease_until > '-infinity' AS crashed
          FROM <event>
         WHERE provider = ? AND finished_at = 'infinity' AND due_at <= statement_timestamp()
           AND lease_until <= clock_timestamp()
         ORDER BY due_at, event_id
         LIMIT 1
           FOR NO KEY UPDATE SKIP LOCKED)
      UPDATE <event> AS e
         SET claimant = ?, claim_number = ?,
             lease_until = clock_timestamp() + ? * interval '1 millisecond',
             attempts = e.attempts + 1
        FROM due
       WHERE e.provider = ? AND e.event_id = due.id
      RETURNING e.event_id, e.received_at, e.headers, e.body, e.attempts, e.not_yet,
             CAST(extract(epoch FROM clock_timestamp() - e.tried_since) * 1000 AS bigint),
             due.crashed\
      """;

  /**
   * Keeps the event from being claimed until the transaction has ended, and lets the server end it
   * if its client falls silent.
   */
  private static final String LOCK_OWN =
      """
      SELECT set_config('idle_in_transaction_session_timeout',
               CASE WHEN idle = '0' OR idle::interval > ms * interval '1 millisecond'
                    THEN ms || 'ms' ELSE idle END, true)
        FROM (SELECT event_id FROM <event>
               WHERE provider = ? AND event_id = ? AND claimant = ? AND claim_number = ?
                 AND state = 'PENDING'
                 FOR NO KEY UPDATE) AS own,
             (SELECT current_setting('idle_in_transaction_session_timeout') AS idle,
                     CAST(? AS bigint) AS ms) AS before\
      """;

  private static final String FINISH =
      """
      UPDATE <event>
         SET state = 'PROCESSED', finished_at = clock_timestamp(), lease_until = '-infinity',
             reason = NULL
       WHERE provider = ? AND event_id = ? AND claimant = ? AND claim_number = ?
         AND state = 'PENDING'\
      """;

  private static final String LEAVE =
      """
      UPDATE <event>
         SET state = ?, attempts = ?, not_yet = ?, reason = ?, lease_until = '-infinity',
             due_at = CASE WHEN CAST(? AS text) = 'PARKED' THEN timestamptz 'infinity'
                           ELSE clock_timestamp() + ? * interval '1 millisecond' END
       WHERE provider = ? AND event_id = ? AND claimant = ? AND claim_number = ?
         AND state = 'PENDING'\
      """;

  /**
   * How an event is given back.
   *
   * @param pause until its next attempt; nothing for one that is parked
   */
  record Left(State state, int attempts, int notYet, String reason, Duration pause) {}

  private final String provider;
  private final String claimDue;
  private final String lockOwn;
  private final String finish;
  private final String leave;

  EventSql(Table<?> event, String provider) {
    this.provider = provider;
    this.claimDue = withNames(CLAIM_DUE, event);
    this.lockOwn = withNames(LOCK_OWN, event);
    this.finish = withNames(FINISH, event);
    this.leave = withNames(LEAVE, event);
  }

  private static String withNames(String statement, Table<?> event) {
    return statement.replace("<event>", DSL.using(SQLDialect.POSTGRES).render(event));
  }

  /**
   * What has been due for longest; empty if nothing is. A transaction by itself: a process that
   * stops within it keeps no row locked.
   */
  Optional<EventClaim> claimDue(
      Transactions transactions, TxOptions options, Fence fence, Duration lease) {
    try {
      return transactions.runStatement(
          options,
          claimDue,
          statement -> {
            statement.setString(1, provider);
            int next = fence.bind(statement, 2);
            statement.setLong(next, lease.toMillis());
            statement.setString(next + 1, provider);
          },
          executed -> {
            try (ResultSet row = executed.getResultSet()) {
              return row.next() ? Optional.of(claim(row, fence)) : Optional.empty();
            }
          });
    } catch (SQLException e) {
      throw IntakeSql.failed(e);
    }
  }

  private static EventClaim claim(ResultSet row, Fence fence) throws SQLException {
    EventRow event =
        new EventRow(
            row.getString(1),
            row.getObject(2, OffsetDateTime.class).toInstant(),
            row.getBytes(3),
            row.getBytes(4));
    return new EventClaim(
        fence,
        event,
        row.getInt(5),
        row.getInt(6),
        Duration.ofMillis(row.getLong(7)),
        row.getBoolean(8));
  }

  /** Whether the claim is still held; from then on, until the transaction has ended. */
  boolean lockOwn(Tx tx, EventClaim claim, Duration silence) {
    try (PreparedStatement statement = tx.connection().prepareStatement(lockOwn)) {
      int next = bindOwn(statement, 1, claim);
      statement.setLong(next, silence.toMillis());
      try (ResultSet row = statement.executeQuery()) {
        return row.next();
      }
    } catch (SQLException e) {
      throw IntakeSql.failed(e);
    }
  }

  /** Whether the claim is still held; if not, nothing was changed. */
  boolean finish(Tx tx, EventClaim claim) {
    try (PreparedStatement statement = tx.connection().prepareStatement(finish)) {
      bindOwn(statement, 1, claim);
      return statement.executeUpdate() == 1;
    } catch (SQLException e) {
      throw IntakeSql.failed(e);
    }
  }

  /** Whether the claim is still held; if not, nothing was changed. A transaction by itself. */
  boolean leave(Transactions transactions, TxOptions options, EventClaim claim, Left left) {
    try {
      return transactions.runStatement(
          options,
          leave,
          statement -> {
            statement.setString(1, left.state().name());
            statement.setInt(2, left.attempts());
            statement.setInt(3, left.notYet());
            statement.setString(4, left.reason());
            statement.setString(5, left.state().name());
            statement.setLong(6, left.pause().toMillis());
            bindOwn(statement, 7, claim);
          },
          executed -> executed.getUpdateCount() == 1);
    } catch (SQLException e) {
      throw IntakeSql.failed(e);
    }
  }

  private int bindOwn(PreparedStatement statement, int first, EventClaim claim)
      throws SQLException {
    statement.setString(first, provider);
    statement.setString(first + 1, claim.id());
    return claim.fence().bind(statement, first + 2);
  }
}
