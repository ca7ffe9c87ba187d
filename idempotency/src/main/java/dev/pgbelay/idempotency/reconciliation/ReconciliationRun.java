package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.reconciliation.Finding.Kind;
import dev.pgbelay.idempotency.reconciliation.Judgement.Verdict;
import dev.pgbelay.idempotency.reconciliation.StepLedger.Entry;
import dev.pgbelay.idempotency.reconciliation.StepLedger.Standing;
import io.github.resilience4j.retry.Retry;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** One comparison, from its beginning to its report. For one thread, once. */
final class ReconciliationRun<Q, T> {
  private final Reconciliation.Builder<Q, T> options;
  private final StepLedger<Q, T> ledger;
  private final RecordSql sql;
  private final ReconciliationMeters meters;
  private final Retry retry;
  private final Consumer<? super Finding> findings;

  private final Map<Kind, Long> found = new EnumMap<>(Kind.class);
  private final Map<Verdict, Long> verdicts = new EnumMap<>(Verdict.class);
  private long unreadable;
  private long unlisted;
  private int queries;

  ReconciliationRun(
      Reconciliation.Builder<Q, T> options,
      RecordSql sql,
      ReconciliationMeters meters,
      Retry retry,
      Consumer<? super Finding> findings) {
    this.options = options;
    this.ledger = options.ledger;
    this.sql = sql;
    this.meters = meters;
    this.retry = retry;
    this.findings = findings;
  }

  ReconciliationReport run(Duration lookBack) throws InterruptedException {
    long openedAt = System.nanoTime();
    Shelf shelf = Shelf.open(options.transactions, sql, ledger.operation(), ledger.step());
    ReconciliationReport.Window window = window(shelf.openedAt(), lookBack);
    Pull.Read read =
        new Pull(options.records, retry, options.mostPages)
            .read(window.askedSince(), page -> put(shelf, page));
    Comparison<Q> comparison =
        new Comparison<>(
            window,
            read.gap().isEmpty(),
            openedAt,
            ledger.retention(),
            ledger.repeatedFor(),
            ledger.keyWindow(),
            options.expected);
    payments(shelf, comparison);
    rest(shelf, comparison);
    shelf.close();
    return report(window, read);
  }

  private ReconciliationReport.Window window(Instant now, Duration lookBack) {
    Instant from = now.minus(lookBack);
    Duration margin = options.margin;
    return new ReconciliationReport.Window(from, now.minus(margin), from.minus(margin), margin);
  }

  private void put(Shelf shelf, List<ProviderRecord> page) {
    meters.read(page.size());
    shelf.put(page.stream().filter(this::isOfOperation).map(this::withKey).toList());
  }

  private boolean isOfOperation(ProviderRecord record) {
    return record.payment().map(key -> key.operation().equals(ledger.operation())).orElse(true);
  }

  /** A provider that keeps no provider keys can keep the payment's, from which they follow. */
  private ProviderRecord withKey(ProviderRecord record) {
    if (record.providerKey().isPresent() || record.payment().isEmpty()) {
      return record;
    }
    return new ProviderRecord(
        record.id(),
        record.payment().map(ledger::providerKey),
        record.payment(),
        record.amount(),
        record.state(),
        record.createdAt());
  }

  /**
   * Open ones first: one that finishes meanwhile is then met again among the finished, which are
   * read in the order in which they come to be so. The other way round it could be met nowhere, and
   * its record taken for one without a payment.
   */
  private void payments(Shelf shelf, Comparison<Q> comparison) throws InterruptedException {
    Optional<IdempotencyKey> after = Optional.empty();
    List<Entry<Q>> page;
    do {
      page = ledger.open(after, options.pageSize);
      compare(shelf, comparison, page);
      after = page.isEmpty() ? after : Optional.of(page.get(page.size() - 1).key());
    } while (page.size() == options.pageSize);
    Instant since = comparison.window().askedSince().minus(options.margin);
    Optional<Entry<Q>> last = Optional.empty();
    do {
      page = ledger.finished(since, last, options.pageSize);
      compare(shelf, comparison, page);
      last = page.isEmpty() ? last : Optional.of(page.get(page.size() - 1));
    } while (page.size() == options.pageSize);
  }

  private void compare(Shelf shelf, Comparison<Q> comparison, List<Entry<Q>> page)
      throws InterruptedException {
    if (page.isEmpty()) {
      return;
    }
    Map<String, List<ProviderRecord>> records =
        shelf.take(page.stream().map(Entry::providerKey).toList()).stream()
            .collect(Collectors.groupingBy(record -> record.providerKey().orElse("")));
    Map<IdempotencyKey, List<ProviderRecord>> doubtful = new HashMap<>();
    for (Entry<Q> entry : page) {
      List<ProviderRecord> own = records.getOrDefault(entry.providerKey(), List.of());
      Judgement judgement = comparison.judge(entry, own);
      if (judgement.finding() == null) {
        count(judgement);
      } else {
        doubtful.put(entry.key(), own);
      }
    }
    again(doubtful.keySet())
        .forEach(
            (key, entry) -> {
              List<ProviderRecord> own = Objects.requireNonNull(doubtful.remove(key));
              settle(comparison.judge(entry, own), entry);
            });
    stopIfAsked();
  }

  /** What no payment that was met has asked for. */
  private void rest(Shelf shelf, Comparison<Q> comparison) throws InterruptedException {
    List<ProviderRecord> page;
    do {
      page = shelf.takeRest(options.pageSize);
      Map<IdempotencyKey, Entry<Q>> known = again(keysOf(page));
      List<ProviderRecord> doubtful = new ArrayList<>();
      for (ProviderRecord record : page) {
        Judgement judgement = comparison.alone(record, entry(known, record));
        if (judgement.finding() == null) {
          count(judgement);
        } else {
          doubtful.add(record);
        }
      }
      Map<IdempotencyKey, Entry<Q>> now = again(keysOf(doubtful));
      for (ProviderRecord record : doubtful) {
        settle(comparison.alone(record, entry(now, record)), entry(now, record));
      }
      stopIfAsked();
    } while (page.size() == options.pageSize);
  }

  private static <Q> @Nullable Entry<Q> entry(
      Map<IdempotencyKey, Entry<Q>> entries, ProviderRecord record) {
    return record.payment().map(entries::get).orElse(null);
  }

  private static List<IdempotencyKey> keysOf(List<ProviderRecord> records) {
    return records.stream().flatMap(record -> record.payment().stream()).distinct().toList();
  }

  /** As they are now. */
  private Map<IdempotencyKey, Entry<Q>> again(Collection<IdempotencyKey> keys) {
    return ledger.find(keys);
  }

  /** Gives out what was found twice. */
  private void settle(Judgement judgement, @Nullable Entry<Q> entry) {
    Judgement last = judgement;
    Finding finding = judgement.finding();
    if (finding != null && finding.kind() == Kind.MISSING_THERE && entry != null) {
      last = asked(finding, entry);
    }
    count(last);
    if (last.finding() != null) {
      found.merge(last.finding().kind(), 1L, Long::sum);
      meters.found(last.finding().kind());
      findings.accept(last.finding());
    }
  }

  /** The list may lag, or have lost something: the provider is asked about this one payment. */
  private Judgement asked(Finding finding, Entry<Q> entry) {
    if (queries >= options.statusQueries) {
      return Judgement.of(finding);
    }
    queries++;
    ProviderReply<T> reply = ledger.ask(entry);
    return switch (reply.kind()) {
      case ABSENT -> Judgement.of(finding.agreedByStatusQuery());
      case UNKNOWN -> Judgement.of(finding);
      case SUCCEEDED -> {
        unlisted++;
        yield Judgement.UNJUDGED;
      }
      case REFUSED ->
          Judgement.of(
              finding.declinedAsStatusQuerySays(
                  entry.standing() == Standing.ASKED
                      ? Finding.Action.SETTLE_REFUSED
                      : Finding.Action.ASK_OPERATOR));
    };
  }

  private static void stopIfAsked() throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
  }

  private void count(Judgement judgement) {
    verdicts.merge(judgement.verdict(), 1L, Long::sum);
    if (judgement.unreadable()) {
      unreadable++;
    }
  }

  private long count(Verdict verdict) {
    return verdicts.getOrDefault(verdict, 0L);
  }

  private ReconciliationReport report(ReconciliationReport.Window window, Pull.Read read) {
    String gap = read.gap();
    if (gap.isEmpty() && unlisted > 0) {
      gap = unlisted + " that its status query knows were not in the list";
    }
    return new ReconciliationReport(
        window,
        gap.isEmpty(),
        gap,
        read.pages(),
        read.records(),
        count(Verdict.MATCHED)
            + count(Verdict.IN_FLIGHT)
            + count(Verdict.UNJUDGED)
            + count(Verdict.FINDING),
        count(Verdict.MATCHED),
        count(Verdict.IN_FLIGHT),
        count(Verdict.UNJUDGED),
        unreadable,
        found);
  }
}
