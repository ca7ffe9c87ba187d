package dev.pgbelay.core;

import java.sql.Connection;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/**
 * One open transaction on one connection, outside autocommit. {@link Transactions} opens and ends
 * it, or {@link #join} enters one that jOOQ, Spring or plain JDBC opened; whoever holds a {@code
 * Tx} without having opened it never commits, rolls back or changes the session.
 *
 * <p>Belongs to the thread that runs the work; not safe for several threads, and refused as {@link
 * FailureKind#MISUSE} once the work has returned, in a hook too.
 */
public interface Tx {
  /**
   * jOOQ on this transaction's connection. Its own {@code transaction(…)} methods open savepoints
   * here; the commit stays with the owner.
   */
  DSLContext dsl();

  /**
   * The connection itself, for JDBC and for the driver's own interfaces through {@code unwrap}.
   * Ending the transaction, closing the connection and changing its modes are refused, through its
   * statements' {@code getConnection} too, and an end sent as SQL text fails with {@link
   * OutcomeUnknownException}. What the driver's own connection does behind {@code unwrap} is seen
   * only when the next statement is sent here.
   */
  Connection connection();

  /**
   * Names this transaction among all others of all processes, for as long as it is open: two {@code
   * Tx} have the same id exactly if they stand for the same transaction. Costs nothing on a
   * transaction that {@link Transactions} opened; the first call on a joined one costs a round
   * trip.
   */
  String id();

  /**
   * Runs {@code hook} after the commit, on the thread that committed, once the connection is back
   * in its pool; not at all if the transaction is not known to have committed. Hooks run in the
   * order in which they were added. One that throws is logged and counted, and undoes neither the
   * commit nor the hooks behind it. A hook added under a savepoint that is rolled back to, by jOOQ
   * or through {@link Connection#rollback(java.sql.Savepoint)}, is forgotten. Not so on a joined
   * transaction: the owner's savepoints are not seen, and the owner calls every hook it was given.
   *
   * @throws TransactionException on a joined transaction whose owner gave no callback to {@link
   *     #join(DSLContext, Consumer)}, or once the work has returned, except in a hook: nobody would
   *     ever call the hook
   */
  void afterCommit(Consumer<? super Commit<?>> hook);

  /** Declares that an effect outside the database has begun: this work must not run again. */
  void noRetryAfterThis();

  /**
   * The time that is left until the deadline, or inside {@link #within} until that one's end; empty
   * without one. Never negative.
   */
  Optional<Duration> remaining();

  /**
   * Runs {@code work} in this same transaction with at most {@code time} for its statements, and
   * puts the timeouts back as they were. Whoever joins the transaction in there, by {@link #join}
   * or {@link TxOptions.Nesting#JOIN}, is bounded as well. A longer deadline than the one already
   * running does not lengthen it, nor the {@code lockTimeout} of the options. A statement that runs
   * out of it fails as {@link FailureKind#STATEMENT_TIMEOUT}, one that would begin after it as
   * {@link FailureKind#DEADLINE_EXCEEDED}. Statements through {@link #connection()} are not seen to
   * begin: each of them has the time that was last set.
   */
  <T extends @Nullable Object, X extends Exception> T within(Duration time, TxWork<T, X> work)
      throws X;

  /**
   * Enters the transaction that {@code dsl} works in. If {@link Transactions} opened it, this is
   * the very {@code Tx} of it.
   *
   * <p>Acquires from the {@code DSLContext} twice at once to see that one connection is kept there:
   * no round trip, and where it is refused, a moment's wait for a pool.
   *
   * @throws TransactionException if the connection is in autocommit, or every statement takes
   *     another connection: there is no transaction to join
   */
  static Tx join(DSLContext dsl) {
    return JoinedTx.of(dsl, null);
  }

  /**
   * Like {@link #join(DSLContext)}, with the owner's callback for {@link #afterCommit}. In Spring:
   *
   * <pre>{@code
   * Tx.join(dsl, hook -> TransactionSynchronizationManager.registerSynchronization(
   *     new TransactionSynchronization() {
   *       @Override public void afterCommit() { hook.run(); }
   *     }));
   * }</pre>
   *
   * @param ownerCallback is given each hook once, when it is added, and must run it after a commit
   *     that succeeded and not otherwise
   */
  static Tx join(DSLContext dsl, Consumer<Runnable> ownerCallback) {
    return JoinedTx.of(dsl, ownerCallback);
  }

  /** {@link #join(DSLContext)} for plain JDBC. The connection stays open and stays the caller's. */
  static Tx join(Connection connection) {
    return JoinedTx.of(connection, null);
  }

  /** {@link #join(DSLContext, Consumer)} for plain JDBC. */
  static Tx join(Connection connection, Consumer<Runnable> ownerCallback) {
    return JoinedTx.of(connection, ownerCallback);
  }
}
