package dev.pgbelay.testing;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Runs two or more sessions in one chosen order, so that a race is a script and not a matter of
 * luck:
 *
 * <pre>{@code
 * try (Interleaving script = Interleaving.of(dataSource)) {
 *   Interleaving.Session a = script.session("a");
 *   Interleaving.Session b = script.session("b");
 *   a.run(c -> update(c, 1));
 *   b.run(c -> update(c, 2));
 *   Interleaving.Step<Integer> waiting = a.start("a takes row 2", c -> update(c, 2));
 *   waiting.awaitBlockedBy(b);
 *   b.commit();
 *   assertThat(waiting.get()).isEqualTo(1);
 * }
 * }</pre>
 *
 * Nothing sleeps and hopes: whether a session waits for a lock is asked of the server. Every wait
 * is bounded (10 seconds unless {@link #withLimit} says otherwise); when the bound is reached the
 * {@link AssertionError} lists what every session of the database is doing.
 *
 * <p>The DataSource must give one connection to each session, one more to watch them, and those
 * that the steps open themselves. The script is written in one thread. Closing it cancels what
 * still runs, rolls back and gives all connections back.
 */
public final class Interleaving implements AutoCloseable {
  private static final Duration CANCEL_LIMIT = Duration.ofSeconds(2);

  private final DataSource dataSource;
  private final List<Session> sessions = new ArrayList<>();
  private Duration limit = Duration.ofSeconds(10);
  private @Nullable SessionMonitor monitor;

  private Interleaving(DataSource dataSource) {
    this.dataSource = dataSource;
  }

  /** Sessions take their connections from here. */
  public static Interleaving of(DataSource dataSource) {
    return new Interleaving(dataSource);
  }

  /** How long any single wait may take. */
  public Interleaving withLimit(Duration limit) {
    if (limit.isZero() || limit.isNegative()) {
      throw new IllegalArgumentException("the limit must be positive: " + limit);
    }
    this.limit = limit;
    return this;
  }

  /** A new session with a thread of its own; its connection is opened at its first step. */
  public Session session(String name) {
    Session session = new Session(name);
    sessions.add(session);
    return session;
  }

  private SessionMonitor monitor() throws SQLException {
    SessionMonitor open = monitor;
    if (open == null) {
      open = new SessionMonitor(dataSource);
      monitor = open;
    }
    return open;
  }

  /** What a step does with its session's connection, which is outside autocommit. */
  @FunctionalInterface
  public interface Work<T> {
    /** Runs on the session's thread. */
    T run(Connection connection) throws Exception;
  }

  /** What a step does with its session's connection when there is nothing to return. */
  @FunctionalInterface
  public interface Action {
    /** Runs on the session's thread. */
    void run(Connection connection) throws Exception;
  }

  /** One actor of the script: a thread, and the connections opened on its behalf. */
  public final class Session {
    private final String name;
    private final PidRecordingDataSource recorded = new PidRecordingDataSource(dataSource);
    private final ExecutorService thread;
    private @Nullable Connection connection;
    private @Nullable Step<?> last;

    private Session(String name) {
      this.name = name;
      this.thread =
          Executors.newSingleThreadExecutor(
              task -> {
                Thread created = new Thread(task, "interleaving-" + name);
                created.setDaemon(true);
                return created;
              });
    }

    /**
     * For code under test that opens its own connections: those taken from here count as this
     * session's when the script waits for it to block.
     */
    public DataSource dataSource() {
      return recorded;
    }

    /** Starts a step on the session's connection and does not wait for it. */
    public <T> Step<T> start(String what, Work<T> work) {
      return submit(what, () -> work.run(connection()));
    }

    /** Starts a step that opens its own connections, from {@link #dataSource()}. */
    public <T> Step<T> startOwn(String what, Callable<T> work) {
      return submit(what, work);
    }

    private <T> Step<T> submit(String what, Callable<T> work) {
      Step<T> step = new Step<>(this, what, thread.submit(work));
      last = step;
      return step;
    }

    /** Runs a step to its end. */
    public void run(Action action) throws Exception {
      start(
              "a step of " + name,
              c -> {
                action.run(c);
                return true;
              })
          .get();
    }

    /** Commits the session's transaction. */
    public void commit() throws Exception {
      run(Connection::commit);
    }

    /** Rolls the session's transaction back. */
    public void rollback() throws Exception {
      run(Connection::rollback);
    }

    /** Waits until one of the session's connections sits idle inside a transaction. */
    public void awaitIdleInTransaction() throws Exception {
      awaitCondition(
          name + " to be idle in transaction",
          () -> monitor().countInState(recorded.pids(), "idle in transaction") > 0);
    }

    private Connection connection() throws SQLException {
      Connection open = connection;
      if (open == null) {
        open = recorded.getConnection();
        open.setAutoCommit(false);
        connection = open;
      }
      return open;
    }

    private boolean isBusy() {
      Step<?> step = last;
      return step != null && !step.isDone();
    }

    private void close() throws SQLException, InterruptedException {
      if (isBusy()) {
        monitor().cancel(recorded.pids());
        if (!endsWithin(CANCEL_LIMIT)) {
          monitor().terminate(recorded.pids());
        }
      }
      thread.shutdownNow();
      if (!thread.awaitTermination(limit.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new AssertionError(name + " does not end\n" + monitor().dump());
      }
      Connection open = connection;
      if (open != null && !open.isClosed()) {
        try {
          open.rollback();
        } finally {
          open.close();
        }
      }
    }

    private boolean endsWithin(Duration wait) throws InterruptedException {
      long deadline = System.nanoTime() + wait.toNanos();
      while (isBusy()) {
        if (System.nanoTime() > deadline) {
          return false;
        }
        TimeUnit.MILLISECONDS.sleep(2);
      }
      return true;
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /** Something a session has begun. */
  public final class Step<T> {
    private final Session session;
    private final String what;
    private final Future<T> future;

    private Step(Session session, String what, Future<T> future) {
      this.session = session;
      this.what = what;
      this.future = future;
    }

    /** Whether it has ended, well or not. */
    public boolean isDone() {
      return future.isDone();
    }

    /** Waits until the step waits for a lock; fails if it ends instead. */
    public void awaitBlocked() throws Exception {
      awaitStep("to be blocked", blockers -> !blockers.isEmpty());
    }

    /** Waits until the step waits for a lock that this session holds or wants before it. */
    public void awaitBlockedBy(Session other) throws Exception {
      awaitStep(
          "to be blocked by " + other,
          blockers -> blockers.stream().anyMatch(other.recorded.pids()::contains));
    }

    private interface BlockerTest {
      boolean holds(List<Integer> blockers);
    }

    private void awaitStep(String toWhat, BlockerTest test) throws Exception {
      awaitCondition(
          "\"" + what + "\" " + toWhat,
          () -> {
            boolean done = future.isDone();
            Set<Integer> pids = session.recorded.pids();
            if (!done && test.holds(monitor().blockersOf(pids))) {
              return true;
            }
            if (done) {
              throw new AssertionError(
                  "\"" + what + "\" was expected " + toWhat + ", but " + end());
            }
            return false;
          });
    }

    private String end() throws InterruptedException {
      try {
        return "it returned " + future.get();
      } catch (ExecutionException e) {
        return "it failed with " + e.getCause();
      }
    }

    /** Waits for the end of the step and returns what it returned or throws what it threw. */
    public T get() throws Exception {
      try {
        return future.get(limit.toMillis(), TimeUnit.MILLISECONDS);
      } catch (ExecutionException e) {
        if (e.getCause() instanceof Exception cause) {
          throw cause;
        }
        throw e;
      } catch (TimeoutException e) {
        throw timedOut("\"" + what + "\" to end");
      }
    }

    /** Waits for the end of the step and returns what it threw; fails if it threw nothing. */
    public Throwable failure() throws Exception {
      T value;
      try {
        value = future.get(limit.toMillis(), TimeUnit.MILLISECONDS);
      } catch (ExecutionException e) {
        Throwable cause = e.getCause();
        return cause == null ? e : cause;
      } catch (TimeoutException e) {
        throw timedOut("\"" + what + "\" to fail");
      }
      throw new AssertionError("\"" + what + "\" was expected to fail, but returned " + value);
    }
  }

  private interface Condition {
    boolean holds() throws Exception;
  }

  private void awaitCondition(String what, Condition condition) throws Exception {
    long deadline = System.nanoTime() + limit.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() > deadline) {
        throw timedOut(what);
      }
      TimeUnit.MILLISECONDS.sleep(2);
    }
  }

  private AssertionError timedOut(String what) throws SQLException {
    return new AssertionError(
        "waited "
            + limit
            + " for "
            + what
            + ". The sessions of the database:\n"
            + monitor().dump());
  }

  @Override
  public void close() throws SQLException {
    SQLException first = null;
    for (Session session : sessions) {
      try {
        session.close();
      } catch (SQLException e) {
        first = first == null ? e : first;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new ClusterException("interrupted while " + session + " was closed", e);
      }
    }
    if (monitor != null) {
      monitor.close();
    }
    if (first != null) {
      throw first;
    }
  }
}
