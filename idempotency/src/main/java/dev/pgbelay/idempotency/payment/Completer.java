package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries on what nobody carries on: payments whose process crashed, after a time of grace in which
 * their client may come back; those that failed and are due again; and those that are unknown, by
 * asking their provider. One thread; run one in each process, they do not meet in a payment.
 *
 * <p>Takes at most so many payments of an operation in one pass, so that none waits for the others.
 * Safe for several threads.
 */
public final class Completer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Completer.class);
  private static final int MOST_ESCALATED = 100;

  private final Payments payments;
  private final Duration grace;
  private final int perPass;
  private final Duration escalateAfter;
  private final Consumer<? super OpenPayment> escalation;
  private final OpenPaymentSql sql;
  private final BackgroundLoop loop;

  private Completer(Builder builder) {
    this.payments = builder.payments;
    this.grace = builder.grace;
    this.perPass = builder.perPass;
    this.escalateAfter = builder.escalateAfter;
    this.escalation = builder.escalation;
    this.sql = new OpenPaymentSql(payments.sql().table());
    this.loop =
        BackgroundLoop.builder(payments.name() + "-completer", this::pass)
            .idlePause(builder.firstPause, builder.longestPause)
            .meterRegistry(payments.registry())
            .build();
  }

  public static Builder builder(Payments payments) {
    return new Builder(payments);
  }

  /** Starts the thread. */
  public void start() {
    loop.start();
  }

  /** The loop, for its health: {@link BackgroundLoop#sinceLastSuccess}. */
  public BackgroundLoop loop() {
    return loop;
  }

  /**
   * One pass on the calling thread, for tests and for services with a schedule of their own.
   *
   * @return how many payments it carried on
   * @throws Exception if the database could not be asked
   */
  public int runOnce() throws Exception {
    return loop.runOnce().work();
  }

  /** Payments fail one by one; only a database that cannot be asked fails the pass. */
  private Pass pass() throws InterruptedException {
    int carried = 0;
    for (PaymentOperation<?, ?> operation : payments.operations()) {
      carried += complete(operation);
      watch(operation);
    }
    return Pass.worked(carried);
  }

  private int complete(PaymentOperation<?, ?> operation) throws InterruptedException {
    int carried = 0;
    while (carried < perPass && !loop.isStopping() && operation.completeOne(grace)) {
      carried++;
    }
    return carried;
  }

  private void watch(PaymentOperation<?, ?> operation) {
    List<OpenPayment> old =
        payments
            .transactions()
            .run(tx -> sql.escalate(tx.dsl(), operation.name(), escalateAfter, MOST_ESCALATED));
    for (OpenPayment payment : old) {
      LOG.error(
          "payment {} is {} for {}: {}",
          payment.key(),
          payment.state(),
          payment.unknownFor().orElse(Duration.ZERO),
          payment.reason().orElse(""));
      try {
        escalation.accept(payment);
      } catch (RuntimeException e) {
        LOG.error("the escalation of payment {} failed", payment.key(), e);
      }
    }
    operation
        .meters()
        .stands(() -> payments.transactions().run(tx -> sql.standing(tx.dsl(), operation.name())));
  }

  /** Lets the running pass end, and starts no other. */
  @Override
  public void close() {
    loop.close();
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final Payments payments;
    private Duration grace = Duration.ofMinutes(5);
    private int perPass = 100;
    private Duration firstPause = Duration.ofMillis(500);
    private Duration longestPause = Duration.ofSeconds(5);
    private Duration escalateAfter = Duration.ofMinutes(15);
    private Consumer<? super OpenPayment> escalation = payment -> {};

    private Builder(Payments payments) {
      this.payments = payments;
    }

    /**
     * How long after the end of its lease a crashed payment is left to its client, 0 to 24 h; 5 min
     * unless said.
     */
    public Builder grace(Duration time) {
      this.grace = time;
      return this;
    }

    /** The most payments of one operation in a pass, 1 to 10,000; 100 unless said. */
    public Builder perPass(int most) {
      this.perPass = most;
      return this;
    }

    /** Pauses while nothing is due, doubling: 500 ms to 5 s unless said. */
    public Builder idlePause(Duration first, Duration longest) {
      this.firstPause = first;
      this.longestPause = longest;
      return this;
    }

    /**
     * Who is told of a payment that is unknown or parked for longer, once for each and at most:
     * what the callback throws is logged, and a process that dies here has told nobody. Alarm on
     * the metric of the oldest unknown one as well. 10 ms to 30 days, 15 min unless said. It is
     * logged as an error, too.
     */
    public Builder escalate(Duration after, Consumer<? super OpenPayment> to) {
      this.escalateAfter = after;
      this.escalation = to;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws dev.pgbelay.core.PgBelayException naming the option, its value and its range
     */
    public Completer build() {
      OptionRange.require("grace", grace, Duration.ZERO, Duration.ofHours(24));
      OptionRange.require("perPass", perPass, 1, 10_000);
      OptionRange.require(
          "escalateAfter", escalateAfter, Duration.ofMillis(10), Duration.ofDays(30));
      return new Completer(this);
    }
  }
}
