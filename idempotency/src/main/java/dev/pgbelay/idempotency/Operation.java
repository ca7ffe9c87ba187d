package dev.pgbelay.idempotency;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.internal.OperationOptions;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;
import org.jooq.ResultQuery;
import org.jooq.Select;
import org.jooq.exception.DataAccessException;

/**
 * An operation whose whole effect is in this database: it runs once for each key.
 *
 * <p><b>Guarantee.</b> Work and response are committed in one transaction, or neither is. While it
 * runs, a second call under the key gets {@link Outcome#IN_PROGRESS}, without waiting for a lock;
 * after it, the stored response. What fails before the commit leaves nothing, and the key as free
 * as it was. A failure that is an answer, such as "declined", is returned as a response and so is
 * stored. What calls another service does not belong here: see package {@code payment}.
 *
 * <p>Blocks the calling thread for the pool and the work. Safe for several threads; declare one and
 * keep it.
 *
 * @param <Q> what is asked for
 * @param <R> the response, never null
 */
public final class Operation<Q, R> {
  private static final Duration MOST_WAIT = Duration.ofMinutes(10);

  private final String name;
  private final Function<? super Q, Fingerprint> fingerprint;
  private final KeyedRun<R> runs;
  private final Idempotency owner;
  private final Duration retention;

  private Operation(Builder<Q, R> builder) {
    this.owner = builder.owner;
    this.name = builder.options.operation();
    this.fingerprint = builder.fingerprint;
    this.retention = builder.options.retention();
    OperationMeters meters =
        owner.registry() == null
            ? OperationMeters.NONE
            : new OperationMeters.OfMicrometer(owner.registry(), name);
    this.runs =
        new KeyedRun<>(
            owner,
            new ResponseBytes<>(name, builder.codec, builder.options.maxBytes()),
            builder.options.transactions(),
            retention,
            meters);
  }

  /** A key of this operation. */
  public IdempotencyKey key(String tenant, String key) {
    return new IdempotencyKey(tenant, name, key);
  }

  /**
   * {@link #execute(IdempotencyKey, Object, Duration, TxWork)} without waiting for another call
   * under the key.
   */
  public <X extends Exception> Answer<R> execute(
      IdempotencyKey key, Q request, TxWork<? extends R, X> work) throws X {
    return execute(key, request, Duration.ZERO, work);
  }

  /**
   * Runs the work in a transaction of its own, or answers with what was stored before. Whether the
   * request is the same is looked at first, before any wait.
   *
   * <p>Retries of the transaction run the work again, as {@link TxWork} says. If the answer to
   * COMMIT is lost, the key tells what became of it, as soon as the lost session's lock is gone.
   *
   * @param wait how long to wait for another call under the key, in all; polls, and holds neither a
   *     connection nor a lock in between. Zero to 10 minutes
   * @return never with {@link Outcome#UNKNOWN_OUTCOME}
   * @throws X what the work threw, after a rollback: nothing was done, the key is free
   * @throws PgBelayException if the key is of another operation, the response cannot be stored, or
   *     the key was taken with a fingerprint of a version that the request has none of; nothing was
   *     done
   * @throws dev.pgbelay.core.OutcomeUnknownException if the answer to COMMIT was lost and the
   *     database cannot be asked: the same call again is safe
   * @throws TransactionException as {@link Transactions#commit} does, and if a transaction is open
   *     on this thread: use {@link #execute(Tx, IdempotencyKey, Object, TxWork)} there
   */
  public <X extends Exception> Answer<R> execute(
      IdempotencyKey key, Q request, Duration wait, TxWork<? extends R, X> work) throws X {
    requireOwn(key);
    OptionRange.require("wait", wait, Duration.ZERO, MOST_WAIT);
    Transactions.requireNone();
    return runs.run(key, fingerprint.apply(request), wait, work);
  }

  /**
   * {@link #execute(IdempotencyKey, Object, Duration, TxWork)} for an operation that is one
   * statement, with a response that is known before: key, statement and response are one statement,
   * and one round trip instead of three.
   *
   * <p>The statement is an INSERT, UPDATE or DELETE with a RETURNING, of which at least one row
   * must come: if none does, nothing is done and the key stays free. It is rendered with the jOOQ
   * configuration that it was made with, becomes a part of WITH, and so holds no writing WITH
   * itself; jOOQ's listeners do not see it. Under a key that is taken it goes the way of other
   * work, which a server's log notes as an error.
   *
   * <p>If its answer is lost, the statement may still arrive behind the look for it: the same call
   * again finds what became of it.
   *
   * @param wait as there
   * @param response what is answered, whatever the statement returns
   * @return never with {@link Outcome#UNKNOWN_OUTCOME}
   * @throws PgBelayException as there, and if the statement returned no row
   * @throws DataAccessException what the server said of the statement: nothing was done, the key is
   *     free
   * @throws dev.pgbelay.core.OutcomeUnknownException as there
   * @throws TransactionException as there
   */
  public Answer<R> executeStatement(
      IdempotencyKey key, Q request, Duration wait, ResultQuery<?> statement, R response) {
    requireOwn(key);
    OptionRange.require("wait", wait, Duration.ZERO, MOST_WAIT);
    Transactions.requireNone();
    if (statement instanceof Select) {
      throw new PgBelayException(
          "a SELECT does nothing that must be done once: give an INSERT, UPDATE or DELETE with a"
              + " RETURNING");
    }
    return runs.runStatement(key, fingerprint.apply(request), wait, statement, response);
  }

  /**
   * Runs the work in the caller's transaction, which alone commits: until then nobody sees the
   * response, and other calls under the key get {@link Outcome#IN_PROGRESS}.
   *
   * <p>Under REPEATABLE READ and SERIALIZABLE a snapshot that is older than somebody else's commit
   * under the key fails as {@code SERIALIZATION_FAILURE}: run the transaction again.
   *
   * @throws X what the work threw. The transaction can then only be rolled back, also if this is
   *     caught, unless a savepoint around this call is rolled back to
   */
  public <X extends Exception> Answer<R> execute(
      Tx tx, IdempotencyKey key, Q request, TxWork<? extends R, X> work) throws X {
    requireOwn(key);
    return runs.join(tx, key, fingerprint.apply(request), work);
  }

  /**
   * The stored answer, if there is one: for those who ask for the state of a request that they do
   * not repeat. One statement in autocommit; compares no fingerprint.
   *
   * @return {@link Outcome#REPLAYED} or {@link Outcome#EXPIRED}; empty if nothing is committed
   */
  public Optional<Answer<R>> find(IdempotencyKey key) {
    requireOwn(key);
    return runs.find(key);
  }

  /**
   * The job that deletes this operation's answers once they are older than its retention; run it
   * every day or hour. Needs the table of module {@code batch} as well.
   */
  public ChunkedJob.Builder purge() {
    return Purge.olderThan(
            owner.transactions(),
            "idempotency-" + name,
            new KeySql(owner.schema()).table(),
            KeySql.CREATED_AT,
            retention)
        .where(KeySql.OPERATION.eq(name))
        .schema(owner.schema())
        .key(KeySql.OPERATION, KeySql.CREATED_AT, KeySql.TENANT, KeySql.KEY);
  }

  private void requireOwn(IdempotencyKey key) {
    if (!key.operation().equals(name)) {
      throw new PgBelayException(
          "key "
              + key
              + " is of operation \""
              + key.operation()
              + "\", and this is \""
              + name
              + "\"; make it with operation.key(tenant, key)");
    }
  }

  @Override
  public String toString() {
    return "Operation " + name;
  }

  /**
   * Collects an operation's options. Not safe for several threads.
   *
   * @param <Q> what is asked for
   * @param <R> the response
   */
  public static final class Builder<Q, R> {
    private final Idempotency owner;
    private final Function<? super Q, Fingerprint> fingerprint;
    private final Codec<R> codec;
    private final OperationOptions options;
    private Duration repeatedFor = Duration.ZERO;

    Builder(
        Idempotency owner,
        String name,
        Function<? super Q, Fingerprint> fingerprint,
        Codec<R> codec) {
      this.owner = owner;
      this.fingerprint = fingerprint;
      this.codec = codec;
      this.options = new OperationOptions(name, "idempotency");
    }

    /**
     * How long answers are kept, 1 minute to 3,650 days; 72 hours unless said, so that what failed
     * on a Friday evening is still known on Monday. Afterwards a call under the key is {@link
     * Outcome#EXPIRED} until the purge, and a new one behind it.
     */
    public Builder<Q, R> retention(Duration time) {
      options.retention(time);
      return this;
    }

    /**
     * For how long those who call send the same key again, such as a provider its events; an answer
     * that is kept for less would let the last of them run the work twice, and is refused.
     */
    public Builder<Q, R> repeatedFor(Duration time) {
      this.repeatedFor = time;
      return this;
    }

    /**
     * Of the transaction: isolation, deadline, settings, retry. Its path is {@code idempotency.}
     * and the operation's name unless said.
     */
    public Builder<Q, R> options(TxOptions transaction) {
      options.transactions(transaction);
      return this;
    }

    /** The largest response in bytes of its codec: 1 to 2^28; 2^20 unless said. */
    public Builder<Q, R> maxBytes(int bytes) {
      options.maxBytes(bytes);
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option, its value and its range; if answers are kept for
     *     less than calls are repeated; or if an operation of this name was declared before
     */
    public Operation<Q, R> build() {
      options.check();
      options.requireKept(
          repeatedFor,
          "calls are repeated for " + repeatedFor + ": a late one would run the work again");
      owner.declare(options.operation());
      return new Operation<>(this);
    }
  }
}
