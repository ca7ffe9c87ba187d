package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Looks at the database now and then and keeps what it saw last, so that a probe costs no
 * statement. A look is one transaction of at most five seconds. Owns one thread, a daemon. Safe for
 * several threads; started once, stopped once.
 *
 * @param <S> what is seen
 */
public final class Monitoring<S> implements AutoCloseable {
  private static final Duration LONGEST_LOOK = Duration.ofSeconds(5);

  /** What was seen and when. */
  private record Seen<S>(S snapshot, long atNanos) {}

  private final Transactions transactions;
  private final TxOptions options;
  private final Function<DSLContext, S> read;
  private final Consumer<S> seen;
  private final Duration interval;
  private final BackgroundLoop loop;
  private volatile @Nullable Seen<S> last;
  private volatile @Nullable String failure;
  private final long builtAt = System.nanoTime();

  /**
   * @param thread its name, which is that of its metrics, too
   * @param path under which its transactions are counted
   * @param seen is told of each look that succeeded
   */
  public Monitoring(
      String thread,
      Transactions transactions,
      String path,
      Duration interval,
      Function<DSLContext, S> read,
      Consumer<S> seen,
      @Nullable MeterRegistry registry) {
    this.transactions = transactions;
    this.options = TxOptions.builder().path(path).deadline(LONGEST_LOOK).build();
    this.interval = interval;
    this.read = read;
    this.seen = seen;
    this.loop =
        BackgroundLoop.builder(thread, this::pass)
            .idlePause(interval, interval)
            .failurePause(shorter(interval, Duration.ofSeconds(1)), interval)
            .meterRegistry(registry)
            .build();
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  /**
   * Starts the thread; asks no database.
   *
   * @throws PgBelayException if it was started or stopped before
   */
  public void start() {
    loop.start();
  }

  /** Stops looking. */
  @Override
  public void close() {
    loop.close();
  }

  /**
   * Looks now, on the calling thread.
   *
   * @throws RuntimeException what reading threw
   */
  public S look() {
    try {
      loop.runOnce();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new PgBelayException("the monitor could not look", e); // none is thrown by a look
    }
    Seen<S> now = last;
    if (now == null) {
      throw new PgBelayException("the monitor has not seen anything yet");
    }
    return now.snapshot();
  }

  /** What was seen last; empty before the first look. */
  public Optional<S> lastSnapshot() {
    return Optional.ofNullable(last).map(Seen::snapshot);
  }

  /** Asks no database; down if nothing could be read for three intervals. */
  public Health health(Function<S, Health> judge) {
    Seen<S> now = last;
    Duration age = Duration.ofNanos(System.nanoTime() - (now == null ? builtAt : now.atNanos()));
    if (age.compareTo(interval.multipliedBy(3).plus(LONGEST_LOOK)) > 0
        || (now == null && failure != null)) {
      return Health.of(
          List.of(
              new Reason(
                  Status.DOWN,
                  "nothing is known for "
                      + Duration.ofSeconds(age.toSeconds())
                      + ": "
                      + (failure == null ? "was the monitor started?" : failure))));
    }
    return now == null ? Health.of(List.of()) : judge.apply(now.snapshot());
  }

  private Pass pass() {
    try {
      Seen<S> now =
          new Seen<>(transactions.run(options, tx -> read.apply(tx.dsl())), System.nanoTime());
      last = now;
      failure = null;
      seen.accept(now.snapshot());
      return Pass.idle();
    } catch (RuntimeException e) {
      failure = inALine(e);
      throw e;
    }
  }

  /** What the database said, without the statement. */
  private static String inALine(RuntimeException failure) {
    Throwable told = failure.getCause() instanceof SQLException refused ? refused : failure;
    return told.getClass().getName()
        + ": "
        + String.valueOf(told.getMessage()).lines().findFirst().orElse("");
  }
}
