package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/**
 * The statements that claim a payment which nobody carries on; as those of {@link PaymentSql}, they
 * refuse sessions whose commits a crash may forget.
 */
final class TakeSql {
  private static final String TAKE_FREE =
      """
      UPDATE <payment> AS p
         SET claimant = ?, claim_number = ?,
             lease_until = clock_timestamp() + ? * interval '1 millisecond',
             attempts = p.attempts + CASE WHEN p.lease_until = '-infinity' THEN 0 ELSE 1 END
        FROM free
       WHERE p.tenant = free.t AND p.operation = free.o AND p.key = free.k
      RETURNING <columns>, free.crashed\
      """;

  /**
   * Waits for nobody: whoever has the row locked is at it. A lease that ended counts as a crash.
   */
  private static final String TAKE =
      """
      WITH free AS MATERIALIZED (
        SELECT tenant AS t, operation AS o, key AS k, lease_until > '-infinity' AS crashed
          FROM <payment>
         WHERE tenant = ? AND operation = ? AND key = ?
           AND state IN ('RUNNING', 'UNKNOWN')
           AND lease_until <= clock_timestamp() AND due_at <= clock_timestamp()
           FOR UPDATE SKIP LOCKED)
      """
          + TAKE_FREE;

  /** As TAKE, of what falls due first, and that no process may still come back for. */
  private static final String TAKE_DUE =
      """
      WITH free AS MATERIALIZED (
        SELECT tenant AS t, operation AS o, key AS k, lease_until > '-infinity' AS crashed
          FROM <payment>
         WHERE operation = ? AND finished_at = 'infinity' AND steps_version <= ?
           AND state IN ('RUNNING', 'UNKNOWN')
           AND lease_until + ? * interval '1 millisecond' <= clock_timestamp()
           AND due_at <= clock_timestamp()
         ORDER BY due_at
         LIMIT 1
           FOR UPDATE SKIP LOCKED)
      """
          + TAKE_FREE;

  /** Behind the columns of a row. */
  private static final int CRASHED = PaymentRowSql.IS_FORGETTABLE + 1;

  private final String take;
  private final String takeDue;

  TakeSql(Table<?> table) {
    this.take = PaymentRowSql.withNames(TAKE, table);
    this.takeDue = PaymentRowSql.withNames(TAKE_DUE, table);
  }

  /**
   * A payment that was claimed just now.
   *
   * @param crashed whether its last holder did not give it back
   */
  record Taken(PaymentRow row, boolean crashed) {}

  private static @Nullable Taken taken(PreparedStatement statement) throws SQLException {
    try (ResultSet rows = statement.executeQuery()) {
      PaymentRow row = PaymentRowSql.first(rows);
      if (row == null) {
        return null;
      }
      PaymentRowSql.requireLasting(rows, PaymentRowSql.IS_FORGETTABLE);
      return new Taken(row, rows.getBoolean(CRASHED));
    }
  }

  /** Null if it cannot be taken any more. */
  @Nullable Taken take(Connection connection, IdempotencyKey key, Fence fence, Duration lease) {
    try (PreparedStatement statement = connection.prepareStatement(take)) {
      int next = PaymentRowSql.bindKey(statement, 1, key);
      next = fence.bind(statement, next);
      statement.setLong(next, lease.toMillis());
      return taken(statement);
    } catch (SQLException e) {
      throw PaymentRowSql.failed(e);
    }
  }

  /**
   * Null if nothing is due.
   *
   * @param version of the newest steps that this process knows
   * @param grace how long the client of a crashed process has the first try
   */
  @Nullable Taken takeDue(
      Connection connection,
      String operation,
      int version,
      Fence fence,
      Duration lease,
      Duration grace) {
    try (PreparedStatement statement = connection.prepareStatement(takeDue)) {
      statement.setString(1, operation);
      statement.setInt(2, version);
      statement.setLong(3, grace.toMillis());
      int next = fence.bind(statement, 4);
      statement.setLong(next, lease.toMillis());
      return taken(statement);
    } catch (SQLException e) {
      throw PaymentRowSql.failed(e);
    }
  }
}
