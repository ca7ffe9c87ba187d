package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.sql.Array;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * What the statements about a payment's row have in them alike, and how what they return is read.
 */
final class PaymentRowSql {
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
  static final int IS_FORGETTABLE = 21;

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

  private PaymentRowSql() {}

  static String withNames(String statement, Table<?> table) {
    return statement
        .replace("<columns>", COLUMNS)
        .replace("<forgettable>", FORGETTABLE)
        .replace("<payment>", DSL.using(SQLDialect.POSTGRES).render(table));
  }

  static @Nullable PaymentRow first(ResultSet rows) throws SQLException {
    if (!rows.next()) {
      return null;
    }
    Fingerprint fingerprint =
        new Fingerprint(rows.getShort(3), HexFormat.of().formatHex(rows.getBytes(4)));
    Progress progress =
        new Progress(
            List.of((String[]) array(rows, 6)),
            results(rows, 7),
            rows.getString(8),
            rows.getString(9));
    return new PaymentRow(
        new IdempotencyKey(rows.getString(18), rows.getString(19), rows.getString(20)),
        OpenPayment.State.valueOf(rows.getString(1)),
        rows.getInt(2),
        fingerprint,
        rows.getBytes(5),
        progress,
        Fence.read(rows, 10),
        rows.getBoolean(12),
        Duration.ofMillis(rows.getLong(13)),
        duration(rows, 14),
        rows.getInt(15),
        rows.getBytes(16),
        duration(rows, 17));
  }

  private static Optional<Duration> duration(ResultSet rows, int column) throws SQLException {
    long millis = rows.getLong(column);
    return rows.wasNull() ? Optional.empty() : Optional.of(Duration.ofMillis(millis));
  }

  static List<byte[]> results(ResultSet rows, int column) throws SQLException {
    List<byte[]> results = new ArrayList<>();
    for (Object each : (Object[]) array(rows, column)) {
      results.add((byte[]) each);
    }
    return List.copyOf(results);
  }

  static Object array(ResultSet rows, int column) throws SQLException {
    Array array = rows.getArray(column);
    try {
      return array.getArray();
    } finally {
      array.free();
    }
  }

  static void requireLasting(ResultSet row, int column) throws SQLException {
    if (row.getBoolean(column)) {
      throw forgettable();
    }
  }

  static PgBelayException forgettable() {
    return new PgBelayException(
        "synchronous_commit is off, or is local where there are synchronous standbys: a crash of"
            + " the server would forget that a provider was about to be asked. Set it to on for"
            + " the role or the options of payments");
  }

  static int bindKey(PreparedStatement statement, int first, IdempotencyKey key)
      throws SQLException {
    statement.setString(first, key.tenant());
    statement.setString(first + 1, key.operation());
    statement.setString(first + 2, key.key());
    return first + 3;
  }

  static RuntimeException failed(SQLException e) {
    return MissingTable.explained(
        new DataAccessException("a statement about a payment failed", e),
        "payments",
        "idempotency");
  }
}
