package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What is stored of one provider step, payment by payment, for whoever compares it with what the
 * provider has.
 *
 * <p>Pages are read along an index, each in a transaction of its own, from the node that payments
 * are written on. Only {@link #settle} changes anything. Blocks; safe for several threads.
 *
 * @param <Q> the request
 * @param <T> the step's result
 */
public final class StepLedger<Q, T> {
  private static final int MOST = 100_000;

  /** Where a payment stands with the step. */
  public enum Standing {
    /** The provider was not asked, so far. */
    NOT_ASKED,
    /** It was asked, or is about to be, and what it did is not recorded. */
    ASKED,
    /** It acted. */
    SUCCEEDED,
    /** It acted, and the compensation was asked for and has no result. */
    BEING_TAKEN_BACK,
    /** It acted, and the compensation did so too. */
    TAKEN_BACK,
    /** The payment was refused, by this provider or before; nothing should have been done. */
    REFUSED
  }

  /**
   * One payment, as it was when it was read; times are the database's.
   *
   * @param key its name
   * @param providerKey that the provider of the step is sent
   * @param state of the payment
   * @param standing of the step
   * @param held whether somebody carries the payment on just now
   * @param begunAt before which nobody was asked
   * @param askedAt when the provider was first asked; present exactly for {@link Standing#ASKED}
   * @param finishedAt behind which nobody is asked; empty while it is open
   * @param restsSince nothing about the step was recorded later; empty while it is at work
   * @param execution reads request and results; may throw {@link PgBelayException} if a codec
   *     cannot
   */
  public record Entry<Q>(
      IdempotencyKey key,
      String providerKey,
      PaymentState state,
      Standing standing,
      boolean held,
      Instant begunAt,
      Optional<Instant> askedAt,
      Optional<Instant> finishedAt,
      Optional<Instant> restsSince,
      Supplier<Execution<Q>> execution) {}

  private final Declared<Q, ?> declared;
  private final Transactions transactions;
  private final LedgerSql sql;
  private final ClaimGuard guard;
  private final PaymentMeters meters;
  private final Settling<Q> settling;
  private final Step.Provider<Q, T> step;
  private final @Nullable String undo;

  StepLedger(
      Declared<Q, ?> declared,
      Payments owner,
      ClaimGuard guard,
      Settling<Q> settling,
      StepKey<T> key) {
    this.declared = declared;
    this.transactions = owner.transactions();
    this.sql = new LedgerSql(owner.sql().table());
    this.guard = guard;
    this.meters = owner.meters(declared.name());
    this.settling = settling;
    this.step = step(declared, key);
    Step.Provider<Q, ?> by = declared.steps().compensations().get(key.name());
    this.undo = by == null ? null : by.name();
  }

  @SuppressWarnings("unchecked") // the step was declared with this very key, and so with its type
  private static <Q, T> Step.Provider<Q, T> step(Declared<Q, ?> declared, StepKey<T> key) {
    Step.Provider<Q, ?> found = declared.steps().provider(key.name());
    if (found == null || !found.key().equals(key)) {
      throw new PgBelayException(
          "operation \"" + declared.name() + "\" has no provider step \"" + key + "\" of this key");
    }
    return (Step.Provider<Q, T>) found;
  }

  /** The name of the operation. */
  public String operation() {
    return declared.name();
  }

  /** The name of the step. */
  public String step() {
    return step.name();
  }

  /** How long finished payments are kept. */
  public Duration retention() {
    return declared.retention();
  }

  /** For how long the step's provider answers a repeated key without acting again. */
  public Duration keyWindow() {
    return step.limits().keyWindow();
  }

  /** The idempotency key that the step's provider is sent for a payment. */
  public String providerKey(IdempotencyKey key) {
    return Execution.providerKey(key, step.name());
  }

  /** How long after the first call the step's provider can be asked again, time limit included. */
  public Duration repeatedFor() {
    Duration window = step.limits().keyWindow();
    Duration limit = step.limits().timeLimit();
    return window.compareTo(limit) > 0 ? window : limit;
  }

  /**
   * A page of those that have no answer, in the order of their keys.
   *
   * @param after the last one of the page before; empty for the first page
   * @param limit 1 to 100,000
   */
  public List<Entry<Q>> open(Optional<IdempotencyKey> after, int limit) {
    OptionRange.require("limit", limit, 1, MOST);
    return transactions.run(
        tx -> entries(sql.open(tx.connection(), declared.name(), after.orElse(null), limit)));
  }

  /**
   * A page of those that are finished, in the order in which they were.
   *
   * @param since no earlier than this
   * @param after the last one of the page before, by whose {@code finishedAt} it goes on; empty for
   *     the first page
   * @param limit 1 to 100,000
   */
  public List<Entry<Q>> finished(Instant since, Optional<Entry<Q>> after, int limit) {
    OptionRange.require("limit", limit, 1, MOST);
    Instant from = after.flatMap(Entry::finishedAt).orElse(since);
    IdempotencyKey behind = after.map(Entry::key).orElse(null);
    return transactions.run(
        tx -> entries(sql.finished(tx.connection(), declared.name(), from, behind, limit)));
  }

  /** Those of the keys that there are, as they are now. */
  public Map<IdempotencyKey, Entry<Q>> find(Collection<IdempotencyKey> keys) {
    if (keys.isEmpty()) {
      return Map.of();
    }
    return transactions
        .run(tx -> entries(sql.byKey(tx.connection(), declared.name(), keys)))
        .stream()
        .collect(Collectors.toMap(Entry::key, Function.identity()));
  }

  /**
   * Asks the provider what became of the call, by the step's own status query and within its
   * limits. No transaction may be open on this thread.
   */
  public ProviderReply<T> ask(Entry<Q> entry) {
    Execution<Q> execution = entry.execution().get();
    ProviderReply<T> reply =
        step.caller().find(() -> step.call().find(execution, entry.providerKey()));
    meters.found(step.name(), reply.kind());
    return reply;
  }

  /** As {@link PaymentOperation#settle(IdempotencyKey, StepKey, ProviderReply)}. */
  public Settlement settle(IdempotencyKey key, ProviderReply<T> reply) {
    return transactions.run(
        declared.options(), tx -> settling.settle(tx, key, step.key(), reply, null));
  }

  private List<Entry<Q>> entries(List<LedgerSql.Row> rows) {
    return rows.stream().map(this::entry).toList();
  }

  private Entry<Q> entry(LedgerSql.Row row) {
    Standing standing = standing(row.progress());
    return new Entry<>(
        row.key(),
        Execution.providerKey(row.key(), step.name()),
        row.state(),
        standing,
        row.held() && row.state() != PaymentState.COMPLETED,
        row.begunAt(),
        standing == Standing.ASKED ? Optional.ofNullable(row.askedAt()) : Optional.empty(),
        Optional.ofNullable(row.finishedAt()),
        Optional.ofNullable(row.restsSince()),
        () -> execution(row));
  }

  private Standing standing(Progress progress) {
    if (progress.done().contains(step.name())) {
      if (undo != null && progress.done().contains(undo)) {
        return Standing.TAKEN_BACK;
      }
      return undo != null && undo.equals(progress.asked())
          ? Standing.BEING_TAKEN_BACK
          : Standing.SUCCEEDED;
    }
    if (step.name().equals(progress.asked())) {
      return Standing.ASKED;
    }
    return progress.refusal() != null && !declared.steps().isCompensation(step.name())
        ? Standing.REFUSED
        : Standing.NOT_ASKED;
  }

  private Execution<Q> execution(LedgerSql.Row row) {
    Q request = declared.decode("request", declared.requests(), row.key(), row.request());
    Claim<Q> claim =
        new Claim<>(
            row.key(),
            row.fence().orElseThrow(),
            row.fingerprint(),
            request,
            row.request(),
            0,
            false,
            Optional.empty(),
            0);
    return new Execution<>(claim, row.progress(), guard);
  }

  @Override
  public String toString() {
    return "StepLedger of " + declared.name() + "/" + step.name();
  }
}
