package dev.pgbelay.idempotency.payment;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.internal.Polling;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An operation with calls of other services in it, made of steps.
 *
 * <p><b>Guarantee.</b> That a provider is about to be asked is committed before it is asked, and no
 * transaction of this thread is open meanwhile. It is asked again only with the same provider key
 * and within the window in which it honours that; so it acts at most once for each step of each
 * key, <em>if</em> it keeps its word. What database steps write is committed together with their
 * results and the provider's answer before them. A timeout, a lost connection or a crash leaves the
 * key {@link Outcome#UNKNOWN_OUTCOME}, never free; the {@link Completer}, a webhook through {@link
 * #settle}, or a later call under the key finds out. Whoever lost its lease changes nothing more.
 *
 * <p>Blocks the calling thread for its transactions and its calls, within their time limits. Safe
 * for several threads; declare one and keep it.
 *
 * @param <Q> what is asked for
 * @param <R> the response, never null
 */
public final class PaymentOperation<Q, R> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);
  private static final Duration MOST_WAIT = Duration.ofMinutes(10);

  private final Payments owner;
  private final Declared<Q, R> declared;
  private final Function<? super Q, Fingerprint> fingerprint;
  private final PaymentMeters meters;
  private final PaymentEntry<Q, R> entry;
  private final PaymentRun<Q, R> run;
  private final Settling<Q> settling;

  PaymentOperation(
      Payments owner, Declared<Q, R> declared, Function<? super Q, Fingerprint> fingerprint) {
    this.owner = owner;
    this.declared = declared;
    this.fingerprint = fingerprint;
    this.meters = owner.meters(declared.name());
    Transactions transactions = owner.transactions();
    PaymentSql sql = owner.sql();
    ClaimGuard guard = new ClaimGuard(sql.table(), declared.lease(), meters);
    Phase<Q, R> phase = new Phase<>(declared, sql, guard);
    ClaimedWrites writes =
        new ClaimedWrites(declared.steps().version(), transactions, declared.options(), sql);
    this.entry = new PaymentEntry<>(declared, owner, phase, writes, meters);
    this.settling = new Settling<>(declared, transactions, sql, owner.claimant(), meters);
    ProviderStep<Q> providers = new ProviderStep<>(declared, guard, writes, meters, settling);
    this.run = new PaymentRun<>(declared, transactions, phase, writes, providers, meters);
  }

  public String name() {
    return declared.name();
  }

  /** A key of this operation. */
  public IdempotencyKey key(String tenant, String key) {
    return new IdempotencyKey(tenant, declared.name(), key);
  }

  /** {@link #execute(IdempotencyKey, Object, Duration)} without waiting for another call. */
  public Answer<R> execute(IdempotencyKey key, Q request) {
    return execute(key, request, Duration.ZERO);
  }

  /**
   * Carries the payment to its answer, from wherever it is; or says why not. Whether the request is
   * the same is looked at first, before any wait.
   *
   * @param wait how long to wait for another call under the key, in all; polls, and holds neither a
   *     connection nor a lock in between. Zero to 10 minutes
   * @return {@link Outcome#UNKNOWN_OUTCOME} also for a payment that is parked
   * @throws PgBelayException if a database step failed: its exception, or as the cause if that is a
   *     checked one. Before the first call of a provider nothing was done; later the payment is
   *     open, and the same call, or the {@link Completer}, tries again
   * @throws dev.pgbelay.core.TransactionException if a transaction is open on this thread, or as
   *     {@link Transactions#commit} does: the same call again is safe
   */
  public Answer<R> execute(IdempotencyKey key, Q request, Duration wait) {
    requireOwn(key);
    OptionRange.require("wait", wait, Duration.ZERO, MOST_WAIT);
    Transactions.requireNone();
    Answer<R> answer;
    try {
      Fingerprint own = fingerprint.apply(request);
      Optional<Answer<R>> cached = entry.cached(key, own);
      if (cached.isPresent()) {
        meters.fromCache();
        meters.answered(cached.get().outcome());
        return cached.get();
      }
      Polling polling = new Polling(wait);
      answer = attempt(key, own, request);
      while (answer.outcome() == Outcome.IN_PROGRESS && polling.pause()) {
        answer = attempt(key, own, request);
      }
    } catch (RuntimeException | Error e) {
      meters.failed();
      throw e;
    } catch (Exception e) {
      meters.failed();
      throw failed(key, e);
    }
    meters.answered(answer.outcome());
    return answer;
  }

  private static PgBelayException failed(IdempotencyKey key, Exception e) {
    if (e instanceof InterruptedException) {
      Thread.currentThread().interrupt();
    }
    return new PgBelayException("a step of payment " + key + " failed", e);
  }

  private Answer<R> attempt(IdempotencyKey key, Fingerprint own, Q request) throws Exception {
    PaymentEntry.Begun<Q, R> begun;
    try {
      begun = entry.begin(key, own, request);
    } catch (ClaimLostException e) {
      return Answer.inProgress(Duration.ofSeconds(1));
    }
    try {
      return carry(begun);
    } catch (ClaimLostException e) {
      return entry.look(key, own).orElseThrow(() -> e);
    }
  }

  private Answer<R> carry(PaymentEntry.Begun<Q, R> begun) throws Exception {
    Claim<Q> claim = begun.claim();
    Phase.Reached<R> reached = begun.reached();
    if (claim == null || reached == null) {
      Answer<R> answer = begun.answer();
      return answer == null ? Answer.inProgress(Duration.ofSeconds(1)) : answer;
    }
    if (reached.response() != null) {
      return Answer.executed(reached.response());
    }
    owner.keepAlive().add(claim);
    try {
      return run.run(claim, reached);
    } catch (ClaimLostException e) {
      meters.lost();
      throw e;
    } finally {
      owner.keepAlive().remove(claim);
    }
  }

  /**
   * Carries on the payment that has been due for longest.
   *
   * @return whether there was one
   */
  boolean completeOne(Duration grace) throws InterruptedException {
    Optional<PaymentEntry.Begun<Q, R>> begun = entry.takeDue(grace);
    if (begun.isEmpty()) {
      return false;
    }
    try {
      carry(begun.get());
    } catch (ClaimLostException e) {
      LOG.debug("a client or a webhook was faster", e);
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception | Error e) {
      LOG.warn("a payment of operation {} could not be carried on", declared.name(), e);
    }
    return true;
  }

  /**
   * What is known of a payment: its stored answer, {@link Outcome#IN_PROGRESS}, {@link
   * Outcome#UNKNOWN_OUTCOME} or {@link Outcome#EXPIRED}. Changes nothing, asks nobody, and compares
   * no fingerprint.
   */
  public Optional<Answer<R>> find(IdempotencyKey key) {
    requireOwn(key);
    return entry.look(key, null);
  }

  /**
   * Records what a provider did, as its webhook or an operator says; for a provider step that was
   * asked and has no result, whether its caller still waits or not. The payment goes on with the
   * next attempt of the completer or a client.
   *
   * <p>Works in the caller's transaction, such as the one that processes the webhook, and waits
   * there for whoever has the payment's row locked.
   *
   * @param reply definite: {@link ProviderReply#succeeded} or {@link ProviderReply#refused}
   * @throws PgBelayException if the reply is not definite, or the operation has no such step
   */
  public <T> Settlement settle(Tx tx, IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply) {
    requireOwn(key);
    return settling.settle(tx, key, step, reply, null);
  }

  /** {@link #settle(Tx, IdempotencyKey, StepKey, ProviderReply)} in a transaction of its own. */
  public <T> Settlement settle(IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply) {
    requireOwn(key);
    return owner
        .transactions()
        .run(declared.options(), tx -> settling.settle(tx, key, step, reply, null));
  }

  /**
   * Lets a parked payment go on where it stands.
   *
   * @return the state it is in now; empty if there is none under the key
   */
  public Optional<PaymentState> unpark(IdempotencyKey key) {
    requireOwn(key);
    return owner.transactions().run(declared.options(), tx -> settling.unpark(tx, key));
  }

  /** The idempotency key that the provider of a step was sent. */
  public String providerKey(IdempotencyKey key, StepKey<?> step) {
    requireOwn(key);
    return Execution.providerKey(key, step.name());
  }

  /**
   * The job that deletes finished payments once they are older than the retention; run it every day
   * or hour. Open ones stay. Needs the table of module {@code batch} as well.
   */
  public ChunkedJob.Builder purge() {
    return owner.purge(declared.name(), declared.retention());
  }

  PaymentMeters meters() {
    return meters;
  }

  private void requireOwn(IdempotencyKey key) {
    if (!key.operation().equals(declared.name())) {
      throw new PgBelayException(
          "key "
              + key
              + " is not of operation \""
              + declared.name()
              + "\"; make it with operation.key(tenant, key)");
    }
  }

  @Override
  public String toString() {
    return "PaymentOperation " + declared.name();
  }
}
