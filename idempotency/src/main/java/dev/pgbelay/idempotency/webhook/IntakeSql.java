package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.idempotency.Fingerprint;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HexFormat;
import java.util.Optional;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;

/** The statements that take deliveries in. */
final class IntakeSql {
  /**
   * Whether a commit of this session is acknowledged before it is where the configuration wants it:
   * the provider would be told that an event is safe which a crash forgets.
   */
  private static final String FORGETTABLE =
      """
      (current_setting('synchronous_commit') = 'off'
              OR (current_setting('synchronous_commit') = 'local'
                  AND current_setting('synchronous_standby_names') <> ''))\
      """;

  /** Stores nothing where it would not last, and nothing where the event is stored. */
  private static final String STORE =
      """
      INSERT INTO <event>
        (provider, event_id, fingerprint_version, fingerprint, headers, body)
      SELECT CAST(? AS text), CAST(? AS text), CAST(? AS smallint), CAST(? AS bytea),
             CAST(? AS bytea), CAST(? AS bytea)
       WHERE NOT <forgettable>
      ON CONFLICT (provider, event_id) DO NOTHING
      RETURNING true\
      """;

  private static final String LOOK =
      """
      SELECT e.fingerprint_version, e.fingerprint, <forgettable>
        FROM (VALUES (CAST(? AS text), CAST(? AS text))) AS asked(p, i)
             LEFT JOIN <event> AS e ON e.provider = asked.p AND e.event_id = asked.i\
      """;

  private static final String KEEP_CONFLICT =
      """
      INSERT INTO <conflict>
        (provider, event_id, fingerprint_version, fingerprint, headers, body)
      VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (provider, event_id, fingerprint) DO NOTHING\
      """;

  /**
   * A delivery whose signature and id are right.
   *
   * @param headers as the codec wrote them
   * @param body as the codec wrote it
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Delivery(
      String provider, String eventId, Fingerprint fingerprint, byte[] headers, byte[] body) {}

  private final String store;
  private final String look;
  private final String keepConflict;

  IntakeSql(Table<?> event, Table<?> conflict) {
    this.store = withNames(STORE, event, conflict);
    this.look = withNames(LOOK, event, conflict);
    this.keepConflict = withNames(KEEP_CONFLICT, event, conflict);
  }

  private static String withNames(String statement, Table<?> event, Table<?> conflict) {
    return statement
        .replace("<forgettable>", FORGETTABLE)
        .replace("<event>", DSL.using(SQLDialect.POSTGRES).render(event))
        .replace("<conflict>", DSL.using(SQLDialect.POSTGRES).render(conflict));
  }

  /** Whether it was stored; a transaction by itself, in one round trip. */
  boolean store(Transactions transactions, TxOptions options, Delivery delivery) {
    try {
      return transactions.runStatement(
          options,
          store,
          statement -> bind(statement, delivery),
          executed -> {
            try (ResultSet row = executed.getResultSet()) {
              return row.next();
            }
          });
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /**
   * What the stored event says; empty if there is none.
   *
   * @throws PgBelayException where events are not stored because they would not last
   */
  Optional<Fingerprint> stored(Tx tx, Delivery delivery) {
    try (PreparedStatement statement = tx.connection().prepareStatement(look)) {
      statement.setString(1, delivery.provider());
      statement.setString(2, delivery.eventId());
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        if (row.getBoolean(3)) {
          throw new PgBelayException(
              "synchronous_commit is off, or is local where there are synchronous standbys: a crash"
                  + " of the server would forget an event that its provider was told to be safe."
                  + " Set it to on for the role of webhooks");
        }
        byte[] fingerprint = row.getBytes(2);
        return fingerprint == null
            ? Optional.empty()
            : Optional.of(new Fingerprint(row.getShort(1), HexFormat.of().formatHex(fingerprint)));
      }
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  void keepConflict(Tx tx, Delivery delivery) {
    try (PreparedStatement statement = tx.connection().prepareStatement(keepConflict)) {
      bind(statement, delivery);
      statement.executeUpdate();
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static void bind(PreparedStatement statement, Delivery delivery) throws SQLException {
    statement.setString(1, delivery.provider());
    statement.setString(2, delivery.eventId());
    statement.setShort(3, (short) delivery.fingerprint().version());
    statement.setBytes(4, HexFormat.of().parseHex(delivery.fingerprint().sha256()));
    statement.setBytes(5, delivery.headers());
    statement.setBytes(6, delivery.body());
  }

  static RuntimeException failed(SQLException e) {
    return MissingTable.explained(
        new DataAccessException("a statement about a webhook's event failed", e),
        "webhooks",
        "idempotency");
  }
}
