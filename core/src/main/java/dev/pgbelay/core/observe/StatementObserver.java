package dev.pgbelay.core.observe;

import java.util.List;
import javax.sql.DataSource;

/**
 * Sees what goes through an observed DataSource: each statement, each end of a transaction. Made
 * for tests: {@code PostgresExtension} of the testing module calls those that {@link
 * java.util.ServiceLoader} finds and those registered on it, and fails a test for which {@link
 * #findings} are not empty.
 *
 * <p>Calls come on the thread that uses the connection, before control returns to the caller; those
 * of one session never overlap, those of several do, so an implementation must be safe for use by
 * several threads. An exception thrown by an observer fails the observed call. An observer must not
 * use the observed connection.
 */
public interface StatementObserver {
  /** A statement has been executed or has failed. */
  void executed(StatementEvent event);

  /** A transaction has ended, or a session with an open one has been closed. */
  void ended(TransactionEvent event);

  /** A savepoint was set, released or rolled back to. */
  default void savepoint(SavepointEvent event) {}

  /**
   * Called once before anything is observed.
   *
   * @param unobserved leads to the same database past this and all other observers, a new
   *     connection each time
   */
  default void observing(DataSource unobserved) {}

  /** A test is about to begin. */
  default void testStarted(String testName) {}

  /**
   * What was found wrong since {@link #testStarted}; asked once after each test. A finding that is
   * not empty fails the test, so an observer that only counts returns an empty list.
   */
  default List<String> findings() {
    return List.of();
  }
}
