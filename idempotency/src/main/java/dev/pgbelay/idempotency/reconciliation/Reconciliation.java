package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Compares one provider step of a payment operation with what its provider has.
 *
 * <p><b>Guarantee.</b> The provider's list is read to its end first, and laid into a table beside
 * the payments; then the payments are read, page by page along their index. So what is known here
 * is newer than what the provider said: a charge without its payment, whose intent is committed
 * before the provider is asked, is missing here for certain. That something is missing there, or
 * undone there, is said only if the list was whole, and only of payments that came to rest before
 * the list was asked for, less the margin. Every finding was seen twice, under a fresh read just
 * before it is given out; one that something is missing there was also put to the step's status
 * query. Whatever is at work meanwhile is counted as in flight, and left to the next run: let
 * windows overlap.
 *
 * <p>Nothing is changed at the provider or about payments, unless {@link #apply} is called. Memory
 * is bounded by a page of each side, whatever their number. No transaction stays open between pages
 * or while the provider is asked; one run of a step at a time, a younger one ends an older one.
 * Blocks; safe for several threads.
 *
 * @param <Q> the request
 * @param <T> the step's result
 */
public final class Reconciliation<Q, T> {
  private static final Duration LONGEST = Duration.ofDays(3650);

  private final Builder<Q, T> options;
  private final RecordSql sql;
  private final ReconciliationMeters meters;
  private final Retry retry;

  private Reconciliation(Builder<Q, T> options) {
    this.options = options;
    this.sql = new RecordSql(options.schema);
    StepLedger<Q, T> ledger = options.ledger;
    this.meters =
        options.registry == null
            ? ReconciliationMeters.NONE
            : new ReconciliationMeters.OfMicrometer(
                options.registry, ledger.operation(), ledger.step());
    this.retry =
        Retry.of(
            "reconciliation-" + ledger.operation() + "-" + ledger.step(),
            RetryConfig.custom()
                .maxAttempts(options.attempts)
                .waitDuration(options.pause)
                .retryOnException(failure -> !(failure instanceof InterruptedException))
                .build());
  }

  /**
   * Begins with both sides.
   *
   * @param transactions of the database that payments are written in: the primary
   * @param ledger of the step, {@link
   *     dev.pgbelay.idempotency.payment.PaymentOperation#ledger(dev.pgbelay.idempotency.payment.StepKey)}
   * @param records what the provider has of that step
   */
  public static <Q, T> Builder<Q, T> builder(
      Transactions transactions, StepLedger<Q, T> ledger, ProviderRecords records) {
    return new Builder<>(transactions, ledger, records);
  }

  /**
   * Compares the payments that began since then, and every record that the provider lists since
   * then.
   *
   * @param lookBack 1 min or more, and with the margin twice no more than the operation's
   *     retention: what was purged would be called missing
   * @param findings gets each finding on the calling thread, with no transaction open; what it
   *     throws ends the run
   * @throws InterruptedException if the thread was interrupted while the provider was asked
   * @throws PgBelayException if the window is out of range, or a younger run or a restart of the
   *     server ended this one
   * @throws dev.pgbelay.core.TransactionException if a transaction is open on this thread, or as
   *     {@link Transactions#commit} does; findings so far hold
   */
  public ReconciliationReport compare(Duration lookBack, Consumer<? super Finding> findings)
      throws InterruptedException {
    OptionRange.require("lookBack", lookBack, Duration.ofMinutes(1), LONGEST);
    StepLedger<Q, T> ledger = options.ledger;
    Duration needed = lookBack.plus(options.margin.multipliedBy(2));
    if (needed.compareTo(ledger.retention()) > 0) {
      throw new PgBelayException(
          "a reconciliation that looks back for "
              + lookBack
              + " with a margin of "
              + options.margin
              + " needs payments of "
              + needed
              + ", and operation \""
              + ledger.operation()
              + "\" keeps them for "
              + ledger.retention()
              + ": look back for less, or raise the retention");
    }
    Transactions.requireNone();
    ReconciliationMeters.Result result = ReconciliationMeters.Result.FAILED;
    try {
      ReconciliationReport report =
          new ReconciliationRun<>(options, sql, meters, retry, findings).run(lookBack);
      result =
          report.whole()
              ? ReconciliationMeters.Result.WHOLE
              : ReconciliationMeters.Result.INCOMPLETE;
      return report;
    } finally {
      meters.ran(result);
    }
  }

  /**
   * Settles an unknown outcome as a finding suggests, under the payment's own rules: the first word
   * counts, and whoever has the payment loses it. Never done by {@link #compare} itself; for {@link
   * Finding.Action#SETTLE_NOT_DONE} the provider's status query is asked once more, and has the
   * last word.
   *
   * @return {@link Settlement#ALREADY_KNOWN} if the outcome came to be known otherwise
   * @throws PgBelayException if the finding suggests no settlement, or is of another operation; for
   *     {@link Finding.Action#SETTLE_SUCCEEDED} if nobody said how a record becomes a result; for
   *     {@link Finding.Action#SETTLE_NOT_DONE} if the status query that confirmed it fails now.
   *     Nothing was changed
   */
  public Settlement apply(Finding finding) {
    Settlement settlement = new FindingSettlement<>(options.ledger, options.results).apply(finding);
    meters.applied(settlement);
    return settlement;
  }

  @Override
  public String toString() {
    return "Reconciliation of " + options.ledger.operation() + "/" + options.ledger.step();
  }

  /** Not safe for several threads. */
  public static final class Builder<Q, T> {
    final Transactions transactions;
    final StepLedger<Q, T> ledger;
    final ProviderRecords records;
    String schema = SchemaInstaller.DEFAULT_SCHEMA;
    Duration margin = Duration.ofMinutes(5);
    int pageSize = 500;
    int mostPages = 100_000;
    int statusQueries = 1_000;
    int attempts = 3;
    Duration pause = Duration.ofSeconds(1);
    @Nullable Function<? super Execution<Q>, Amount> expected;
    @Nullable Function<? super ProviderRecord, ? extends T> results;
    @Nullable MeterRegistry registry;

    private Builder(Transactions transactions, StepLedger<Q, T> ledger, ProviderRecords records) {
      this.transactions = transactions;
      this.ledger = ledger;
      this.records = records;
    }

    private Builder(Builder<Q, T> other) {
      this(other.transactions, other.ledger, other.records);
      this.schema = other.schema;
      this.margin = other.margin;
      this.pageSize = other.pageSize;
      this.mostPages = other.mostPages;
      this.statusQueries = other.statusQueries;
      this.attempts = other.attempts;
      this.pause = other.pause;
      this.expected = other.expected;
      this.results = other.results;
      this.registry = other.registry;
    }

    /** Where the tables of module {@code idempotency} are. */
    public Builder<Q, T> schema(String of) {
      this.schema = of;
      return this;
    }

    /**
     * What a payment is to charge, from what its call was made of: the request, and the results
     * before it. Amounts are not compared unless said.
     */
    public Builder<Q, T> expected(Function<? super Execution<Q>, Amount> amount) {
      this.expected = amount;
      return this;
    }

    /** How a record becomes the step's result, for {@link Reconciliation#apply}. */
    public Builder<Q, T> results(Function<? super ProviderRecord, ? extends T> of) {
      this.results = of;
      return this;
    }

    /**
     * By how much the provider's clock may differ from the database's, and how long a charge may
     * take to appear in its list: 0 to 24 h; 5 min unless said.
     */
    public Builder<Q, T> margin(Duration time) {
      this.margin = time;
      return this;
    }

    /** Payments read at once, 1 to 10,000; 500 unless said. */
    public Builder<Q, T> pageSize(int payments) {
      this.pageSize = payments;
      return this;
    }

    /** Pages of the provider behind which its list is taken for endless: 1 to 10^9; 100,000. */
    public Builder<Q, T> mostPages(int pages) {
      this.mostPages = pages;
      return this;
    }

    /** Calls for one page, 1 to 20, and the pause between them; 3 and 1 s unless said. */
    public Builder<Q, T> attempts(int most, Duration between) {
      this.attempts = most;
      this.pause = between;
      return this;
    }

    /**
     * How often in one run the step's status query may be asked about what the list does not show,
     * 0 to 1,000,000; 1,000 unless said. What is found behind that is not {@link
     * Finding#confirmed}.
     */
    public Builder<Q, T> statusQueries(int most) {
      this.statusQueries = most;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder<Q, T> meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public Reconciliation<Q, T> build() {
      OptionRange.require("margin", margin, Duration.ZERO, Duration.ofHours(24));
      OptionRange.require("pageSize", pageSize, 1, 10_000);
      OptionRange.require("mostPages", mostPages, 1, 1_000_000_000);
      OptionRange.require("statusQueries", statusQueries, 0, 1_000_000);
      OptionRange.require("attempts", attempts, 1, 20);
      OptionRange.require("pause", pause, Duration.ofMillis(1), Duration.ofMinutes(1));
      return new Reconciliation<>(new Builder<>(this));
    }
  }
}
