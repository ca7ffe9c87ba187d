package dev.pgbelay.testing;

import dev.pgbelay.core.PgBelayException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.sql.DataSource;

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
 * is bounded (a minute unless {@link #withLimit} says otherwise); when the bound is reached the
 * {@link AssertionError} lists what every session of the database is doing.
 *
 * <p>The DataSource must give one connection to each session, one more to watch them, and those
 * that the steps open themselves. The script is written in one thread. Closing it cancels what
 * still runs, rolls back and gives all connections back.
 */
public final class Interleaving implements AutoCloseable {
  private final DataSource dataSource;
  private final List<Session> sessions = new ArrayList<>();
  private final ScriptWatch watch;

  private Interleaving(DataSource dataSource) {
    this.dataSource = dataSource;
    this.watch = new ScriptWatch(dataSource);
  }

  /** Sessions take their connections from here. */
  public static Interleaving of(DataSource dataSource) {
    return new Interleaving(dataSource);
  }

  /** How long any single wait may take. */
  public Interleaving withLimit(Duration limit) {
    if (limit.isZero() || limit.isNegative()) {
      throw new PgBelayException("the limit must be positive: " + limit);
    }
    watch.limit(limit);
    return this;
  }

  /** A new session with a thread of its own; its connection is opened at its first step. */
  public Session session(String name) {
    Session session = new Session(name);
    sessions.add(session);
    return session;
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
    private final SessionActor actor;

    private Session(String name) {
      this.name = name;
      this.actor = new SessionActor(name, dataSource);
    }

    /**
     * For code under test that opens its own connections: those taken from here count as this
     * session's when the script waits for it to block.
     */
    public DataSource dataSource() {
      return actor.dataSource();
    }

    /** Starts a step on the session's connection and does not wait for it. */
    public <T> Step<T> start(String what, Work<T> work) {
      return submit(what, () -> work.run(actor.connection()));
    }

    /** Starts a step that opens its own connections, from {@link #dataSource()}. */
    public <T> Step<T> startOwn(String what, Callable<T> work) {
      return submit(what, work);
    }

    private <T> Step<T> submit(String what, Callable<T> work) {
      return new Step<>(this, what, actor.submit(work));
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
      watch.await(
          name + " to be idle in transaction",
          () -> watch.monitor().countInState(actor.pids(), "idle in transaction") > 0);
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
          blockers -> blockers.stream().anyMatch(other.actor.pids()::contains));
    }

    private interface BlockerTest {
      boolean holds(List<Integer> blockers);
    }

    private void awaitStep(String toWhat, BlockerTest test) throws Exception {
      watch.await(
          "\"" + what + "\" " + toWhat,
          () -> {
            boolean done = future.isDone();
            Set<Integer> pids = session.actor.pids();
            if (!done && test.holds(watch.monitor().blockersOf(pids))) {
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
        return future.get(watch.limitMillis(), TimeUnit.MILLISECONDS);
      } catch (ExecutionException e) {
        if (e.getCause() instanceof Exception cause) {
          throw cause;
        }
        throw e;
      } catch (TimeoutException e) {
        throw watch.timedOut("\"" + what + "\" to end");
      }
    }

    /** Waits for the end of the step and returns what it threw; fails if it threw nothing. */
    public Throwable failure() throws Exception {
      T value;
      try {
        value = future.get(watch.limitMillis(), TimeUnit.MILLISECONDS);
      } catch (ExecutionException e) {
        Throwable cause = e.getCause();
        return cause == null ? e : cause;
      } catch (TimeoutException e) {
        throw watch.timedOut("\"" + what + "\" to fail");
      }
      throw new AssertionError("\"" + what + "\" was expected to fail, but returned " + value);
    }
  }

  @Override
  public void close() throws SQLException {
    SQLException first = null;
    for (Session session : sessions) {
      try {
        session.actor.close(watch);
      } catch (SQLException e) {
        first = first == null ? e : first;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new ClusterException("interrupted while " + session + " was closed", e);
      }
    }
    watch.close();
    if (first != null) {
      throw first;
    }
  }
}
