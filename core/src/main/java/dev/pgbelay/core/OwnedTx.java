package dev.pgbelay.core;

import dev.pgbelay.core.internal.CommittedAs;
import dev.pgbelay.core.internal.PlainHooks;
import dev.pgbelay.core.internal.RetryBar;
import dev.pgbelay.core.internal.SavepointRollbacks;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.core.internal.TransactionMemory;
import dev.pgbelay.core.internal.WithCommit;
import java.sql.Connection;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jooq.Configuration;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConnectionProvider;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** A transaction that {@link Transactions} opened. */
final class OwnedTx
    implements ConnectionOwner, WithCommit, CommittedAs, PlainHooks, StatementStart, RetryBar {
  /** What a savepoint keeps when it is rolled back to. */
  private record Mark(int hooks, int failures, TimeLimits.Mark limits) {}

  /** A nested run that joined, and threw. */
  record JoinedFailure(String path, Throwable failure) {}

  private final Object opener;
  private final DataSource dataSource;
  private final PGConnection driver;
  private final Connection guarded;
  private final TxOptions options;
  private final TimeLimits limits;
  private final TransactionWatch watch;
  private final Configuration configuration;
  private final List<Consumer<? super Commit<?>>> hooks = new ArrayList<>();
  private final List<JoinedFailure> failures = new ArrayList<>();
  private final IdentityHashMap<Savepoint, Mark> marks = new IdentityHashMap<>();
  private final Object attempt = new Object();
  private final Map<Class<?>, Object> memory = new HashMap<>(4);
  private @Nullable DSLContext dsl;
  private @Nullable String id;
  private boolean noRetry;
  private long rollbacks;
  private boolean runsHooks;
  private boolean hooksAskForPosition;
  private WithCommit.@Nullable Statement last;
  private @Nullable String committedAs;

  /**
   * @param opener tells the transactions of one {@link Transactions} from those of another
   */
  OwnedTx(
      Object opener,
      DataSource dataSource,
      Connection connection,
      PGConnection driver,
      Configuration configuration,
      TxOptions options,
      Timeouts timeouts) {
    this.opener = opener;
    this.dataSource = dataSource;
    this.driver = driver;
    this.options = options;
    this.watch = new TransactionWatch(driver, options.path());
    this.guarded = GuardedConnection.around(new DefaultConnectionProvider(connection), this);
    this.configuration = configuration;
    this.limits =
        new TimeLimits(guarded, watch, attempt, options.lockTimeout().orElse(null), timeouts);
  }

  /** The transaction that opened the connection which {@code configuration} works on. */
  static @Nullable OwnedTx of(Configuration configuration) {
    return configuration.connectionProvider() instanceof Provider provider ? provider.tx() : null;
  }

  private final class Provider
      implements ConnectionProvider, SavepointRollbacks, TransactionMemory {
    @Override
    public Connection acquire() {
      return guarded;
    }

    @Override
    public void release(Connection connection) {}

    OwnedTx tx() {
      return OwnedTx.this;
    }

    @Override
    public long savepointRollbacks() {
      return rollbacks;
    }

    @Override
    public <T> T remembered(Class<T> type, Supplier<T> first) {
      return type.cast(memory.computeIfAbsent(type, any -> first.get()));
    }
  }

  /** Made when it is asked for: what works on {@link #connection()} alone needs none. */
  @Override
  public DSLContext dsl() {
    if (dsl == null) {
      Configuration own = configuration.derive(new Provider());
      own.set(new SavepointTransactions(guarded));
      own.setAppending(limits.listener());
      dsl = DSL.using(own);
    }
    return dsl;
  }

  @Override
  public void withCommit(WithCommit.Statement statement) {
    if (last != null) {
      throw new IllegalStateException("one statement travels with COMMIT already");
    }
    last = statement;
  }

  @Override
  public Connection connection() {
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
    add(hook);
    hooksAskForPosition = true;
  }

  @Override
  public void afterCommit(Runnable hook) {
    add(commit -> hook.run());
  }

  private void add(Consumer<? super Commit<?>> hook) {
    if (!runsHooks) {
      watch.requireRunning();
    }
    hooks.add(hook);
  }

  @Override
  public void statementStarts() {
    limits.statementStarts();
  }

  @Override
  public void noRetryAfterThis() {
    noRetry = true;
  }

  @Override
  public Optional<Duration> remaining() {
    return limits.remaining();
  }

  @Override
  public <T extends @Nullable Object, X extends Exception> T within(
      Duration time, TxWork<T, X> work) throws X {
    return limits.within(this, time, work);
  }

  @Override
  public void savepointSet(Savepoint savepoint) {
    marks.put(savepoint, new Mark(hooks.size(), failures.size(), limits.mark()));
  }

  @Override
  public void savepointReleased(Savepoint savepoint) {
    marks.remove(savepoint);
  }

  /** What happened since then has not happened: its hooks and its failures are forgotten. */
  @Override
  public void rolledBackTo(Savepoint savepoint) {
    rollbacks++;
    Mark mark = marks.get(savepoint);
    limits.rolledBackTo(mark == null ? null : mark.limits());
    if (mark != null) {
      hooks.subList(Math.min(mark.hooks(), hooks.size()), hooks.size()).clear();
      failures.subList(Math.min(mark.failures(), failures.size()), failures.size()).clear();
    }
  }

  /** From here on the transaction can only be rolled back, unless a savepoint undoes that work. */
  void joinedWorkFailed(String path, Throwable failure) {
    failures.add(new JoinedFailure(path, failure));
  }

  Optional<JoinedFailure> joinedFailure() {
    return failures.stream().findFirst();
  }

  @Override
  public String path() {
    return options.path();
  }

  @Override
  public TransactionWatch watch() {
    return watch;
  }

  /** What COMMIT takes along. */
  WithCommit.@Nullable Statement last() {
    return last;
  }

  void committed(@Nullable String transactionId) {
    committedAs = transactionId;
  }

  @Override
  public Optional<String> committedAs() {
    return Optional.ofNullable(committedAs);
  }

  /** Tells this run of the transaction from every other. */
  Object attempt() {
    return attempt;
  }

  Object opener() {
    return opener;
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

  @Override
  public boolean mayRunAgain() {
    return !noRetry;
  }

  boolean hooksAskForPosition() {
    return hooksAskForPosition;
  }

  /** A hook may add another one, which is called as well. */
  void eachHook(Consumer<Consumer<? super Commit<?>>> call) {
    runsHooks = true;
    for (int i = 0; i < hooks.size(); i++) {
      call.accept(hooks.get(i));
    }
    runsHooks = false;
  }
}
