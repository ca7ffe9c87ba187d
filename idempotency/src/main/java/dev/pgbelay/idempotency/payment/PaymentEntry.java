package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.internal.AnswerCache;
import dev.pgbelay.idempotency.internal.ReplayShare;
import dev.pgbelay.idempotency.internal.Stored;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** How a call under a key begins: with an answer, or with a claim. Safe for several threads. */
final class PaymentEntry<Q, R> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);
  private static final Duration SOON = Duration.ofSeconds(1);

  /**
   * What it begins with: an answer, or a claim and how far its payment is.
   *
   * @param reached present with the claim
   */
  record Begun<Q, R>(
      @Nullable Answer<R> answer, @Nullable Claim<Q> claim, Phase.@Nullable Reached<R> reached) {
    static <Q, R> Begun<Q, R> with(Answer<R> answer) {
      return new Begun<>(answer, null, null);
    }
  }

  private final Declared<Q, R> declared;
  private final Transactions transactions;
  private final PaymentSql sql;
  private final TakeSql takes;
  private final AnswerCache cache;
  private final Phase<Q, R> phase;
  private final FirstClaimSql claims;
  private final ClaimedWrites writes;
  private final Claimant claimant;
  private final PaymentMeters meters;
  private final ReplayShare replays = new ReplayShare();

  PaymentEntry(
      Declared<Q, R> declared,
      Payments owner,
      Phase<Q, R> phase,
      ClaimedWrites writes,
      PaymentMeters meters) {
    this.declared = declared;
    this.transactions = owner.transactions();
    this.sql = owner.sql();
    this.takes = new TakeSql(owner.sql().table());
    this.cache = owner.cache();
    this.phase = phase;
    this.claims = new FirstClaimSql(owner.sql().table());
    this.writes = writes;
    this.claimant = owner.claimant();
    this.meters = meters;
  }

  /**
   * Answers from what is stored, claims what is free, or begins a payment with its first phase.
   *
   * @throws Exception what a database step of the first phase threw; there is no payment then
   */
  Begun<Q, R> begin(IdempotencyKey key, Fingerprint fingerprint, Q request) throws Exception {
    try {
      Progress intent = phase.firstIntent();
      if (intent != null && !replays.isLarge()) {
        Begun<Q, R> claimed = claimed(key, fingerprint, request, intent);
        if (claimed != null) {
          replays.saw(false);
          return claimed;
        }
      }
      Begun<Q, R> begun = begin(key, fingerprint, request, Progress.NONE);
      Answer<R> answer = begun.answer();
      replays.saw(answer != null && answer.outcome() == Outcome.REPLAYED);
      return begun;
    } catch (StepRefusedException e) {
      return begin(key, fingerprint, request, Progress.NONE.refused(e.code()));
    }
  }

  /**
   * With nothing to do before its first call, a new payment is claimed without a look: null if it
   * is not new, or somebody is at it. If the answer is lost, the statement may still arrive, behind
   * whatever is looked up here: its payment is then one that crashed before its call.
   */
  private @Nullable Begun<Q, R> claimed(
      IdempotencyKey key, Fingerprint fingerprint, Q request, Progress intent) {
    long asOf = System.nanoTime();
    Claim<Q> claim = newClaim(key, claimant.next(), fingerprint, request, asOf);
    Begun<Q, R> begun = new Begun<>(null, claim, new Phase.Reached<>(intent, null, asOf));
    try {
      PaymentWrite write = phase.asking(intent);
      byte @Nullable [] providerKey = phase.providerKey(claim);
      return claims.claim(transactions, declared.options(), claim, write, providerKey)
          ? begun
          : null;
    } catch (OutcomeUnknownException e) {
      return afterLostCommit(begun, e);
    }
  }

  private Claim<Q> newClaim(
      IdempotencyKey key, Fence fence, Fingerprint fingerprint, Q request, long asOf) {
    byte[] stored = declared.encode("request", declared.requests(), request);
    return new Claim<>(key, fence, fingerprint, request, stored, 0, true, Optional.empty(), asOf);
  }

  private Begun<Q, R> begin(IdempotencyKey key, Fingerprint fingerprint, Q request, Progress from)
      throws Exception {
    Fence fence = claimant.next();
    long asOf = System.nanoTime();
    Attempt<Q, R> attempt = new Attempt<>();
    try {
      return transactions.run(
          declared.options(),
          tx -> {
            attempt.begun = null;
            Begun<Q, R> inside = inside(tx, key, fingerprint, request, from, fence, asOf);
            attempt.begun = inside;
            return inside;
          });
    } catch (OutcomeUnknownException e) {
      return afterLostCommit(attempt.begun, e);
    } catch (TransactionException e) {
      throw attempt.begun == null ? e : PhaseSql.explained(e, key);
    }
  }

  private static final class Attempt<Q, R> {
    private @Nullable Begun<Q, R> begun;
  }

  private Begun<Q, R> afterLostCommit(@Nullable Begun<Q, R> begun, OutcomeUnknownException lost) {
    if (begun == null) {
      throw lost;
    }
    Claim<Q> claim = begun.claim();
    Phase.Reached<R> reached = begun.reached();
    if (claim == null || reached == null) {
      return begun; // it wrote nothing
    }
    boolean finished = reached.response() != null;
    if (writes.hasCommitted(claim, reached.progress(), finished, lost)) {
      return begun;
    }
    throw lost;
  }

  private Begun<Q, R> inside(
      Tx tx,
      IdempotencyKey key,
      Fingerprint fingerprint,
      Q request,
      Progress from,
      Fence fence,
      long asOf)
      throws Exception {
    PaymentSql.Look look = sql.lockAndFind(tx.connection(), key);
    PaymentRow row = look.row();
    if (row != null) {
      Answer<R> answer = answer(row, fingerprint);
      if (answer != null) {
        return Begun.with(answer);
      }
      return look.locked() ? takeOver(tx, row, fence, asOf) : Begun.with(Answer.inProgress(SOON));
    }
    if (!look.locked()) {
      return Begun.with(Answer.inProgress(SOON));
    }
    Claim<Q> claim = newClaim(key, fence, fingerprint, request, asOf);
    return new Begun<>(null, claim, phase.advance(tx, claim, from));
  }

  private Begun<Q, R> takeOver(Tx tx, PaymentRow row, Fence fence, long asOf) {
    String unfit = declared.steps().unfit(row.version(), row.progress());
    if (unfit != null) {
      throw new PgBelayException("payment " + row.key() + " cannot go on: " + unfit);
    }
    TakeSql.Taken taken = takes.take(tx.connection(), row.key(), fence, declared.lease());
    return taken == null ? Begun.with(Answer.inProgress(SOON)) : taken(tx, taken, fence, asOf);
  }

  /** Takes the payment that has been due for longest; empty if none is. */
  Optional<Begun<Q, R>> takeDue(Duration grace) {
    Fence fence = claimant.next();
    long asOf = System.nanoTime();
    return transactions.run(
        declared.options(),
        tx -> {
          TakeSql.Taken taken =
              takes.takeDue(
                  tx.connection(),
                  declared.name(),
                  declared.steps().version(),
                  fence,
                  declared.lease(),
                  grace);
          return taken == null ? Optional.empty() : Optional.of(taken(tx, taken, fence, asOf));
        });
  }

  private Begun<Q, R> taken(Tx tx, TakeSql.Taken taken, Fence fence, long asOf) {
    PaymentRow row = taken.row();
    String poison = poison(row);
    if (poison != null) {
      PaymentWrite park =
          PaymentWrite.left(
              row.version(),
              row.progress(),
              OpenPayment.State.PARKED,
              row.attempts(),
              poison,
              Duration.ZERO);
      writes.write(tx, row.key(), fence, park);
      meters.parked();
      LOG.warn("payment {} is parked: {}", row.key(), poison);
      return Begun.with(Answer.without(Outcome.UNKNOWN_OUTCOME));
    }
    if (taken.crashed()) {
      meters.takenOver();
    }
    Claim<Q> claim =
        new Claim<>(
            row.key(),
            fence,
            row.fingerprint(),
            declared.decode("request", declared.requests(), row.key(), row.request()),
            row.request(),
            row.attempts(),
            false,
            row.askedFor(),
            asOf);
    return new Begun<>(null, claim, new Phase.Reached<>(row.progress(), null, asOf));
  }

  /** Why nobody should carry it on; null if there is no reason. */
  private @Nullable String poison(PaymentRow row) {
    if (row.state() == OpenPayment.State.RUNNING && row.attempts() >= declared.maxAttempts()) {
      return "its holders failed or crashed " + row.attempts() + " times in a row";
    }
    try {
      declared.decode("request", declared.requests(), row.key(), row.request());
    } catch (PgBelayException e) {
      return e.getMessage();
    }
    return declared.steps().unfit(row.version(), row.progress());
  }

  /** What is known of a payment without carrying it on; null if it is free to be carried on. */
  @Nullable Answer<R> answer(PaymentRow row, Fingerprint fingerprint) {
    if (!fingerprint.matches(row.fingerprint())) {
      return Answer.without(Outcome.FINGERPRINT_MISMATCH);
    }
    if (row.state() == OpenPayment.State.COMPLETED) {
      return finished(row);
    }
    if (row.state() == OpenPayment.State.PARKED) {
      return Answer.without(Outcome.UNKNOWN_OUTCOME);
    }
    boolean newer = row.version() > declared.steps().version();
    if (row.isFree() && !newer) {
      return null;
    }
    Duration again = row.dueIn().compareTo(SOON) > 0 ? row.dueIn() : SOON;
    return row.state() == OpenPayment.State.UNKNOWN
        ? new Answer<>(Outcome.UNKNOWN_OUTCOME, Optional.empty(), Optional.of(again))
        : Answer.inProgress(again);
  }

  /** Of a row that is committed, and so may be cached. */
  private Answer<R> finished(PaymentRow row) {
    byte[] response = row.response();
    Duration left = declared.retention().minus(row.finishedFor().orElse(Duration.ZERO));
    if (response == null) {
      return Answer.without(Outcome.EXPIRED);
    }
    Stored stored = new Stored(row.fingerprint(), response, left);
    cache.keep(row.key(), stored);
    return replay(row.key(), stored);
  }

  private Answer<R> replay(IdempotencyKey key, Stored stored) {
    return stored.hasExpired()
        ? Answer.without(Outcome.EXPIRED)
        : Answer.replayed(
            declared.decode("response", declared.responses(), key, stored.response()));
  }

  /** From this process alone. */
  Optional<Answer<R>> cached(IdempotencyKey key, Fingerprint fingerprint) {
    Stored stored = cache.find(key);
    if (stored == null) {
      return Optional.empty();
    }
    return Optional.of(
        fingerprint.matches(stored.fingerprint())
            ? replay(key, stored)
            : Answer.without(Outcome.FINGERPRINT_MISMATCH));
  }

  /** What is known by now; asks and claims nothing. */
  Optional<Answer<R>> look(IdempotencyKey key, @Nullable Fingerprint fingerprint) {
    Optional<PaymentRow> row =
        transactions.run(
            declared.options(), tx -> Optional.ofNullable(sql.find(tx.connection(), key)));
    return row.map(found -> known(found, fingerprint));
  }

  private Answer<R> known(PaymentRow row, @Nullable Fingerprint fingerprint) {
    Answer<R> answer = answer(row, fingerprint == null ? row.fingerprint() : fingerprint);
    return answer != null ? answer : Answer.inProgress(SOON);
  }
}
