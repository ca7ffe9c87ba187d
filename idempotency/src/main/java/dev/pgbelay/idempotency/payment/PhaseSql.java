package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.WithCommit;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.HexFormat;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/**
 * The statements with which a phase ends. They travel with COMMIT, which must not happen without
 * them: where they cannot do what they are for, they fail.
 */
final class PhaseSql {
  private static final String LOST = "the claim is lost";
  private static final String FORGOTTEN = "this commit may be forgotten";
  private static final String INVALID_TEXT = "22P02";

  /** Of the primary key, as PostgreSQL names it. */
  private static final String CONSTRAINT = "payment_pkey";

  private static final String INSERT =
      """
      INSERT INTO <payment>
        (tenant, operation, key, fingerprint_version, fingerprint, request, claimant, claim_number,
         steps_version, done, results, asked, asked_at, refusal, state, response, finished_at,
         lease_until, provider_key)
      SELECT CAST(? AS text), CAST(? AS text), CAST(? AS text), CAST(? AS smallint),
             CAST(? AS bytea), CAST(? AS bytea), CAST(? AS uuid), CAST(? AS bigint),
             CAST(? AS integer), CAST(? AS text[]), CAST(? AS bytea[]), CAST(? AS text),
             CASE WHEN CAST(? AS text) IS NOT NULL THEN clock_timestamp() END, CAST(? AS text),
             CAST(? AS text), CAST(? AS bytea),
             CASE WHEN CAST(? AS text) = 'COMPLETED'
                  THEN clock_timestamp() ELSE 'infinity' END,
             CASE WHEN CAST(? AS bigint) IS NULL THEN timestamptz '-infinity'
                  ELSE clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond' END,
             CAST(? AS bytea)\
      """;

  static final String LASTING =
      """

      RETURNING CAST(CASE WHEN <forgettable> THEN '<forgotten>' ELSE '1' END AS integer)\
      """;

  private static final String INSERT_OR_FAIL = INSERT + LASTING;

  /** Every write of whoever has the claim; of anybody else's it changes nothing, and fails. */
  private static final String SAVE =
      """
      WITH saved AS (
        UPDATE <payment>
           SET steps_version = ?, done = ?, results = ?, asked = ?,
               asked_at = CASE WHEN CAST(? AS text) IS NULL THEN NULL
                               WHEN asked = CAST(? AS text) THEN asked_at
                               ELSE clock_timestamp() END,
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
        RETURNING <forgettable> AS forgettable)
      SELECT CAST(CASE WHEN count(*) = 0 THEN '<lost>'
                       WHEN bool_or(forgettable) THEN '<forgotten>' ELSE '1' END AS integer)
        FROM saved\
      """;

  /** The {@link #SAVE} of an answer, which is the last one of most payments: with less to say. */
  private static final String FINISH =
      """
      WITH saved AS (
        UPDATE <payment>
           SET steps_version = ?, done = ?, results = ?, asked = ?, asked_at = NULL, refusal = ?,
               state = 'COMPLETED', response = ?, finished_at = clock_timestamp(),
               unknown_since = NULL, escalated = false, attempts = 0, reason = NULL,
               due_at = clock_timestamp(), lease_until = '-infinity'
         WHERE tenant = ? AND operation = ? AND key = ?
           AND claimant = ? AND claim_number = ? AND state <> 'COMPLETED'
        RETURNING <forgettable> AS forgettable)
      SELECT CAST(CASE WHEN count(*) = 0 THEN '<lost>'
                       WHEN bool_or(forgettable) THEN '<forgotten>' ELSE '1' END AS integer)
        FROM saved\
      """;

  private final String insert;
  private final String save;
  private final String finish;

  PhaseSql(Table<?> table) {
    this.finish = withNames(FINISH, table);
    this.insert = withNames(INSERT_OR_FAIL, table);
    this.save = withNames(SAVE, table);
  }

  static String withNames(String statement, Table<?> table) {
    return PaymentRowSql.withNames(
        statement.replace("<lost>", LOST).replace("<forgotten>", FORGOTTEN), table);
  }

  /** Has the row inserted with COMMIT, whose failure {@link #explained} explains. */
  void insertWithCommit(Tx tx, Claim<?> claim, PaymentWrite write, byte @Nullable [] providerKey) {
    offer(
        tx,
        new WithCommit.Statement(
            insert, statement -> bindRow(statement, claim, write, providerKey)));
  }

  /** Has the row written with COMMIT, whose failure {@link #explained} explains. */
  void saveWithCommit(Tx tx, IdempotencyKey key, Fence fence, PaymentWrite write) {
    boolean finishes = write.state() == OpenPayment.State.COMPLETED;
    offer(
        tx,
        finishes
            ? new WithCommit.Statement(
                finish, statement -> bindFinish(statement, key, fence, write))
            : new WithCommit.Statement(save, statement -> bindSave(statement, key, fence, write)));
  }

  private static void offer(Tx tx, WithCommit.Statement statement) {
    if (!WithCommit.offer(tx, statement)) {
      throw new IllegalStateException("a phase has a transaction of its own");
    }
  }

  /**
   * Writes the row now.
   *
   * @throws ClaimLostException if the claim is gone; the transaction can only be rolled back then
   */
  void save(Connection connection, IdempotencyKey key, Fence fence, PaymentWrite write) {
    try (PreparedStatement statement = connection.prepareStatement(save)) {
      bindSave(statement, key, fence, write);
      statement.execute();
    } catch (SQLException e) {
      if (says(e, LOST)) {
        throw new ClaimLostException(key);
      }
      throw failed(e);
    }
  }

  static RuntimeException failed(SQLException e) {
    return says(e, FORGOTTEN) ? PaymentRowSql.forgettable() : PaymentRowSql.failed(e);
  }

  /** What a COMMIT that failed means for the payment. */
  static RuntimeException explained(TransactionException failure, IdempotencyKey key) {
    Throwable cause = failure.getCause();
    if (says(cause, LOST) || isTaken(failure)) {
      ClaimLostException lost = new ClaimLostException(key);
      lost.addSuppressed(failure);
      return lost;
    }
    return says(cause, FORGOTTEN) ? PaymentRowSql.forgettable() : failure;
  }

  private static boolean isTaken(TransactionException failure) {
    Throwable cause = failure.getCause();
    return failure.kind() == FailureKind.UNIQUE_VIOLATION
        && cause != null
        && PgDriver.constraint(cause).filter(CONSTRAINT::equals).isPresent();
  }

  private static boolean says(@Nullable Throwable failure, String what) {
    return failure instanceof SQLException e
        && INVALID_TEXT.equals(e.getSQLState())
        && PgDriver.serverMessage(e).contains('"' + what + '"');
  }

  private static void bindRow(
      PreparedStatement statement,
      Claim<?> claim,
      PaymentWrite write,
      byte @Nullable [] providerKey)
      throws SQLException {
    Binding bind = new Binding(statement, PaymentRowSql.bindKey(statement, 1, claim.key()));
    bind.number((short) claim.fingerprint().version());
    bind.bytes(HexFormat.of().parseHex(claim.fingerprint().sha256()));
    bind.bytes(claim.requestBytes());
    bind.fence(claim.fence());
    bind.number(write.version());
    bind.progress(write.progress());
    bind.text(write.progress().asked());
    bind.text(write.progress().refusal());
    bind.text(write.state().name());
    bind.bytes(write.response());
    bind.text(write.state().name());
    bind.millis(write.lease());
    bind.millis(write.lease());
    bind.bytes(providerKey);
  }

  private static void bindFinish(
      PreparedStatement statement, IdempotencyKey key, Fence fence, PaymentWrite write)
      throws SQLException {
    Binding bind = new Binding(statement, 1);
    bind.number(write.version());
    bind.progress(write.progress());
    bind.text(write.progress().refusal());
    bind.bytes(write.response());
    int next = PaymentRowSql.bindKey(statement, bind.next(), key);
    fence.bind(statement, next);
  }

  private static void bindSave(
      PreparedStatement statement, IdempotencyKey key, Fence fence, PaymentWrite write)
      throws SQLException {
    Binding bind = new Binding(statement, 1);
    String asked = write.progress().asked();
    String state = write.state().name();
    bind.number(write.version());
    bind.progress(write.progress());
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
  }
}
