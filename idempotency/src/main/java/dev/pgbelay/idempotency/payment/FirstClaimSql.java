package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.internal.KeyLock;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HexFormat;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/** The claim of a payment that begins with a call of a provider: a transaction by itself. */
final class FirstClaimSql {
  /**
   * Waits for nobody: whoever has the key's lock is at it, and a row that is there is not run into,
   * since DO NOTHING waits for whoever is just changing it.
   */
  private static final String CLAIM =
      """
      INSERT INTO <payment>
        (tenant, operation, key, fingerprint_version, fingerprint, request, claimant, claim_number,
         steps_version, done, results, asked, asked_at, state, lease_until, provider_key)
      SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', '{}', ?, clock_timestamp(), 'RUNNING',
             clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond', ?
       WHERE NOT EXISTS (SELECT FROM <payment> WHERE tenant = ? AND operation = ? AND key = ?)
         AND pg_try_advisory_xact_lock(?)
      ON CONFLICT (tenant, operation, key) DO NOTHING\
      """
          + PhaseSql.LASTING;

  private final String claim;

  FirstClaimSql(Table<?> table) {
    this.claim = PhaseSql.withNames(CLAIM, table);
  }

  /**
   * Claims a new payment and records its first intent, in one message.
   *
   * @param write of a payment that goes on, with a lease
   * @param providerKey what its provider keys begin with; null if nobody will look for it by them
   * @return false if there is a row under the key, or somebody has its lock
   * @throws PgBelayException as {@link PaymentSql#lockAndFind}
   */
  boolean claim(
      Transactions transactions,
      TxOptions options,
      Claim<?> claim,
      PaymentWrite write,
      byte @Nullable [] providerKey) {
    try {
      return transactions.runStatement(
          options,
          this.claim,
          statement -> {
            Binding bind = new Binding(statement, PaymentRowSql.bindKey(statement, 1, claim.key()));
            bind.number((short) claim.fingerprint().version());
            bind.bytes(HexFormat.of().parseHex(claim.fingerprint().sha256()));
            bind.bytes(claim.requestBytes());
            bind.fence(claim.fence());
            bind.number(write.version());
            bind.text(write.progress().asked());
            bind.millis(write.lease());
            bind.bytes(providerKey);
            statement.setLong(
                PaymentRowSql.bindKey(statement, bind.next(), claim.key()),
                KeyLock.number(claim.key()));
          },
          executed -> {
            try (ResultSet rows = executed.getResultSet()) {
              return rows.next();
            }
          });
    } catch (SQLException e) {
      throw PhaseSql.failed(e);
    }
  }
}
