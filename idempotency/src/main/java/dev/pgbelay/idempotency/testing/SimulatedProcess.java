package dev.pgbelay.idempotency.testing;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * A process of the service under test, in this JVM. All it does to the world goes through {@link
 * #dataSource()} and {@link #outside}; there it is killed or stopped. From then on nothing of it
 * reaches database or provider any more, whatever its code does in its catch and finally blocks and
 * on its other threads: a killed one gets {@link ProcessKilledError}, a stopped one waits.
 *
 * <p>Safe for several threads.
 */
public final class SimulatedProcess {
  private final String name;
  private final DataSource database;
  private final Thread operation = Thread.currentThread();
  private final @Nullable Fate fate;
  private final List<String> passed = new ArrayList<>();
  private final Set<Connection> open = ConcurrentHashMap.newKeySet();
  private final Deque<AutoCloseable> atEnd = new ArrayDeque<>();
  private final CountDownLatch stopped = new CountDownLatch(1);
  private volatile @Nullable String killedAt;
  private volatile @Nullable CountDownLatch untilResumed;

  /**
   * What happens to the process, and where.
   *
   * @param boundary counted from 0 over the boundaries that it passes
   */
  record Fate(Fault fault, int boundary) {}

  /** Made on the thread that will run the operation: what other threads do is not counted. */
  SimulatedProcess(String name, DataSource database, @Nullable Fate fate) {
    this.name = name;
    this.database = database;
    this.fate = fate;
  }

  /**
   * The database as this process sees it. Opens a connection each time and closes it with the
   * session, as the sessions of a dead process end; a pool on top is possible, and is to be
   * registered with {@link #atEnd}.
   */
  public DataSource dataSource() {
    return new ProcessDataSource(this, database);
  }

  /**
   * A call of something outside the database, such as a provider: a boundary before it and one
   * behind it. Of calls on other threads too.
   *
   * @throws Exception what the call threw
   */
  public <T> T outside(String what, Callable<T> call) throws Exception {
    boundary("before call " + what, true);
    T result = call.call();
    boundary("after call " + what, true);
    return result;
  }

  /** What is closed once the process is over, the last first. */
  public synchronized void atEnd(AutoCloseable resource) {
    atEnd.push(resource);
  }

  /** The boundaries passed so far, in words. */
  synchronized List<String> passed() {
    return List.copyOf(passed);
  }

  /** Takes note of a boundary, and may not return from it as it came. */
  void boundary(String what) {
    boundary(what, Thread.currentThread() == operation);
  }

  private void boundary(String what, boolean counts) {
    requireRunning();
    if (counts && note(what)) {
      meetFate(what);
    }
  }

  private synchronized boolean note(String what) {
    passed.add(what);
    return fate != null && passed.size() - 1 == fate.boundary();
  }

  private void meetFate(String what) {
    if (fate != null && fate.fault() == Fault.KILLED) {
      kill(what);
    } else {
      untilResumed = new CountDownLatch(1);
      stopped.countDown();
    }
    requireRunning();
  }

  private void kill(String what) {
    killedAt = what;
    for (Connection connection : open) {
      abort(connection);
    }
  }

  /** Without a word to the server, which rolls back as soon as it sees the end of the stream. */
  private static void abort(Connection connection) {
    try {
      connection.abort(Runnable::run);
    } catch (SQLException e) {
      // then it was gone before
    }
  }

  /**
   * To be called before anything that reaches the world.
   *
   * @throws ProcessKilledError if the process is dead
   */
  void requireRunning() {
    CountDownLatch latch = untilResumed;
    if (latch != null && killedAt == null) {
      awaitUninterruptibly(latch);
    }
    String where = killedAt;
    if (where != null) {
      throw new ProcessKilledError(name, where);
    }
  }

  /** A stopped process does not notice interrupts. */
  private static void awaitUninterruptibly(CountDownLatch latch) {
    boolean interrupted = false;
    while (true) {
      try {
        latch.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Zero once the process stands still. */
  CountDownLatch stopped() {
    return stopped;
  }

  void resume() {
    CountDownLatch latch = untilResumed;
    if (latch != null) {
      latch.countDown();
    }
  }

  void opened(Connection connection) {
    open.add(connection);
    if (killedAt != null) {
      abort(connection);
    }
  }

  void closed(Connection connection) {
    open.remove(connection);
  }

  boolean isDead() {
    return killedAt != null;
  }

  /** Ends what is left of it. */
  void end() {
    resume();
    Deque<AutoCloseable> all;
    synchronized (this) {
      all = new ArrayDeque<>(atEnd);
      atEnd.clear();
    }
    for (AutoCloseable one : all) {
      try {
        one.close();
      } catch (Exception | ProcessKilledError e) {
        // a dead process closes nothing in an orderly way
      }
    }
    killedAt = "at its end";
    open.forEach(SimulatedProcess::abort);
  }

  @Override
  public String toString() {
    return name;
  }
}
