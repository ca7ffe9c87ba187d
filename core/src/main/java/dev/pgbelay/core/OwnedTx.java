package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jooq.Configuration;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** A transaction that {@link Transactions} opened. */
final class OwnedTx implements Tx {
  private final DataSource dataSource;
  private final PGConnection driver;
  private final Connection guarded;
  private final TxOptions options;
  private final Timeouts timeouts;
  private final Configuration unbounded;
  private final DSLContext dsl;
  private final List<Consumer<? super Commit<?>>> hooks = new ArrayList<>();
  private @Nullable String id;
  private boolean connectionUsed;
  private boolean noRetry;
  private boolean wasOpen;

  OwnedTx(
      DataSource dataSource,
      Connection connection,
      PGConnection driver,
      Configuration configuration,
      TxOptions options,
      Timeouts timeouts) {
    this.dataSource = dataSource;
    this.driver = driver;
    this.options = options;
    this.timeouts = timeouts;
    this.guarded = GuardedConnection.around(connection, this);
    Configuration own = configuration.derive(new Provider());
    own.set(new SavepointTransactions(guarded, hooks));
    this.unbounded = own;
    if (timeouts.deadline() == null && timeouts.lockMillis() == 0) {
      this.dsl = DSL.using(own);
    } else {
      Configuration bounded = own.derive();
      bounded.setAppending(timeouts.listener());
      this.dsl = DSL.using(bounded);
    }
  }

  /** The transaction that opened the connection which {@code configuration} works on. */
  static @Nullable OwnedTx of(Configuration configuration) {
    return configuration.connectionProvider() instanceof Provider provider ? provider.tx() : null;
  }

  private final class Provider implements ConnectionProvider {
    @Override
    public Connection acquire() {
      return connection();
    }

    @Override
    public void release(Connection connection) {}

    OwnedTx tx() {
      return OwnedTx.this;
    }
  }

  @Override
  public DSLContext dsl() {
    return dsl;
  }

  @Override
  public Connection connection() {
    connectionUsed = true;
    return guarded;
  }

  @Override
  public String id() {
    if (id == null) {
      id = UUID.randomUUID().toString();
    }
    return id;
  }

  @Override
  public void afterCommit(Consumer<? super Commit<?>> hook) {
    hooks.add(hook);
  }

  @Override
  public void noRetryAfterThis() {
    noRetry = true;
  }

  @Override
  public Optional<Duration> remaining() {
    Deadline deadline = timeouts.deadline();
    return deadline == null
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(deadline.remainingNanos()));
  }

  @Override
  public <T extends @Nullable Object, X extends Exception> T within(
      Duration time, TxWork<T, X> work) throws X {
    return BoundedTx.run(this, unbounded, guarded, options.path(), timeouts.deadline(), time, work);
  }

  String path() {
    return options.path();
  }

  TxOptions options() {
    return options;
  }

  DataSource dataSource() {
    return dataSource;
  }

  PGConnection driver() {
    return driver;
  }

  /** Called between statements: a transaction that was open once and is idle at its end, ended. */
  void noticeState() {
    wasOpen = wasOpen || PgDriver.state(driver) != PgDriver.State.IDLE;
  }

  /** Whether COMMIT or ROLLBACK was sent behind the back of {@link Transactions}. */
  boolean endedInside() {
    return wasOpen && PgDriver.state(driver) == PgDriver.State.IDLE;
  }

  boolean mayHaveSentStatements() {
    return connectionUsed;
  }

  boolean mayRetry() {
    return !noRetry;
  }

  List<Consumer<? super Commit<?>>> hooks() {
    return hooks;
  }
}
