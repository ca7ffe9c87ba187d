package dev.pgbelay.examples.demo.routing;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.routing.ReadYourWrites;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;

/** How often does a page not show what was saved before, and who is asked for it? */
final class StaleReads implements Study {
  private static final int VISITORS = 100;

  /** After the save; the last ones are beyond a pin of two seconds. */
  private static final long[] LOOKS_MS = {
    0, 500, 1_000, 1_500, 1_900, 2_100, 2_200, 2_300, 2_400, 2_500
  };

  private static final String TASK = "Profiles saved and looked at";

  private static final Duration USUAL = Duration.ofMillis(50);
  private static final Duration BAD_DAY = Duration.ofSeconds(3);

  private final Servers servers;

  StaleReads(Servers servers) {
    this.servers = servers;
  }

  private record Seen(long stale, long byReplicas) {
    long perThousand() {
      return Math.round(1_000.0 * stale / (VISITORS * LOOKS_MS.length));
    }
  }

  @Override
  public Findings run(DemoContext context) throws Exception {
    Profiles.create(servers.each().primary(), 0, VISITORS);
    servers.lag(USUAL, BAD_DAY);
    try (ReadYourWrites db = servers.routed()) {
      Seen random =
          all(
              "random",
              number -> Profiles.anyReplica(servers.each(), new Random(context.seed() + number)));
      context.progress().step(TASK, 1, 3);
      Seen pinned =
          all(
              "pinned",
              number -> Profiles.pinned(servers.each(), new Random(context.seed() + number)));
      context.progress().step(TASK, 2, 3);
      Seen routed = all("routed", number -> Profiles.routed(db));
      context.progress().step(TASK, 3, 3);
      return new Findings(
          List.of(
              compare(
                  "random-replica",
                  "reads from a random replica",
                  random,
                  routed,
                  "The save went to the primary, the look to a replica that had not heard of it."),
              compare(
                  "pinned",
                  "reads from the primary for 2 s after a save, then from a random replica",
                  pinned,
                  routed,
                  "Two seconds are too long for the replica that is 50 ms behind, and too short"
                      + " for the one that is 3 s behind.")),
          List.of());
    }
  }

  private static Comparison compare(
      String id, String naiveWay, Seen naive, Seen safe, String verdict) {
    return new Comparison(
        id,
        "Reads that replicas took, of "
            + VISITORS * LOOKS_MS.length
            + " within 2.5 s of the reader's own write; one replica is 50 ms behind, the other 3 s",
        naiveWay,
        "ReadYourWrites",
        Measure.rows(naive.byReplicas()),
        Measure.rows(safe.byReplicas()),
        List.of(new Damage("stale reads per thousand", naive.perThousand(), safe.perThousand())),
        verdict);
  }

  private static Seen all(String way, IntFunction<Visitor> visitors) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(VISITORS);
    try {
      List<Future<Seen>> running = new ArrayList<>();
      for (int i = 0; i < VISITORS; i++) {
        int id = i;
        running.add(threads.submit(() -> visit(visitors.apply(id), id, way + " " + id)));
      }
      long stale = 0;
      long byReplicas = 0;
      for (Future<Seen> one : running) {
        stale += one.get().stale();
        byReplicas += one.get().byReplicas();
      }
      return new Seen(stale, byReplicas);
    } finally {
      threads.shutdownNow();
    }
  }

  private static Seen visit(Visitor visitor, int id, String name) throws InterruptedException {
    // Not all in the same moment.
    Thread.sleep(id * 5L);
    visitor.save(id, name);
    long stale = 0;
    long byReplicas = 0;
    long passed = 0;
    for (long look : LOOKS_MS) {
      Thread.sleep(look - passed);
      passed = look;
      Visitor.Shown shown = visitor.show(id);
      stale += shown.isStale(name) ? 1 : 0;
      byReplicas += shown.byReplica() ? 1 : 0;
    }
    return new Seen(stale, byReplicas);
  }
}
