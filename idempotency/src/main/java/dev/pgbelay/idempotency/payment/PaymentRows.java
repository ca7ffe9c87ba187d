package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Reads the columns that {@link PaymentSql} asks for. */
final class PaymentRows {
  private PaymentRows() {}

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
        PaymentState.valueOf(rows.getString(1)),
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

  private static List<byte[]> results(ResultSet rows, int column) throws SQLException {
    List<byte[]> results = new ArrayList<>();
    for (Object each : (Object[]) array(rows, column)) {
      results.add((byte[]) each);
    }
    return List.copyOf(results);
  }

  private static Object array(ResultSet rows, int column) throws SQLException {
    Array array = rows.getArray(column);
    try {
      return array.getArray();
    } finally {
      array.free();
    }
  }
}
