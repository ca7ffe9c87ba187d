package dev.pgbelay.idempotency;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.WithCommit;
import dev.pgbelay.idempotency.internal.KeyLock;
import dev.pgbelay.idempotency.internal.Stored;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.HexFormat;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements about answers and their keys. */
final class KeySql {
  /** Binds the milliseconds that answers are kept, tenant, operation, key. */
  private static final String FIND =
      """
      SELECT fingerprint_version, fingerprint, response,
             CAST(extract(epoch FROM created_at - clock_timestamp()) * 1000 AS bigint) + ? AS left_ms
        FROM <key>
       WHERE tenant = ? AND operation = ? AND key = ?\
      """;

  /**
   * Two statements in one round trip, and so, under READ COMMITTED, with a snapshot each: whoever
   * gets the lock sees what its holder before committed. One statement would look with a snapshot
   * that is older than its lock.
   */
  private static final String LOCK_AND_FIND = "SELECT pg_try_advisory_xact_lock(?);\n" + FIND;

  /**
   * Finds a row in its way only if somebody wrote it without the lock, or under a snapshot that is
   * older than the lock; under REPEATABLE READ and SERIALIZABLE that is a 40001.
   */
  private static final String KEEP =
      """
      INSERT INTO <key> (tenant, operation, key, fingerprint_version, fingerprint, response)
      VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (tenant, operation, key) DO NOTHING\
      """;

  /**
   * Travels with COMMIT, which must not happen without it: fails where {@link #KEEP} does nothing.
   */
  private static final String KEEP_OR_FAIL =
      """
      INSERT INTO <key> (tenant, operation, key, fingerprint_version, fingerprint, response)
      VALUES (?, ?, ?, ?, ?, ?)\
      """;

  /** Of the primary key, as PostgreSQL names it. */
  private static final String CONSTRAINT = "idempotency_key_pkey";

  /** Fails, so that the transaction can only be rolled back. */
  private static final String SPOIL =
      "SELECT CAST('the work under an idempotency key failed' AS integer)";

  static final Field<String> OPERATION = DSL.field(DSL.name("operation"), SQLDataType.VARCHAR);
  static final Field<OffsetDateTime> CREATED_AT =
      DSL.field(DSL.name("created_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
  static final Field<String> TENANT = DSL.field(DSL.name("tenant"), SQLDataType.VARCHAR);
  static final Field<String> KEY = DSL.field(DSL.name("key"), SQLDataType.VARCHAR);

  private final Table<?> table;
  private final String find;
  private final String lockAndFind;
  private final String keep;
  private final String keepOrFail;

  KeySql(String schema) {
    this.table = DSL.table(DSL.name(schema, "idempotency_key"));
    String name = DSL.using(SQLDialect.POSTGRES).render(table);
    this.find = FIND.replace("<key>", name);
    this.lockAndFind = LOCK_AND_FIND.replace("<key>", name);
    this.keep = KEEP.replace("<key>", name);
    this.keepOrFail = KEEP_OR_FAIL.replace("<key>", name);
  }

  Table<?> table() {
    return table;
  }

  /**
   * What a look at a key found.
   *
   * @param locked whether this transaction has the key's lock
   * @param stored null if there is no committed row
   */
  record Look(boolean locked, @Nullable Stored stored) {}

  /** Tries the key's lock, waits for nobody, and looks. */
  Look lockAndFind(Connection connection, IdempotencyKey key, Duration retention)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(lockAndFind)) {
      statement.setLong(1, KeyLock.number(key));
      bindFind(statement, 2, key, retention);
      statement.execute();
      boolean locked;
      try (ResultSet row = statement.getResultSet()) {
        row.next();
        locked = row.getBoolean(1);
      }
      statement.getMoreResults();
      try (ResultSet row = statement.getResultSet()) {
        return new Look(locked, stored(row));
      }
    }
  }

  @Nullable Stored find(Connection connection, IdempotencyKey key, Duration retention)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(find)) {
      bindFind(statement, 1, key, retention);
      try (ResultSet row = statement.executeQuery()) {
        return stored(row);
      }
    }
  }

  /** Whether it was kept; if not, there is a row that the look did not see. */
  boolean keep(Connection connection, IdempotencyKey key, Fingerprint fingerprint, byte[] response)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(keep)) {
      bindKeep(statement, 1, key, fingerprint, response);
      return statement.executeUpdate() == 1;
    }
  }

  /**
   * Has the row written with the transaction's COMMIT, whose failure then {@link #isTaken}.
   *
   * @return false where another one ends the transaction: nothing was done
   */
  boolean keepWithCommit(Tx tx, IdempotencyKey key, Fingerprint fingerprint, byte[] response) {
    return WithCommit.offer(
        tx,
        new WithCommit.Statement(
            keepOrFail, statement -> bindKeep(statement, 1, key, fingerprint, response)));
  }

  /**
   * Binds what is kept.
   *
   * @return the index behind it
   */
  static int bindKeep(
      PreparedStatement statement,
      int first,
      IdempotencyKey key,
      Fingerprint fingerprint,
      byte[] response)
      throws SQLException {
    statement.setString(first, key.tenant());
    statement.setString(first + 1, key.operation());
    statement.setString(first + 2, key.key());
    statement.setShort(first + 3, (short) fingerprint.version());
    statement.setBytes(first + 4, HexFormat.of().parseHex(fingerprint.sha256()));
    statement.setBytes(first + 5, response);
    return first + 6;
  }

  /** Whether there is a row under the key, which nobody expected. */
  static boolean isTaken(Throwable failure) {
    return PgDriver.constraint(failure).filter(CONSTRAINT::equals).isPresent();
  }

  /** With a hint where the tables are missing. */
  static RuntimeException failed(DataAccessException failure) {
    return MissingTable.explained(failure, "idempotency keys", "idempotency");
  }

  static void spoil(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(SPOIL)) {
      statement.execute();
    }
  }

  private static void bindFind(
      PreparedStatement statement, int first, IdempotencyKey key, Duration retention)
      throws SQLException {
    statement.setLong(first, retention.toMillis());
    statement.setString(first + 1, key.tenant());
    statement.setString(first + 2, key.operation());
    statement.setString(first + 3, key.key());
  }

  private static @Nullable Stored stored(ResultSet row) throws SQLException {
    if (!row.next()) {
      return null;
    }
    Fingerprint fingerprint =
        new Fingerprint(row.getShort(1), HexFormat.of().formatHex(row.getBytes(2)));
    return new Stored(fingerprint, row.getBytes(3), Duration.ofMillis(row.getLong(4)));
  }
}
