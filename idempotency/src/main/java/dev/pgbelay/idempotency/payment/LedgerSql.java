package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements that read payments page by page, along their index. */
final class LedgerSql {
  private static final String COLUMNS =
      """
      p.tenant, p.operation, p.key, p.state, p.done, p.results, p.asked, p.refusal,
             p.fingerprint_version, p.fingerprint, p.request, p.claimant, p.claim_number,
             p.lease_until > clock_timestamp() AS held,
             p.created_at, p.asked_at, nullif(p.finished_at, 'infinity') AS finished_at,
             CASE p.state WHEN 'COMPLETED' THEN p.finished_at
                          WHEN 'UNKNOWN' THEN p.unknown_since
                          WHEN 'PARKED' THEN p.due_at END AS rests_since\
      """;

  /** Put so that only the index on it can serve it: another one would walk the finished ones. */
  private static final String OPEN =
      """
      SELECT <columns>
        FROM <payment> AS p
       WHERE p.operation = ?
         AND (p.finished_at, p.operation, p.tenant, p.key) > (timestamptz 'infinity', ?, ?, ?)
         AND (p.finished_at, p.operation) <= (timestamptz 'infinity', ?)
       ORDER BY p.finished_at, p.operation, p.tenant, p.key
       LIMIT ?\
      """;

  private static final String FINISHED =
      """
      SELECT <columns>
        FROM <payment> AS p
       WHERE p.operation = ? AND p.finished_at < 'infinity'
         AND (p.finished_at, p.operation, p.tenant, p.key) > (?, ?, ?, ?)
       ORDER BY p.finished_at, p.operation, p.tenant, p.key
       LIMIT ?\
      """;

  private static final String BY_KEY =
      """
      SELECT <columns>
        FROM unnest(CAST(? AS text[]), CAST(? AS text[])) AS k (tenant, key)
        JOIN <payment> AS p
          ON p.tenant = k.tenant AND p.operation = ? AND p.key = k.key\
      """;

  private final Table<?> table;
  private final String open;
  private final String finished;
  private final String byKey;

  LedgerSql(Table<?> table) {
    this.table = table;
    this.open = withNames(OPEN);
    this.finished = withNames(FINISHED);
    this.byKey = withNames(BY_KEY);
  }

  private String withNames(String statement) {
    return statement
        .replace("<columns>", COLUMNS)
        .replace("<payment>", DSL.using(SQLDialect.POSTGRES).render(table));
  }

  /**
   * A payment as it is stored.
   *
   * @param restsSince when it came to stand as it does, at the latest; null while it is at work
   */
  @SuppressWarnings("ArrayRecordComponent") // read by this package alone, never compared
  record Row(
      IdempotencyKey key,
      OpenPayment.State state,
      Progress progress,
      Fingerprint fingerprint,
      byte[] request,
      Optional<Fence> fence,
      boolean held,
      Instant begunAt,
      @Nullable Instant askedAt,
      @Nullable Instant finishedAt,
      @Nullable Instant restsSince) {}

  /** Behind a key; null for the first page. */
  List<Row> open(
      Connection connection, String operation, @Nullable IdempotencyKey after, int limit) {
    try (PreparedStatement statement = connection.prepareStatement(open)) {
      statement.setString(1, operation);
      bindAfter(statement, 2, operation, after);
      statement.setString(5, operation);
      statement.setInt(6, limit);
      return rows(statement);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Behind a time and, unless that is null, a key. */
  List<Row> finished(
      Connection connection,
      String operation,
      Instant since,
      @Nullable IdempotencyKey after,
      int limit) {
    try (PreparedStatement statement = connection.prepareStatement(finished)) {
      statement.setString(1, operation);
      statement.setObject(2, OffsetDateTime.ofInstant(since, ZoneOffset.UTC));
      bindAfter(statement, 3, operation, after);
      statement.setInt(6, limit);
      return rows(statement);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** In no order, and only those that there are. */
  List<Row> byKey(Connection connection, String operation, Collection<IdempotencyKey> keys) {
    try (PreparedStatement statement = connection.prepareStatement(byKey)) {
      statement.setArray(
          1,
          connection.createArrayOf(
              "text", keys.stream().map(IdempotencyKey::tenant).toArray(String[]::new)));
      statement.setArray(
          2,
          connection.createArrayOf(
              "text", keys.stream().map(IdempotencyKey::key).toArray(String[]::new)));
      statement.setString(3, operation);
      return rows(statement);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static void bindAfter(
      PreparedStatement statement, int first, String operation, @Nullable IdempotencyKey after)
      throws SQLException {
    statement.setString(first, operation);
    statement.setString(first + 1, after == null ? "" : after.tenant());
    statement.setString(first + 2, after == null ? "" : after.key());
  }

  private static List<Row> rows(PreparedStatement statement) throws SQLException {
    List<Row> found = new ArrayList<>();
    try (ResultSet rows = statement.executeQuery()) {
      while (rows.next()) {
        found.add(row(rows));
      }
    }
    return found;
  }

  private static Row row(ResultSet rows) throws SQLException {
    return new Row(
        new IdempotencyKey(rows.getString(1), rows.getString(2), rows.getString(3)),
        OpenPayment.State.valueOf(rows.getString(4)),
        new Progress(
            List.of((String[]) PaymentRowSql.array(rows, 5)),
            PaymentRowSql.results(rows, 6),
            rows.getString(7),
            rows.getString(8)),
        new Fingerprint(rows.getShort(9), HexFormat.of().formatHex(rows.getBytes(10))),
        rows.getBytes(11),
        Fence.read(rows, 12),
        rows.getBoolean(14),
        rows.getObject(15, OffsetDateTime.class).toInstant(),
        instant(rows, 16),
        instant(rows, 17),
        instant(rows, 18));
  }

  private static @Nullable Instant instant(ResultSet rows, int column) throws SQLException {
    OffsetDateTime time = rows.getObject(column, OffsetDateTime.class);
    return time == null ? null : time.toInstant();
  }

  private static RuntimeException failed(SQLException e) {
    return MissingTable.explained(
        new DataAccessException("payments could not be read", e), "payments", "idempotency");
  }
}
