package dev.pgbelay.idempotency.reconciliation;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.MissingTable;
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
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements about records of the provider that lie beside the payments for a while. */
final class RecordSql {
  /** {0} table, {1} operation, {2} step, {3} run. */
  private static final String BEGIN =
      """
      INSERT INTO {0} (operation, step, run) VALUES ({1}, {2}, {3})
      ON CONFLICT (operation, step) DO UPDATE SET run = excluded.run, begun_at = excluded.begun_at
      RETURNING clock_timestamp() AS now\
      """;

  /** {0} table, {1} operation, {2} step. */
  private static final String PREVIOUS =
      """
      SELECT run FROM {0} WHERE operation = {1} AND step = {2} FOR UPDATE\
      """;

  /** {0} table, {1} operation, {2} step, {3} run. */
  private static final String HOLD =
      """
      SELECT 1 FROM {0} WHERE operation = {1} AND step = {2} AND run = {3} FOR SHARE\
      """;

  /** {0} table, {1} operation, {2} step, {3} run. */
  private static final String END =
      """
      DELETE FROM {0} WHERE operation = {1} AND step = {2} AND run = {3}\
      """;

  /** {0} table, {1} run, {2} limit. */
  private static final String SWEEP =
      """
      DELETE FROM {0} WHERE (run, provider_key, id) IN (
        SELECT run, provider_key, id FROM {0} WHERE run = {1} LIMIT {2})\
      """;

  private static final String PUT =
      """
      INSERT INTO <records> AS r
        (run, provider_key, id, tenant, operation, key, minor_units, currency, state, created_at)
      SELECT ?, page.*
        FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]),
                    CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS text[]),
                    CAST(? AS timestamptz[])) AS page
      ON CONFLICT (run, provider_key, id) DO UPDATE
         SET tenant = excluded.tenant, operation = excluded.operation, key = excluded.key,
             minor_units = excluded.minor_units, currency = excluded.currency,
             state = excluded.state, created_at = excluded.created_at\
      """;

  private static final String COLUMNS =
      "provider_key, id, tenant, operation, key, minor_units, currency, state, created_at";

  private static final String TAKE =
      """
      DELETE FROM <records>
       WHERE run = ? AND provider_key = ANY (CAST(? AS text[]))
      RETURNING <columns>\
      """;

  private static final String TAKE_REST =
      """
      DELETE FROM <records>
       WHERE (run, provider_key, id) IN (
         SELECT run, provider_key, id FROM <records> WHERE run = ?
          ORDER BY run, provider_key, id LIMIT ?)
      RETURNING <columns>\
      """;

  private final Table<?> runs;
  private final Table<?> records;
  private final String put;
  private final String take;
  private final String takeRest;

  RecordSql(String schema) {
    this.runs = DSL.table(DSL.name(schema, "payment_reconciliation"));
    this.records = DSL.table(DSL.name(schema, "payment_provider_record"));
    this.put = withNames(PUT);
    this.take = withNames(TAKE);
    this.takeRest = withNames(TAKE_REST);
  }

  private String withNames(String statement) {
    return statement
        .replace("<records>", DSL.using(SQLDialect.POSTGRES).render(records))
        .replace("<columns>", COLUMNS);
  }

  /** Locks what an earlier run left, until the transaction ends. */
  Optional<UUID> previous(Tx tx, String operation, String step) {
    return explained(
        () ->
            tx.dsl()
                .resultQuery(PREVIOUS, runs, val(operation), val(step))
                .fetchOptional(row -> row.get("run", UUID.class)));
  }

  /** The database's time, at which it begins; from here on an earlier run of the step fails. */
  Instant begin(Tx tx, String operation, String step, UUID run) {
    return explained(
        () ->
            tx.dsl()
                .resultQuery(BEGIN, runs, val(operation), val(step), val(run))
                .fetchSingle(row -> row.get("now", OffsetDateTime.class).toInstant()));
  }

  /** Whether the run is still the one under way; if so, until the transaction ends. */
  boolean hold(Tx tx, String operation, String step, UUID run) {
    return explained(
        () ->
            tx.dsl()
                .resultQuery(HOLD, runs, val(operation), val(step), val(run))
                .fetchOptional()
                .isPresent());
  }

  void end(Tx tx, String operation, String step, UUID run) {
    explained(() -> tx.dsl().query(END, runs, val(operation), val(step), val(run)).execute());
  }

  /** How many it deleted. */
  int sweep(Tx tx, UUID run, int limit) {
    return explained(() -> tx.dsl().query(SWEEP, records, val(run), val(limit)).execute());
  }

  /** No two may have both key and id in common. */
  void put(Connection connection, UUID run, Collection<ProviderRecord> page) {
    try (PreparedStatement statement = connection.prepareStatement(put)) {
      statement.setObject(1, run);
      Columns columns = new Columns(connection, statement, page);
      columns.set(2, "text", record -> record.providerKey().orElse(""));
      columns.set(3, "text", ProviderRecord::id);
      columns.set(4, "text", record -> record.payment().map(IdempotencyKey::tenant).orElse(null));
      columns.set(
          5, "text", record -> record.payment().map(IdempotencyKey::operation).orElse(null));
      columns.set(6, "text", record -> record.payment().map(IdempotencyKey::key).orElse(null));
      columns.set(7, "bigint", record -> record.amount().minorUnits());
      columns.set(8, "text", record -> record.amount().currency());
      columns.set(9, "text", record -> record.state().name());
      columns.set(
          10,
          "timestamptz",
          record -> OffsetDateTime.ofInstant(record.createdAt(), ZoneOffset.UTC).toString());
      statement.executeUpdate();
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private record Columns(
      Connection connection, PreparedStatement statement, Collection<ProviderRecord> page) {
    void set(int index, String type, Function<ProviderRecord, @Nullable Object> value)
        throws SQLException {
      Object[] values = page.stream().map(value).toArray();
      statement.setArray(index, connection.createArrayOf(type, values));
    }
  }

  /** Takes out all records under some keys. */
  List<ProviderRecord> take(Connection connection, UUID run, Collection<String> providerKeys) {
    try (PreparedStatement statement = connection.prepareStatement(take)) {
      statement.setObject(1, run);
      statement.setArray(2, connection.createArrayOf("text", providerKeys.toArray(String[]::new)));
      return rows(statement);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Takes out some of what is left; nothing once there is no more. */
  List<ProviderRecord> takeRest(Connection connection, UUID run, int limit) {
    try (PreparedStatement statement = connection.prepareStatement(takeRest)) {
      statement.setObject(1, run);
      statement.setInt(2, limit);
      return rows(statement);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static List<ProviderRecord> rows(PreparedStatement statement) throws SQLException {
    List<ProviderRecord> found = new ArrayList<>();
    try (ResultSet rows = statement.executeQuery()) {
      while (rows.next()) {
        found.add(
            new ProviderRecord(
                rows.getString(2),
                Optional.of(rows.getString(1)).filter(key -> !key.isEmpty()),
                rows.getString(5) == null
                    ? Optional.empty()
                    : Optional.of(
                        new IdempotencyKey(
                            rows.getString(3), rows.getString(4), rows.getString(5))),
                new Amount(rows.getLong(6), rows.getString(7)),
                ProviderRecord.State.valueOf(rows.getString(8)),
                rows.getObject(9, OffsetDateTime.class).toInstant()));
      }
    }
    return found;
  }

  private static <T> T explained(Supplier<T> statement) {
    try {
      return statement.get();
    } catch (DataAccessException e) {
      throw MissingTable.explained(e, "reconciliations", "idempotency");
    }
  }

  private static RuntimeException failed(SQLException e) {
    return MissingTable.explained(
        new DataAccessException("a statement about records of a provider failed", e),
        "reconciliations",
        "idempotency");
  }
}
