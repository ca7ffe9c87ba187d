package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.internal.KeyLock;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HexFormat;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements about one payment whose key is known. */
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

  private static final String INSERT =
      """
      INSERT INTO <payment>
        (tenant, operation, key, fingerprint_version, fingerprint, request, claimant, claim_number,
         steps_version, done, results, asked, asked_at, refusal, state, response, finished_at,
         lease_until, provider_key)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
              CASE WHEN CAST(? AS text) IS NOT NULL THEN clock_timestamp() END, ?, ?, ?,
              CASE WHEN CAST(? AS text) = 'COMPLETED'
                   THEN clock_timestamp() ELSE 'infinity' END,
              CASE WHEN CAST(? AS bigint) IS NULL THEN timestamptz '-infinity'
                   ELSE clock_timestamp() + ? * interval '1 millisecond' END, ?)
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

  private final Table<?> table;
  private final String lockAndFind;
  private final String find;
  private final String lockRow;
  private final String insert;
  private final String save;
  private final String seize;

  PaymentSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "payment"));
    this.lockAndFind = PaymentRowSql.withNames(LOCK_AND_FIND, table);
    this.find = PaymentRowSql.withNames(FIND, table);
    this.lockRow = PaymentRowSql.withNames(LOCK_ROW, table);
    this.insert = PaymentRowSql.withNames(INSERT, table);
    this.save = PaymentRowSql.withNames(SAVE, table);
    this.seize = PaymentRowSql.withNames(SEIZE, table);
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
      PaymentRowSql.bindKey(statement, 2, key);
      statement.execute();
      boolean locked;
      try (ResultSet row = statement.getResultSet()) {
        row.next();
        locked = row.getBoolean(1);
        PaymentRowSql.requireLasting(row, 2);
      }
      statement.getMoreResults();
      try (ResultSet row = statement.getResultSet()) {
        return new Look(locked, PaymentRowSql.first(row));
      }
    } catch (SQLException e) {
      throw PaymentRowSql.failed(e);
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
      PaymentRowSql.bindKey(statement, 1, key);
      try (ResultSet row = statement.executeQuery()) {
        PaymentRow found = PaymentRowSql.first(row);
        if (found != null && writes) {
          PaymentRowSql.requireLasting(row, PaymentRowSql.IS_FORGETTABLE);
        }
        return found;
      }
    } catch (SQLException e) {
      throw PaymentRowSql.failed(e);
    }
  }

  /** Whether a row was written. A step before may have changed the setting for its transaction. */
  private static boolean written(PreparedStatement statement) throws SQLException {
    try (ResultSet rows = statement.executeQuery()) {
      if (!rows.next()) {
        return false;
      }
      PaymentRowSql.requireLasting(rows, 1);
      return true;
    }
  }

  /**
   * Whether it was inserted; if not, there is a row that the look did not see.
   *
   * @param providerKey what its provider keys begin with; null if nobody will look for it by them
   */
  boolean insert(
      Connection connection, Claim<?> claim, PaymentWrite write, byte @Nullable [] providerKey) {
    try (PreparedStatement statement = connection.prepareStatement(insert)) {
      Binding bind = new Binding(statement, PaymentRowSql.bindKey(statement, 1, claim.key()));
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
      bind.bytes(providerKey);
      return written(statement);
    } catch (SQLException e) {
      throw PaymentRowSql.failed(e);
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
      int next = PaymentRowSql.bindKey(statement, bind.next(), key);
      fence.bind(statement, next);
      return written(statement);
    } catch (SQLException e) {
      throw PaymentRowSql.failed(e);
    }
  }

  /** Takes a row away from whoever has it, which this transaction has locked. */
  void seize(Connection connection, IdempotencyKey key, Fence fence) {
    try (PreparedStatement statement = connection.prepareStatement(seize)) {
      int next = fence.bind(statement, 1);
      PaymentRowSql.bindKey(statement, next, key);
      statement.executeUpdate();
    } catch (SQLException e) {
      throw PaymentRowSql.failed(e);
    }
  }
}
