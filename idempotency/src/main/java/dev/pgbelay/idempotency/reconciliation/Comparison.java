package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.OpenPayment;
import dev.pgbelay.idempotency.reconciliation.Finding.Action;
import dev.pgbelay.idempotency.reconciliation.Finding.Kind;
import dev.pgbelay.idempotency.reconciliation.ProviderRecord.State;
import dev.pgbelay.idempotency.reconciliation.StepLedger.Entry;
import dev.pgbelay.idempotency.reconciliation.StepLedger.Standing;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says of one payment and its records what differs. The records were read before the payment: what
 * this one says can be newer than what they say, and never older.
 *
 * @param window that is compared
 * @param whole whether the provider's list was read to its end
 * @param openedAt by {@link System#nanoTime}, when the window was: its end and the margin
 * @param retention how long finished payments are kept
 * @param repeatedFor how long a provider is asked again after its first call
 * @param keyWindow how long the provider answers for a key
 * @param expected what a payment was to charge; null if amounts are not compared
 */
record Comparison<Q>(
    ReconciliationReport.Window window,
    boolean whole,
    long openedAt,
    Duration retention,
    Duration repeatedFor,
    Duration keyWindow,
    @Nullable Function<? super Execution<Q>, Amount> expected) {
  private static final Logger LOG = LoggerFactory.getLogger(Reconciliation.class);
  private static final String AGAIN = "done again for a payment that was done";

  /** Of a payment and all records under its provider key. */
  Judgement judge(Entry<Q> entry, List<ProviderRecord> records) {
    if (isMoving(entry)) {
      return Judgement.IN_FLIGHT;
    }
    return switch (entry.standing()) {
      case ASKED -> asked(entry, records);
      case SUCCEEDED -> succeeded(entry, records);
      case TAKEN_BACK -> takenBack(entry, records);
      case BEING_TAKEN_BACK -> Judgement.IN_FLIGHT;
      case REFUSED -> notDone(entry, records, Action.REFUND, "refused here, done there");
      case NOT_ASKED -> notDone(entry, records, Action.ASK_OPERATOR, "not asked for, done there");
    };
  }

  /** Whether somebody is at it, or about to be. */
  private boolean isMoving(Entry<Q> entry) {
    return entry.held()
        || (entry.state() == OpenPayment.State.RUNNING && entry.standing() != Standing.ASKED);
  }

  /** Whether all that is stored was so before the provider was asked for its list. */
  private boolean atRest(Entry<Q> entry) {
    return entry.restsSince().filter(since -> !since.isAfter(window.to())).isPresent();
  }

  private Judgement asked(Entry<Q> entry, List<ProviderRecord> records) {
    List<ProviderRecord> standing = standing(records);
    if (standing.size() > 1) {
      return severalTimes(entry, standing, "done " + standing.size() + " times, unknown here");
    }
    if (standing.size() == 1) {
      return unknown(entry, standing, amounts(entry, standing.get(0)));
    }
    if (has(records, State.PENDING)) {
      return Judgement.IN_FLIGHT;
    }
    if (has(records, State.REVERSED)) {
      return differs(
          entry, Action.ASK_OPERATOR, records, "unknown here, done and taken back there");
    }
    if (!records.isEmpty()) {
      return differs(entry, Action.SETTLE_REFUSED, records, "unknown here, declined there");
    }
    if (!whole || entry.begunAt().isBefore(window.from())) {
      return Judgement.UNJUDGED;
    }
    boolean over =
        entry.askedAt().filter(since -> !since.plus(repeatedFor).isAfter(window.to())).isPresent();
    return over
        ? finding(
            Kind.MISSING_THERE,
            Action.SETTLE_NOT_DONE,
            entry,
            records,
            "unknown here, not at the provider, which is not asked again")
        : Judgement.IN_FLIGHT;
  }

  private Judgement unknown(Entry<Q> entry, List<ProviderRecord> standing, Judgement amounts) {
    if (amounts.finding() != null) {
      return amounts;
    }
    String detail = "unknown here, done there";
    return amounts.unreadable()
        ? differs(entry, Action.ASK_OPERATOR, standing, detail).unread()
        : differs(entry, Action.SETTLE_SUCCEEDED, standing, detail);
  }

  private Judgement succeeded(Entry<Q> entry, List<ProviderRecord> records) {
    List<ProviderRecord> late = records.stream().filter(record -> isLate(entry, record)).toList();
    List<ProviderRecord> own = records.stream().filter(record -> !late.contains(record)).toList();
    List<ProviderRecord> standing = standing(own);
    if (standing.size() > 1) {
      return severalTimes(entry, standing(records), AGAIN);
    }
    if (!standing(late).isEmpty()) {
      return duplicate(entry, standing(late), AGAIN);
    }
    if (standing.size() == 1) {
      return amounts(entry, standing.get(0));
    }
    if (has(own, State.PENDING) || !atRest(entry)) {
      return Judgement.IN_FLIGHT;
    }
    if (has(own, State.REVERSED)) {
      return differs(entry, Action.BOOK, own, "done here, taken back there");
    }
    if (!own.isEmpty()) {
      return differs(entry, Action.ASK_OPERATOR, own, "done here, declined there");
    }
    return missingThere(entry);
  }

  /** Created when nobody asked for it any more: it is not what the payment came to know. */
  private boolean isLate(Entry<Q> entry, ProviderRecord record) {
    return entry
        .finishedAt()
        .filter(at -> record.createdAt().isAfter(at.plus(window.margin())))
        .isPresent();
  }

  private Judgement takenBack(Entry<Q> entry, List<ProviderRecord> records) {
    if (has(records, State.PENDING) || !atRest(entry)) {
      return Judgement.IN_FLIGHT;
    }
    List<ProviderRecord> standing = standing(records);
    if (!standing.isEmpty()) {
      return differs(entry, Action.REFUND, standing, "taken back here, done there");
    }
    return records.isEmpty() ? missingThere(entry) : Judgement.MATCHED;
  }

  private Judgement notDone(
      Entry<Q> entry, List<ProviderRecord> records, Action action, String detail) {
    if (records.isEmpty()) {
      return Judgement.NOTHING;
    }
    if (has(records, State.PENDING) || !atRest(entry)) {
      return Judgement.IN_FLIGHT;
    }
    List<ProviderRecord> standing = standing(records);
    return standing.isEmpty() ? Judgement.MATCHED : differs(entry, action, standing, detail);
  }

  private Judgement missingThere(Entry<Q> entry) {
    if (entry.begunAt().isBefore(window.from())) {
      return Judgement.NOTHING;
    }
    return whole
        ? finding(
            Kind.MISSING_THERE,
            Action.ASK_OPERATOR,
            entry,
            List.of(),
            "done here, not at the provider")
        : Judgement.UNJUDGED;
  }

  /** Of a record that no payment of the window has asked for. */
  Judgement alone(ProviderRecord record, @Nullable Entry<Q> entry) {
    boolean own =
        entry != null && record.providerKey().filter(entry.providerKey()::equals).isPresent();
    if (entry != null && own) {
      return judge(entry, List.of(record));
    }
    if (record.state() == State.PENDING) {
      return Judgement.IN_FLIGHT;
    }
    if (!record.stands()) {
      return Judgement.NOTHING;
    }
    if (entry == null) {
      return wouldBeHere(record) ? missingHere(record) : Judgement.UNJUDGED;
    }
    List<ProviderRecord> records = List.of(record);
    String detail = "done under a key that this payment does not use";
    if (isMoving(entry)) {
      return Judgement.IN_FLIGHT;
    }
    return switch (entry.standing()) {
      case SUCCEEDED -> duplicate(entry, records, detail);
      case REFUSED -> differs(entry, Action.REFUND, records, detail);
      default -> differs(entry, Action.ASK_OPERATOR, records, detail);
    };
  }

  /**
   * Whether its payment, if there was one, would have been met: some providers list more than they
   * were asked for, and what is older than the retention may be purged.
   */
  private boolean wouldBeHere(ProviderRecord record) {
    Instant finished = record.createdAt().minus(window.margin());
    Instant now =
        window.to().plus(window.margin()).plusNanos(Math.max(0, System.nanoTime() - openedAt));
    boolean kept = finished.isAfter(now.minus(retention));
    return kept
        && (record.payment().isPresent() || !record.createdAt().isBefore(window.askedSince()));
  }

  private Judgement missingHere(ProviderRecord record) {
    Action action = Action.ASK_OPERATOR;
    String detail = "done there, and nothing here says for whom";
    if (record.payment().isPresent()) {
      Instant forgotten = record.createdAt().plus(keyWindow).minus(window.margin());
      boolean known = forgotten.isAfter(window.to().plus(window.margin()));
      action = known ? Action.BOOK : Action.REFUND;
      detail =
          known
              ? "done there, no payment here: the same call under the same key books it"
              : "done there, no payment here: the same call would do it again";
    }
    return Judgement.of(
        new Finding(
            Kind.MISSING_HERE,
            action,
            record.payment(),
            Optional.empty(),
            List.of(record),
            Optional.empty(),
            true,
            detail));
  }

  private Judgement amounts(Entry<Q> entry, ProviderRecord record) {
    if (expected == null) {
      return Judgement.MATCHED;
    }
    Amount own;
    try {
      own = expected.apply(entry.execution().get());
    } catch (RuntimeException e) {
      LOG.warn("payment {}: its amount cannot be read ({})", entry.key(), e.getClass().getName());
      return Judgement.MATCHED.unread();
    }
    if (own.equals(record.amount())) {
      return Judgement.MATCHED;
    }
    return Judgement.of(
        new Finding(
            Kind.AMOUNT_DIFFERS,
            Action.ASK_OPERATOR,
            Optional.of(entry.key()),
            Optional.of(entry.state()),
            List.of(record),
            Optional.of(own),
            true,
            "the amounts differ"));
  }

  /** Which of them is the payment's own does not follow from the list. */
  private Judgement severalTimes(Entry<Q> entry, List<ProviderRecord> records, String detail) {
    return finding(Kind.DUPLICATE, Action.REFUND_ALL_BUT_ONE, entry, records, detail);
  }

  private Judgement duplicate(Entry<Q> entry, List<ProviderRecord> records, String detail) {
    return finding(Kind.DUPLICATE, Action.REFUND, entry, records, detail);
  }

  private Judgement differs(
      Entry<Q> entry, Action action, List<ProviderRecord> records, String detail) {
    return finding(Kind.STATE_DIFFERS, action, entry, records, detail);
  }

  private Judgement finding(
      Kind kind, Action action, Entry<Q> entry, List<ProviderRecord> records, String detail) {
    return Judgement.of(
        new Finding(
            kind,
            action,
            Optional.of(entry.key()),
            Optional.of(entry.state()),
            records,
            Optional.empty(),
            kind != Kind.MISSING_THERE,
            detail));
  }

  private static List<ProviderRecord> standing(List<ProviderRecord> records) {
    return records.stream().filter(ProviderRecord::stands).toList();
  }

  private static boolean has(List<ProviderRecord> records, State state) {
    return records.stream().anyMatch(record -> record.state() == state);
  }
}
