package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.reconciliation.StepLedger.Standing;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Settles payments as findings suggest. Safe for several threads. */
final class FindingSettlement<Q, T> {
  private final StepLedger<Q, T> ledger;
  private final @Nullable Function<? super ProviderRecord, ? extends T> results;

  FindingSettlement(
      StepLedger<Q, T> ledger, @Nullable Function<? super ProviderRecord, ? extends T> results) {
    this.ledger = ledger;
    this.results = results;
  }

  /**
   * Settles an unknown outcome.
   *
   * @throws PgBelayException as {@link Reconciliation#apply} says
   */
  Settlement apply(Finding finding) {
    IdempotencyKey key =
        finding
            .payment()
            .orElseThrow(
                () ->
                    new PgBelayException(
                        "a finding that suggests "
                            + finding.action()
                            + " and is of no payment here cannot be applied: it takes a decision"));
    if (!key.operation().equals(ledger.operation())) {
      throw new PgBelayException(
          "the finding about payment "
              + key
              + " is not of operation \""
              + ledger.operation()
              + "\": apply it with the reconciliation that found it");
    }
    Optional<ProviderReply<T>> reply =
        switch (finding.action()) {
          case SETTLE_SUCCEEDED -> Optional.of(ProviderReply.succeeded(result(finding)));
          case SETTLE_REFUSED -> Optional.of(ProviderReply.refused("declined by the provider"));
          case SETTLE_NOT_DONE -> notDone(key, finding.confirmed());
          default ->
              throw new PgBelayException(
                  "a finding that suggests "
                      + finding.action()
                      + " cannot be applied: it takes a decision");
        };
    return reply.map(known -> ledger.settle(key, known)).orElse(Settlement.ALREADY_KNOWN);
  }

  private T result(Finding finding) {
    Function<? super ProviderRecord, ? extends T> results = this.results;
    if (results == null) {
      throw new PgBelayException(
          "say how a record becomes the result of step \""
              + ledger.step()
              + "\": results(…) of the builder");
    }
    ProviderRecord record =
        finding.records().stream()
            .filter(ProviderRecord::stands)
            .findFirst()
            .orElseThrow(() -> new PgBelayException("the finding has no record of a success"));
    return results.apply(record);
  }

  /** Empty if there is nothing to settle any more. */
  private Optional<ProviderReply<T>> notDone(IdempotencyKey key, boolean confirmed) {
    StepLedger.Entry<Q> entry = ledger.find(List.of(key)).get(key);
    if (entry == null || entry.standing() != Standing.ASKED) {
      return Optional.empty();
    }
    ProviderReply<T> now = ledger.ask(entry);
    if (confirmed && now.kind() == ProviderReply.Kind.UNKNOWN) {
      throw new PgBelayException(
          "payment "
              + key
              + " is not settled as not done: the status query of step \""
              + ledger.step()
              + "\", which has the last word, says nothing now ("
              + now.detail()
              + "). Apply the finding again once it answers");
    }
    return Optional.of(now.isDefinite() ? now : ProviderReply.refused("not at the provider"));
  }
}
