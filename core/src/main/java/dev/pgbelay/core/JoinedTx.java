package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.jooq.Configuration;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.TransactionListener;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** A transaction that somebody else opened and will end. */
final class JoinedTx implements ConnectionOwner {
  private static final String PATH = "joined";

  private final DSLContext dsl;
  private final ConnectionProvider provider;
  private final TransactionWatch watch;
  private final Connection guarded;
  private final @Nullable Consumer<Runnable> ownerCallback;
  private final TimeLimits limits;
  private @Nullable String id;

  /**
   * @param dsl the owner's; what is sent through this transaction is seen, and it otherwise alike
   */
  private JoinedTx(
      DSLContext dsl, PGConnection driver, @Nullable Consumer<Runnable> ownerCallback) {
    this.provider = dsl.configuration().connectionProvider();
    this.watch = new TransactionWatch(driver, PATH);
    this.guarded = GuardedConnection.around(provider, this);
    this.ownerCallback = ownerCallback;
    this.limits = new TimeLimits(guarded, watch, new Object(), null, null);
    Configuration own = dsl.configuration().derive();
    own.setAppending(limits.listener());
    own.setAppending(TransactionListener.onRollbackEnd(savepoint -> limits.rolledBackTo(null)));
    this.dsl = DSL.using(own);
  }

  static Tx of(DSLContext dsl, @Nullable Consumer<Runnable> ownerCallback) {
    OwnedTx owned = OwnedTx.of(dsl.configuration());
    if (owned != null) {
      return owned;
    }
    ConnectionProvider provider = dsl.configuration().connectionProvider();
    Connection connection = provider.acquire();
    if (connection == null) {
      throw misuse("the DSLContext has no connection; give it one, or use Transactions", null);
    }
    try {
      Tx known = GuardedConnection.ownerOf(connection);
      return known != null ? known : enter(dsl, connection, provider, ownerCallback, true);
    } finally {
      provider.release(connection);
    }
  }

  static Tx of(Connection connection, @Nullable Consumer<Runnable> ownerCallback) {
    Tx known = GuardedConnection.ownerOf(connection);
    if (known != null) {
      return known;
    }
    DSLContext dsl = DSL.using(connection, SQLDialect.POSTGRES);
    return enter(dsl, connection, dsl.configuration().connectionProvider(), ownerCallback, false);
  }

  private static Tx enter(
      DSLContext dsl,
      Connection connection,
      ConnectionProvider provider,
      @Nullable Consumer<Runnable> ownerCallback,
      boolean mayHaveSeveral) {
    try {
      if (connection.getAutoCommit()) {
        throw misuse(
            "the connection is in autocommit: there is no transaction to join, and every statement"
                + " would commit by itself. Open one first (Transactions.run, dsl.transaction,"
                + " @Transactional, setAutoCommit(false))",
            null);
      }
      PGConnection driver = PgDriver.unwrap(connection);
      OwnedTx owned = OpenTransactions.ownedOn(driver);
      if (owned != null) {
        return owned;
      }
      if (mayHaveSeveral) {
        requireTheSameAgain(provider, driver);
      }
      JoinedTx tx = new JoinedTx(dsl, driver, ownerCallback);
      OpenTransactions.joined(driver, connection, provider, tx.watch.touched());
      return tx;
    } catch (SQLException e) {
      throw new TransactionException(
          Failures.classify(e), "the transaction could not be joined", e);
    }
  }

  /**
   * While one connection is out, whoever keeps a transaction hands out that very one again; a pool
   * hands out another. Asked one after the other, a pool could not be told: it gives the same.
   */
  private static void requireTheSameAgain(ConnectionProvider provider, PGConnection driver)
      throws SQLException {
    Connection again;
    try {
      again = provider.acquire();
    } catch (DataAccessException e) {
      throw severalConnections(e);
    }
    if (again == null) {
      throw severalConnections(null);
    }
    try {
      if (PgDriver.unwrap(again) != driver) {
        throw severalConnections(null);
      }
    } finally {
      provider.release(again);
    }
  }

  private static TransactionException severalConnections(@Nullable Throwable cause) {
    return misuse(
        "the DSLContext takes another connection for every statement, as over a plain pool with"
            + " autocommit off: no transaction holds them together. Join inside dsl.transaction,"
            + " inside @Transactional over a transaction-aware DataSource, or join the Connection",
        cause);
  }

  private static TransactionException misuse(String message, @Nullable Throwable cause) {
    return new TransactionException(FailureKind.MISUSE, message, cause);
  }

  @Override
  public DSLContext dsl() {
    return dsl;
  }

  @Override
  public Connection connection() {
    return guarded;
  }

  @Override
  public String path() {
    return PATH;
  }

  @Override
  public TransactionWatch watch() {
    return watch;
  }

  @Override
  public String id() {
    if (id == null) {
      watch.touched().set(true);
      id =
          dsl.connectionResult(
              connection -> {
                try (PreparedStatement ask =
                        connection.prepareStatement(TransactionSql.NAME_TRANSACTION);
                    ResultSet row = ask.executeQuery()) {
                  row.next();
                  return row.getString(1);
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
              + " callback to Tx.join(…, ownerCallback)",
          null);
    }
    Commit<@Nullable Void> commit = new Commit<>(null, Commit.Effect.UNKNOWN, Optional.empty(), 1);
    ownerCallback.accept(() -> hook.accept(commit));
  }

  /** The owner alone retries; {@link Transactions} never does it for a joined transaction. */
  @Override
  public void noRetryAfterThis() {}

  @Override
  public Optional<Duration> remaining() {
    return limits.remaining();
  }

  @Override
  public void rolledBackTo(Savepoint savepoint) {
    limits.rolledBackTo(null);
  }

  @Override
  public <T extends @Nullable Object, X extends Exception> T within(
      Duration time, TxWork<T, X> work) throws X {
    return limits.within(this, time, work);
  }
}
