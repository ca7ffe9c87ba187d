package dev.pgbelay.examples.demo.locking;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** Unordered locks and a lease without a fence against {@code ordered-locking}. */
public final class LockingScenario implements DemoScenario {
  private static final List<Study> STUDIES = List.of(new UnorderedTransfers(), new StalledLeader());

  private static final String PROBLEM =
      "Two transactions that lock the same rows in different orders deadlock; the server looks for"
          + " that after a second, and until then everybody behind them stands still. And a leader"
          + " that was stopped for longer than its lease goes on writing when it wakes.";

  private static final List<String> CAVEATS =
      List.of(
          "Fifty accounts and eight clients are meant to meet. With more accounts there are fewer"
              + " deadlocks, and each still stops its rows for deadlock_timeout, PostgreSQL's default"
              + " of one second. The naive clients run a deadlocked transfer again at once, and its"
              + " time counts from its first attempt.",
          "The leader is stopped by suspending its connection pools in the middle of its work: nothing"
              + " of it reaches the database, its keep-alive included, as when its process or its"
              + " machine stands still. The module's tests stop a real process with SIGSTOP.",
          "Both leaders find out who leads by the database's clock. What differs is that the guarded"
              + " one asks again in each transaction that writes.");

  @Override
  public String id() {
    return "locking";
  }

  @Override
  public String summary() {
    return "Locks in one order and leases that fence against deadlocks and leaders that wake up late";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    Findings findings = Findings.of(STUDIES, context);
    return new ScenarioResult(
        id(),
        "Ordered locking",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
