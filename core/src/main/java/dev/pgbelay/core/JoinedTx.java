package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** A transaction that somebody else opened and will end. */
final class JoinedTx implements Tx {
  private static final String PATH = "joined";

  private final DSLContext dsl;
  private final @Nullable Consumer<Runnable> ownerCallback;
  private @Nullable String id;

  private JoinedTx(DSLContext dsl, @Nullable Consumer<Runnable> ownerCallback) {
    this.dsl = dsl;
    this.ownerCallback = ownerCallback;
  }

  static Tx of(DSLContext dsl, @Nullable Consumer<Runnable> ownerCallback) {
    OwnedTx owned = OwnedTx.of(dsl.configuration());
    if (owned != null) {
      return owned;
    }
    ConnectionProvider provider = dsl.configuration().connectionProvider();
    Connection connection = provider.acquire();
    if (connection == null) {
      throw misuse("the DSLContext has no connection; give it one, or use Transactions");
    }
    try {
      owned = GuardedConnection.ownerOf(connection);
      return owned != null ? owned : enter(dsl, connection, provider, ownerCallback);
    } finally {
      provider.release(connection);
    }
  }

  static Tx of(Connection connection, @Nullable Consumer<Runnable> ownerCallback) {
    OwnedTx owned = GuardedConnection.ownerOf(connection);
    if (owned != null) {
      return owned;
    }
    DSLContext dsl = DSL.using(connection, SQLDialect.POSTGRES);
    return enter(dsl, connection, dsl.configuration().connectionProvider(), ownerCallback);
  }

  private static Tx enter(
      DSLContext dsl,
      Connection connection,
      ConnectionProvider provider,
      @Nullable Consumer<Runnable> ownerCallback) {
    try {
      if (connection.getAutoCommit()) {
        throw misuse(
            "the connection is in autocommit: there is no transaction to join, and every statement"
                + " would commit by itself. Open one first (Transactions.run, dsl.transaction,"
                + " @Transactional, setAutoCommit(false))");
      }
      PGConnection driver = PgDriver.unwrap(connection);
      OwnedTx owned = OpenTransactions.ownedOn(driver);
      if (owned != null) {
        return owned;
      }
      OpenTransactions.joined(driver, connection, provider);
      return new JoinedTx(dsl, ownerCallback);
    } catch (SQLException e) {
      throw new TransactionException(
          Failures.classify(e), "the transaction could not be joined", e);
    }
  }

  private static TransactionException misuse(String message) {
    return new TransactionException(FailureKind.MISUSE, message, null);
  }

  @Override
  public DSLContext dsl() {
    return dsl;
  }

  @Override
  public Connection connection() {
    Connection connection = dsl.configuration().connectionProvider().acquire();
    if (connection == null) {
      throw misuse("the joined transaction has ended");
    }
    return connection;
  }

  @Override
  public String id() {
    if (id == null) {
      String fresh = UUID.randomUUID().toString();
      id =
          dsl.connectionResult(
              connection -> {
                try (PreparedStatement mark =
                    connection.prepareStatement(TransactionSql.MARK_TRANSACTION)) {
                  mark.setString(1, fresh);
                  try (ResultSet row = mark.executeQuery()) {
                    row.next();
                    return row.getString(1);
                  }
                }
              });
    }
    return id;
  }

  @Override
  @SuppressWarnings("NullAway") // a type argument that admits null, which it does not follow
  public void afterCommit(Consumer<? super Commit<?>> hook) {
    if (ownerCallback == null) {
      throw misuse(
          "a hook after the commit needs the owner of this joined transaction to call it: pass its"
              + " callback to Tx.join(…, ownerCallback)");
    }
    Commit<@Nullable Void> commit = new Commit<>(null, Commit.Effect.UNKNOWN, Optional.empty(), 1);
    ownerCallback.accept(() -> hook.accept(commit));
  }

  /** The owner alone retries; {@link Transactions} never does it for a joined transaction. */
  @Override
  public void noRetryAfterThis() {}

  @Override
  public Optional<Duration> remaining() {
    return Optional.empty();
  }

  @Override
  public <T extends @Nullable Object, X extends Exception> T within(
      Duration time, TxWork<T, X> work) throws X {
    ConnectionProvider provider = dsl.configuration().connectionProvider();
    Connection connection = provider.acquire();
    if (connection == null) {
      throw misuse("the joined transaction has ended");
    }
    try {
      return BoundedTx.run(this, dsl.configuration(), connection, PATH, null, time, work);
    } finally {
      provider.release(connection);
    }
  }
}
