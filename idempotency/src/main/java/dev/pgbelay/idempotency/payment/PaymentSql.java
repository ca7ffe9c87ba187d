package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.internal.KeyLock;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
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

  private static final String SEIZE =
      """
      UPDATE <payment> SET claimant = ?, claim_number = ?
       WHERE tenant = ? AND operation = ? AND key = ?\
      """;

  private final Table<?> table;
  private final String lockAndFind;
  private final String find;
  private final String lockRow;
  private final String seize;

  PaymentSql(String schema) {
    this.table = DSL.table(DSL.name(schema, "payment"));
    this.lockAndFind = PaymentRowSql.withNames(LOCK_AND_FIND, table);
    this.find = PaymentRowSql.withNames(FIND, table);
    this.lockRow = PaymentRowSql.withNames(LOCK_ROW, table);
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
