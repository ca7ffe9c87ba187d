package dev.pgbelay.idempotency.testing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.BiPredicate;
import java.util.function.ToLongFunction;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Kills or stops a service's own operation at every boundary it has, one after the other, and lets
 * another process go on: before and behind each statement, each COMMIT and each call of a provider,
 * and so before and behind claim, intent, call, answer, record and commit, whatever the operation
 * makes of them.
 *
 * <p><b>What is checked</b>, for each boundary: the provider has acted at most once; there is an
 * answer in the end; whoever asks gets the same one, the first process included if it lives; and
 * answer and effects go together, if that was given with {@link #consistent}.
 *
 * <p>Needs nothing of the code under test but that it reaches the world through its {@link
 * SimulatedProcess}: hand-written code can be checked as well. Runs take as long as the operation's
 * leases do; make those short. Not safe for several threads.
 *
 * @param <R> the operation's answer; compared with {@code equals}
 */
public final class CrashPoints<R> {

  /** The service's operation, as one process of it runs it. */
  @FunctionalInterface
  public interface Attempt<R> {
    /**
     * Builds what the service needs on {@code process}, and handles one request under the key.
     * Called again, in other processes, until there is an answer; a request that is under way is to
     * be said to have none yet.
     *
     * @return the final answer; empty if there is none yet
     * @throws Exception which counts as no answer
     */
    Optional<R> call(SimulatedProcess process, String key) throws Exception;
  }

  private final DataSource database;
  private final Attempt<R> operation;
  private final ToLongFunction<String> effects;
  private Duration patience = Duration.ofSeconds(30);
  private Duration stoppedFor = Duration.ofSeconds(2);
  private Set<Fault> faults = EnumSet.allOf(Fault.class);
  private BiPredicate<R, Long> consistent = (answer, count) -> true;

  private CrashPoints(DataSource database, Attempt<R> operation, ToLongFunction<String> effects) {
    this.database = database;
    this.operation = operation;
    this.effects = effects;
  }

  /**
   * Begins with what is checked.
   *
   * @param database opens a session for each connection, such as the driver's own: sessions of a
   *     process that was killed are cut, and do not go back into a pool
   * @param effects how often the provider has acted under a key; asked when nothing runs
   */
  public static <R> CrashPoints<R> of(
      DataSource database, Attempt<R> operation, ToLongFunction<String> effects) {
    return new CrashPoints<>(database, operation, effects);
  }

  /**
   * How long other processes try to get an answer, 1 s to 1 h; 30 seconds unless said. Longer than
   * the operation's leases and grace times together.
   */
  public CrashPoints<R> patience(Duration time) {
    OptionRange.require("patience", time, Duration.ofSeconds(1), Duration.ofHours(1));
    this.patience = time;
    return this;
  }

  /**
   * The longest time that a stopped process stands still, 10 ms to 1 h, unless another one has got
   * an answer before; two seconds unless said. Longer than a lease, or nothing is taken over.
   */
  public CrashPoints<R> stoppedFor(Duration time) {
    OptionRange.require("stoppedFor", time, Duration.ofMillis(10), Duration.ofHours(1));
    this.stoppedFor = time;
    return this;
  }

  /** Only these; all unless said. */
  public CrashPoints<R> faults(Fault first, Fault... others) {
    this.faults = EnumSet.of(first, others);
    return this;
  }

  /** Whether an answer and the number of effects go together: "charged" goes with one. */
  public CrashPoints<R> consistent(BiPredicate<R, Long> rule) {
    this.consistent = rule;
    return this;
  }

  /**
   * Runs the operation once without a fault, to learn its boundaries, and then once for each fault
   * at each of them, under a new key each time. Blocks until all are over.
   *
   * @throws PgBelayException if the operation gives no answer even without a fault, or passes no
   *     boundary
   */
  public CrashReport run() {
    String series = UUID.randomUUID().toString();
    CrashRun<R> healthy = crashRun(series + "-healthy", null);
    List<String> boundaries = healthy.boundaries();
    if (boundaries.isEmpty()) {
      throw new PgBelayException(
          "the operation passed no boundary: build it on process.dataSource(), and call the provider"
              + " with process.outside(…)");
    }
    List<CrashReport.Violation> violations = new ArrayList<>();
    int runs = 0;
    for (Fault fault : faults) {
      for (int i = 0; i < boundaries.size(); i++) {
        String key = series + "-" + fault.name().charAt(0) + i;
        CrashRun<R> run = crashRun(key, new SimulatedProcess.Fate(fault, i));
        String where = boundaries.get(i);
        run.violations()
            .forEach(what -> violations.add(new CrashReport.Violation(fault, where, key, what)));
        runs++;
      }
    }
    return new CrashReport(boundaries, runs, violations);
  }

  private CrashRun<R> crashRun(String key, SimulatedProcess.@Nullable Fate fate) {
    CrashRun<R> run =
        new CrashRun<>(database, operation, new CrashRun.Limits(patience, stoppedFor), key);
    run.run(fate);
    run.check(effects.applyAsLong(key), consistent);
    if (fate == null && !run.violations().isEmpty()) {
      throw new PgBelayException(
          "without any fault, the operation does not do what is checked: " + run.violations());
    }
    return run;
  }
}
