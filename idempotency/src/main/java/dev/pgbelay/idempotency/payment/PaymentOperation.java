package dev.pgbelay.idempotency.payment;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.internal.Polling;
import dev.pgbelay.idempotency.reconciliation.StepLedger;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;

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
  private static final Duration MOST_WAIT = Duration.ofMinutes(10);

  private final Payments owner;
  private final Declared<Q, R> declared;
  private final Function<? super Q, Fingerprint> fingerprint;
  private final PaymentMeters meters;
  private final PaymentEntry<Q, R> entry;
  private final PaymentAttempts<Q, R> attempts;
  private final Settling<Q> settling;
  private final ClaimGuard guard;

  PaymentOperation(
      Payments owner, Declared<Q, R> declared, Function<? super Q, Fingerprint> fingerprint) {
    this.owner = owner;
    this.declared = declared;
    this.fingerprint = fingerprint;
    this.meters = owner.meters(declared.name());
    Transactions transactions = owner.transactions();
    PaymentSql sql = owner.sql();
    this.guard = new ClaimGuard(sql.table(), declared.lease(), meters);
    PhaseSql phases = new PhaseSql(sql.table());
    Phase<Q, R> phase = new Phase<>(declared, phases, guard);
    ClaimedWrites writes =
        new ClaimedWrites(
            declared.steps().version(), transactions, declared.options(), sql, phases);
    this.entry = new PaymentEntry<>(declared, owner, phase, writes, meters);
    Contradictions<Q> contradictions = new Contradictions<>(declared, transactions, sql, meters);
    this.settling =
        new Settling<>(
            declared, transactions, sql, phases, owner.claimant(), contradictions, meters);
    ProviderStep<Q> providers = new ProviderStep<>(declared, guard, writes, meters, settling);
    this.attempts =
        new PaymentAttempts<>(
            declared.name(),
            entry,
            new PaymentRun<>(
                declared, transactions, phase, writes, providers, contradictions, meters),
            owner.keepAlive(),
            meters);
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
      answer = attempts.attempt(key, own, request);
      while (answer.outcome() == Outcome.IN_PROGRESS && polling.pause()) {
        answer = attempts.attempt(key, own, request);
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
   * @throws PgBelayException if the reply is not definite, or the operation has no provider step of
   *     this very key
   */
  public <T> Settlement settle(Tx tx, IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply) {
    requireOwn(key);
    return settling.settle(tx, key, step, reply, null);
  }

  /** {@link #settle(Tx, IdempotencyKey, StepKey, ProviderReply)} in a transaction of its own. */
  public <T> Settlement settle(IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply) {
    requireOwn(key);
    return settling.settle(key, step, reply, null);
  }

  /**
   * {@link #settle(Tx, IdempotencyKey, StepKey, ProviderReply)} for those who know a payment by
   * what the provider was sent for the step: its idempotency key, which some providers repeat in
   * their events, or which was given to them as a reference as well.
   *
   * @return {@link Settlement#NO_SUCH_KEY} also for what is no provider key of this step
   * @throws PgBelayException also if the operation was built without {@link
   *     Builder#foundByProviderKey}
   */
  public <T> Settlement settleByProviderKey(
      Tx tx, String providerKey, StepKey<T> step, ProviderReply<T> reply) {
    return settling.settleByProviderKey(tx, providerKey, step, reply);
  }

  /**
   * Lets a parked payment go on where it stands.
   *
   * @return the state it is in now; empty if there is none under the key
   */
  public Optional<OpenPayment.State> unpark(IdempotencyKey key) {
    requireOwn(key);
    return owner.transactions().run(declared.options(), tx -> settling.unpark(tx, key));
  }

  /** The idempotency key that the provider of a step was sent. */
  public String providerKey(IdempotencyKey key, StepKey<?> step) {
    requireOwn(key);
    return ProviderKeys.of(key, step.name());
  }

  /**
   * What is stored of one provider step, payment by payment.
   *
   * @throws PgBelayException if there is no provider step of this key
   */
  public <T> StepLedger<Q, T> ledger(StepKey<T> step) {
    return new RecordedSteps<>(declared, owner, guard, settling, meters, step);
  }

  /**
   * The job that deletes finished payments once they are older than the retention; run it every day
   * or hour. Open ones stay. Needs the table of module {@code batch} as well.
   */
  public ChunkedJob.Builder purge() {
    return owner.purge(declared.name(), declared.retention());
  }

  boolean completeOne(Duration grace) throws InterruptedException {
    return attempts.completeOne(grace);
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

  /** What became of a reply that came by another way than as the answer of the call. */
  public enum Settlement {
    /** It was recorded; the payment goes on with its next step. */
    SETTLED,
    /** The step had this result before, or the payment is finished. Nothing was changed. */
    ALREADY_KNOWN,
    /**
     * The step has another result, or was refused where it is said to have succeeded, or the other
     * way round. What is recorded stays; the contradiction is noted with the payment: see {@link
     * Payments#contradicted}.
     */
    CONTRADICTED,
    /** The payment has not asked the provider for this step, or not yet. Nothing was changed. */
    NOT_ASKED,
    /** There is no payment under the key. Nothing was changed. */
    NO_SUCH_KEY
  }

  /**
   * Collects the steps and options of a payment operation. Steps run in the order in which they are
   * declared here. Not safe for several threads.
   *
   * @param <Q> what is asked for
   * @param <R> the response
   */
  public static final class Builder<Q, R> {
    private final Payments owner;
    private final Function<? super Q, Fingerprint> fingerprint;
    private final Declaration<Q, R> declaration;

    Builder(
        Payments owner,
        String name,
        Function<? super Q, Fingerprint> fingerprint,
        Codec<Q> requests,
        Codec<R> responses) {
      this.owner = owner;
      this.fingerprint = fingerprint;
      this.declaration = new Declaration<>(owner, name, requests, responses);
    }

    /**
     * Of the steps, from 1, which it is unless said: one more for each change of them. An open
     * payment of an older version goes on if what it has done is how the new list begins, and is
     * parked otherwise; one of a newer version is left to the processes that know it.
     */
    public Builder<Q, R> version(int number) {
      declaration.version(number);
      return this;
    }

    /** Adds work on the database. */
    public <T> Builder<Q, R> database(StepKey<T> key, DatabaseStep<Q, T> work) {
      declaration.database(key, work);
      return this;
    }

    /** Adds a call of a provider. */
    public <T> Builder<Q, R> provider(
        StepKey<T> key, ProviderCall<Q, T> call, ProviderLimits limits) {
      declaration.provider(key, call, limits);
      return this;
    }

    /**
     * Says how a step is taken back if a later one is refused: by a call of a provider, which is a
     * step itself. Those of several steps are made in reverse order. One that is refused parks the
     * payment. What database steps wrote is taken back by {@link #respond}.
     */
    public <T> Builder<Q, R> compensate(
        StepKey<?> step, StepKey<T> by, ProviderCall<Q, T> call, ProviderLimits limits) {
      declaration.compensate(step, by, call, limits);
      return this;
    }

    /**
     * Makes the response, in the last transaction; of a refused payment too, of which {@link
     * Execution#refusal} says why.
     */
    public Builder<Q, R> respond(DatabaseStep<Q, R> response) {
      declaration.respond(response);
      return this;
    }

    /**
     * How long finished payments are kept, 1 minute to 3,650 days and no less than the longest key
     * window of a provider: a key that we forget first could charge again. 3 days unless said.
     */
    public Builder<Q, R> retention(Duration time) {
      declaration.options().retention(time);
      return this;
    }

    /** Of its transactions; on path {@code payment.} and the operation's name unless said. */
    public Builder<Q, R> options(TxOptions transactions) {
      declaration.options().transactions(transactions);
      return this;
    }

    /**
     * Failures and crashes in a row before a payment is parked, 1 to 1,000, and the pauses between
     * them, which double; 10, and 1 s to 5 min, unless said. Payments that are unknown are asked
     * for with the same pauses, without an end.
     */
    public Builder<Q, R> attempts(int most, Duration first, Duration longest) {
      declaration.attempts(most, first, longest);
      return this;
    }

    /**
     * The largest request, result or response in bytes of its codec: 1 to 2^28; 2^20 unless said.
     */
    public Builder<Q, R> maxBytes(int bytes) {
      declaration.options().maxBytes(bytes);
      return this;
    }

    /**
     * Lets {@link PaymentOperation#settleByProviderKey} find payments that begin from now on. Costs
     * an entry in one more index for each.
     */
    public Builder<Q, R> foundByProviderKey() {
      declaration.foundByProviderKey();
      return this;
    }

    /**
     * Checks, and makes the operation known to the completer.
     *
     * @throws PgBelayException naming the option, its value and its range; if answers are kept for
     *     less than a provider's key window; if steps or operations have one name; or without
     *     {@link #respond}
     */
    public PaymentOperation<Q, R> build() {
      PaymentOperation<Q, R> operation =
          new PaymentOperation<>(owner, declaration.declared(), fingerprint);
      owner.declare(operation);
      return operation;
    }
  }
}
