package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.internal.KeyLock;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HexFormat;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements that carry one payment on. */
final class PaymentSql {
  private static final String FIND =
      """
      SELECT <columns>
        FROM <payment>
       WHERE tenant = ? AND operation = ? AND key = ?\
      """;

  /** Two statements, and so a snapshot that is younger than the lock. */
  private static final String LOCK_AND_FIND =
      "SELECT pg_try_advisory_xact_lock(?), <forgettable>;\n" + FIND;

  /** Waits for whoever is writing it or guards it. */
  private static final String LOCK_ROW = FIND + " FOR UPDATE";

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

  private static final String INSERT =
      """
      INSERT INTO <payment>
        (tenant, operation, key, fingerprint_version, fingerprint, request, claimant, claim_number,
         steps_version, done, results, asked, asked_at, refusal, state, response, finished_at,
         lease_until)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
              CASE WHEN CAST(? AS text) IS NOT NULL THEN clock_timestamp() END, ?, ?, ?,
              CASE WHEN CAST(? AS text) = 'COMPLETED'
                   THEN clock_timestamp() ELSE 'infinity' END,
              CASE WHEN CAST(? AS bigint) IS NULL THEN timestamptz '-infinity'
                   ELSE clock_timestamp() + ? * interval '1 millisecond' END)
      ON CONFLICT (tenant, operation, key) DO NOTHING
      RETURNING <forgettable>\
      """;

  /** Every write of whoever has the claim; of anybody else's it changes nothing. */
  private static final String SAVE =
      """
      UPDATE <payment>
         SET steps_version = ?, done = ?, results = ?, asked = ?,
             asked_at = CASE WHEN CAST(? AS text) IS NULL THEN NULL
                             WHEN asked = CAST(? AS text) THEN asked_at ELSE clock_timestamp() END,
             refusal = ?, state = ?, response = ?,
             finished_at = CASE WHEN CAST(? AS text) = 'COMPLETED'
                                THEN clock_timestamp() ELSE 'infinity' END,
             unknown_since = CASE WHEN CAST(? AS text) IN ('UNKNOWN', 'PARKED')
                                  THEN coalesce(unknown_since, clock_timestamp()) END,
             escalated = escalated AND CAST(? AS text) IN ('UNKNOWN', 'PARKED'),
             attempts = ?, reason = ?,
             due_at = clock_timestamp() + ? * interval '1 millisecond',
             lease_until = CASE WHEN CAST(? AS bigint) IS NULL THEN timestamptz '-infinity'
                                ELSE clock_timestamp() + ? * interval '1 millisecond' END
       WHERE tenant = ? AND operation = ? AND key = ?
         AND claimant = ? AND claim_number = ? AND state <> 'COMPLETED'
      RETURNING <forgettable>\
      """;

  private static final String SEIZE =
      """
      UPDATE <payment> SET claimant = ?, claim_number = ?
       WHERE tenant = ? AND operation = ? AND key = ?\
      """;

  /**
   * Whether a commit of this session is acknowledged before it is where the configuration wants it:
   * a crash, or a fail-over to a synchronous standby, would forget it.
   */
  private static final String FORGETTABLE =
      """
      current_setting('synchronous_commit') = 'off'
             OR (current_setting('synchronous_commit') = 'local'
                 AND current_setting('synchronous_standby_names') <> '')\
      """;

  /** Of {@link #COLUMNS}, and behind them. */
  private static final int IS_FORGETTABLE = 21;

  private static final int CRASHED = 22;

  private static final String COLUMNS =
      """
      state, steps_version, fingerprint_version, fingerprint, request, done, results, asked,
             refusal, claimant, claim_number, lease_until > clock_timestamp(),
             CASE WHEN due_at > clock_timestamp()
                  THEN CAST(extract(epoch FROM due_at - clock_timestamp()) * 1000 AS bigint) + 1
                  ELSE 0 END,
             CASE WHEN asked_at IS NOT NULL
                  THEN greatest(0, CAST(extract(epoch FROM clock_timestamp() - asked_at) * 1000
                                        AS bigint)) END,
             attempts, response,
             CASE WHEN finished_at < 'infinity'
                  THEN CAST(extract(epoch FROM clock_timestamp() - finished_at) * 1000 AS bigint)
                  END, tenant, operation, key, <forgettable>\
      """;

  private final Table<?> table;
  private final String lockAndFind;
  private final String find;
  private final String lockRow;
  private final String take;
  private final String takeDue;
  private final String insert;
  private final String save;
  private final String seize;

  PaymentSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "payment"));
    this.lockAndFind = withNames(LOCK_AND_FIND);
    this.find = withNames(FIND);
    this.lockRow = withNames(LOCK_ROW);
    this.take = withNames(TAKE);
    this.takeDue = withNames(TAKE_DUE);
    this.insert = withNames(INSERT);
    this.save = withNames(SAVE);
    this.seize = withNames(SEIZE);
  }

  private String withNames(String statement) {
    return statement
        .replace("<columns>", COLUMNS)
        .replace("<forgettable>", FORGETTABLE)
        .replace("<payment>", DSL.using(SQLDialect.POSTGRES).render(table));
  }

  Table<?> table() {
    return table;
  }

  /**
   * What a look at a key found.
   *
   * @param locked whether this transaction has the key's lock
   * @param row null if there is no committed one
   */
  record Look(boolean locked, @Nullable PaymentRow row) {}

  /**
   * Tries the key's lock, waits for nobody, and looks.
   *
   * @throws PgBelayException as every method here that claims or writes does, under {@code
   *     synchronous_commit = off}, or {@code local} with synchronous standbys: a claim that a crash
   *     forgets lets the provider be asked again under nobody's eyes
   */
  Look lockAndFind(Connection connection, IdempotencyKey key) {
    try (PreparedStatement statement = connection.prepareStatement(lockAndFind)) {
      statement.setLong(1, KeyLock.number(key));
      bindKey(statement, 2, key);
      statement.execute();
      boolean locked;
      try (ResultSet row = statement.getResultSet()) {
        row.next();
        locked = row.getBoolean(1);
        requireLasting(row, 2);
      }
      statement.getMoreResults();
      try (ResultSet row = statement.getResultSet()) {
        return new Look(locked, PaymentRows.first(row));
      }
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Under any settings: it writes nothing. */
  @Nullable PaymentRow find(Connection connection, IdempotencyKey key) {
    return byKey(connection, find, key, false);
  }

  /** Locks the row until the transaction ends; waits for whoever has it. */
  @Nullable PaymentRow lockRow(Connection connection, IdempotencyKey key) {
    return byKey(connection, lockRow, key, true);
  }

  private static @Nullable PaymentRow byKey(
      Connection connection, String query, IdempotencyKey key, boolean writes) {
    try (PreparedStatement statement = connection.prepareStatement(query)) {
      bindKey(statement, 1, key);
      try (ResultSet row = statement.executeQuery()) {
        PaymentRow found = PaymentRows.first(row);
        if (found != null && writes) {
          requireLasting(row, IS_FORGETTABLE);
        }
        return found;
      }
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /**
   * A payment that was claimed just now.
   *
   * @param crashed whether its last holder did not give it back
   */
  record Taken(PaymentRow row, boolean crashed) {}

  private static @Nullable Taken taken(PreparedStatement statement) throws SQLException {
    try (ResultSet rows = statement.executeQuery()) {
      PaymentRow row = PaymentRows.first(rows);
      if (row == null) {
        return null;
      }
      requireLasting(rows, IS_FORGETTABLE);
      return new Taken(row, rows.getBoolean(CRASHED));
    }
  }

  /** Whether a row was written. A step before may have changed the setting for its transaction. */
  private static boolean written(PreparedStatement statement) throws SQLException {
    try (ResultSet rows = statement.executeQuery()) {
      if (!rows.next()) {
        return false;
      }
      requireLasting(rows, 1);
      return true;
    }
  }

  private static void requireLasting(ResultSet row, int column) throws SQLException {
    if (row.getBoolean(column)) {
      throw new PgBelayException(
          "synchronous_commit is off, or is local where there are synchronous standbys: a crash of"
              + " the server would forget that a provider was about to be asked. Set it to on for"
              + " the role or the options of payments");
    }
  }

  /** Null if it cannot be taken any more. */
  @Nullable Taken take(Connection connection, IdempotencyKey key, Fence fence, Duration lease) {
    try (PreparedStatement statement = connection.prepareStatement(take)) {
      int next = bindKey(statement, 1, key);
      next = fence.bind(statement, next);
      statement.setLong(next, lease.toMillis());
      return taken(statement);
    } catch (SQLException e) {
      throw failed(e);
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
      throw failed(e);
    }
  }

  /** Whether it was inserted; if not, there is a row that the look did not see. */
  boolean insert(Connection connection, Claim<?> claim, PaymentWrite write) {
    try (PreparedStatement statement = connection.prepareStatement(insert)) {
      Binding bind = new Binding(statement, bindKey(statement, 1, claim.key()));
      bind.number((short) claim.fingerprint().version());
      bind.bytes(HexFormat.of().parseHex(claim.fingerprint().sha256()));
      bind.bytes(claim.requestBytes());
      bind.fence(claim.fence());
      bind.number(write.version());
      bind.progress(connection, write.progress());
      bind.text(write.progress().asked());
      bind.text(write.progress().refusal());
      bind.text(write.state().name());
      bind.bytes(write.response());
      bind.text(write.state().name());
      bind.millis(write.lease());
      bind.millis(write.lease());
      return written(statement);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Whether the claim is still held; if not, nothing was changed. */
  boolean save(Connection connection, IdempotencyKey key, Fence fence, PaymentWrite write) {
    try (PreparedStatement statement = connection.prepareStatement(save)) {
      Binding bind = new Binding(statement, 1);
      String asked = write.progress().asked();
      String state = write.state().name();
      bind.number(write.version());
      bind.progress(connection, write.progress());
      bind.text(asked);
      bind.text(asked);
      bind.text(write.progress().refusal());
      bind.text(state);
      bind.bytes(write.response());
      bind.text(state);
      bind.text(state);
      bind.text(state);
      bind.number(write.attempts());
      bind.text(write.reason());
      bind.millis(write.pause());
      bind.millis(write.lease());
      bind.millis(write.lease());
      int next = bindKey(statement, bind.next(), key);
      fence.bind(statement, next);
      return written(statement);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Takes a row away from whoever has it, which this transaction has locked. */
  void seize(Connection connection, IdempotencyKey key, Fence fence) {
    try (PreparedStatement statement = connection.prepareStatement(seize)) {
      int next = fence.bind(statement, 1);
      bindKey(statement, next, key);
      statement.executeUpdate();
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static int bindKey(PreparedStatement statement, int first, IdempotencyKey key)
      throws SQLException {
    statement.setString(first, key.tenant());
    statement.setString(first + 1, key.operation());
    statement.setString(first + 2, key.key());
    return first + 3;
  }

  private static RuntimeException failed(SQLException e) {
    return MissingTable.explained(
        new DataAccessException("a statement about a payment failed", e),
        "payments",
        "idempotency");
  }
}
