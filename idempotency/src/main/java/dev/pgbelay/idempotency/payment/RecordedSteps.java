package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.reconciliation.StepLedger;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What the payment table has of one provider step. Safe for several threads. */
final class RecordedSteps<Q, T> implements StepLedger<Q, T> {
  private static final int MOST = 100_000;

  private final Declared<Q, ?> declared;
  private final Transactions transactions;
  private final LedgerSql sql;
  private final ClaimGuard guard;
  private final PaymentMeters meters;
  private final Settling<Q> settling;
  private final Step.Provider<Q, T> step;
  private final @Nullable String undo;

  RecordedSteps(
      Declared<Q, ?> declared,
      Payments owner,
      ClaimGuard guard,
      Settling<Q> settling,
      PaymentMeters meters,
      StepKey<T> key) {
    this.declared = declared;
    this.transactions = owner.transactions();
    this.sql = new LedgerSql(owner.sql().table());
    this.guard = guard;
    this.settling = settling;
    this.meters = meters;
    this.step = step(declared, key);
    Step.Provider<Q, ?> by = declared.steps().compensations().get(key.name());
    this.undo = by == null ? null : by.name();
  }

  @SuppressWarnings("unchecked") // the step was declared with this very key, and so with its type
  private static <Q, T> Step.Provider<Q, T> step(Declared<Q, ?> declared, StepKey<T> key) {
    return (Step.Provider<Q, T>) declared.steps().requireProvider(key);
  }

  @Override
  public String operation() {
    return declared.name();
  }

  @Override
  public String step() {
    return step.name();
  }

  @Override
  public Duration retention() {
    return declared.retention();
  }

  @Override
  public Duration keyWindow() {
    return step.limits().keyWindow();
  }

  @Override
  public String providerKey(IdempotencyKey key) {
    return ProviderKeys.of(key, step.name());
  }

  @Override
  public Duration repeatedFor() {
    Duration window = step.limits().keyWindow();
    Duration limit = step.limits().timeLimit();
    return window.compareTo(limit) > 0 ? window : limit;
  }

  @Override
  public List<Entry<Q>> open(Optional<IdempotencyKey> after, int limit) {
    OptionRange.require("limit", limit, 1, MOST);
    return transactions.run(
        tx -> entries(sql.open(tx.connection(), declared.name(), after.orElse(null), limit)));
  }

  @Override
  public List<Entry<Q>> finished(Instant since, Optional<Entry<Q>> after, int limit) {
    OptionRange.require("limit", limit, 1, MOST);
    Instant from = after.flatMap(Entry::finishedAt).orElse(since);
    IdempotencyKey behind = after.map(Entry::key).orElse(null);
    return transactions.run(
        tx -> entries(sql.finished(tx.connection(), declared.name(), from, behind, limit)));
  }

  @Override
  public Map<IdempotencyKey, Entry<Q>> find(Collection<IdempotencyKey> keys) {
    if (keys.isEmpty()) {
      return Map.of();
    }
    return transactions
        .run(tx -> entries(sql.byKey(tx.connection(), declared.name(), keys)))
        .stream()
        .collect(Collectors.toMap(Entry::key, Function.identity()));
  }

  @Override
  public ProviderReply<T> ask(Entry<Q> entry) {
    Execution<Q> execution = entry.execution().get();
    ProviderReply<T> reply =
        step.caller().find(() -> step.call().find(execution, entry.providerKey()));
    meters.found(step.name(), reply.kind());
    return reply;
  }

  @Override
  public PaymentOperation.Settlement settle(IdempotencyKey key, ProviderReply<T> reply) {
    if (!key.operation().equals(declared.name())) {
      throw new PgBelayException(
          "payment "
              + key
              + " is not of operation \""
              + declared.name()
              + "\", whose ledger this is: take the ledger of its own operation");
    }
    return settling.settle(key, step.key(), reply, null);
  }

  private List<Entry<Q>> entries(List<LedgerSql.Row> rows) {
    return rows.stream().map(this::entry).toList();
  }

  private Entry<Q> entry(LedgerSql.Row row) {
    Standing standing = standing(row.progress());
    return new Entry<>(
        row.key(),
        ProviderKeys.of(row.key(), step.name()),
        row.state(),
        standing,
        row.held() && row.state() != OpenPayment.State.COMPLETED,
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
    return "RecordedSteps of " + declared.name() + "/" + step.name();
  }
}
