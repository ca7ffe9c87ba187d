package dev.pgbelay.lock.witness;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

final class WitnessMeters implements WitnessEvents {
  private static final int MAX_PAIRS = 100;

  private final MeterRegistry registry;
  private final Counter sampled;
  private final Counter passed;
  private final Timer holds;

  /** Names of tables are few, but nobody promises it. */
  private final Set<String> pairs = ConcurrentHashMap.newKeySet();

  WitnessMeters(MeterRegistry registry, LockWitness witness) {
    this.registry = registry;
    this.sampled = transactions("yes");
    this.passed = transactions("no");
    this.holds =
        Timer.builder("pgbelay.lock.long.holds")
            .description("Transactions that held row locks longer than the limit")
            .register(registry);
    Gauge.builder("pgbelay.lock.witness.orders", witness, LockWitness::orders)
        .description("Orders of two classes that were learned")
        .register(registry);
    FunctionCounter.builder("pgbelay.lock.witness.dropped", witness, LockWitness::dropped)
        .description("Orders that were seen when there was no place left for new ones")
        .register(registry);
  }

  private Counter transactions(String sampled) {
    return Counter.builder("pgbelay.lock.witness.transactions")
        .description("Transactions seen")
        .tag("sampled", sampled)
        .register(registry);
  }

  private String pair(String first, String second) {
    String pair = first.compareTo(second) <= 0 ? first + "/" + second : second + "/" + first;
    return pairs.contains(pair) || (pairs.size() < MAX_PAIRS && pairs.add(pair)) ? pair : "other";
  }

  private String pair(LockFinding finding) {
    return pair(finding.classes().get(0), finding.classes().get(finding.classes().size() - 1));
  }

  private void count(LockFinding finding, String benign) {
    Counter.builder("pgbelay.lock.inversions")
        .description("Ways to deadlock that were seen, each time they are new")
        .tag("kind", finding.kind().name().toLowerCase(Locale.ROOT))
        .tag("classes", pair(finding))
        .tag("benign", benign)
        .register(registry)
        .increment();
  }

  @Override
  public void found(LockFinding finding) {
    count(finding, "no");
  }

  @Override
  public void benign(LockFinding finding) {
    count(finding, "yes");
  }

  @Override
  public void unseen(String reason) {
    Counter.builder("pgbelay.lock.witness.unseen")
        .description("Statements that may have locked what was not seen")
        .tag("reason", reason)
        .register(registry)
        .increment();
  }

  @Override
  public void transaction(boolean isSampled) {
    (isSampled ? sampled : passed).increment();
  }

  @Override
  public void deadlock(DeadlockReport report) {
    Counter.builder("pgbelay.lock.deadlocks")
        .description("Deadlocks in which a watched transaction was the victim")
        .tag("classes", pair(report.wanted(), report.wantedByOther()))
        .register(registry)
        .increment();
  }

  @Override
  public void heldTooLong(LongHold hold) {
    holds.record(hold.held());
  }
}
