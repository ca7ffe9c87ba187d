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
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jooq.DSLContext;

/** What is shown before, across and after a fail-over that loses the last saves? */
final class FailOver implements Study {
  private static final int EACH = 40;

  /** Behind the rows of the other study. */
  private static final int FIRST_ROW = 1_000;

  private static final Duration LAG = Duration.ofMillis(200);
  private static final Duration LONGER_LAG = Duration.ofMillis(400);
  private static final long[] LOOKS_MS = {
    0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800
  };
  private static final String TASK = "A replica takes over";

  private final Servers servers;

  FailOver(Servers servers) {
    this.servers = servers;
  }

  private record Seen(long stale, long byReplicas) {
    Seen plus(Seen other) {
      return new Seen(stale + other.stale, byReplicas + other.byReplicas);
    }

    long perThousand() {
      return Math.round(1_000.0 * stale / (EACH * LOOKS_MS.length));
    }
  }

  /** Visitors of one way, and what they saw in each part. */
  private static final class Group {
    private final String name;
    private final int firstRow;
    private final List<Visitor> visitors;
    private final List<Seen> seen = new ArrayList<>();

    Group(String name, int firstRow, List<Visitor> visitors) {
      this.name = name;
      this.firstRow = firstRow;
      this.visitors = visitors;
    }

    Seen before() {
      return seen.get(0);
    }

    /** Pages without the save that came a moment before the crash. */
    long withoutAWord() {
      return seen.get(1).stale();
    }

    Seen after() {
      return seen.get(2);
    }

    Measure byReplicas() {
      return Measure.rows(before().byReplicas() + after().byReplicas());
    }
  }

  @Override
  public Findings run(DemoContext context) throws Exception {
    DSLContext primary = servers.each().primary();
    Profiles.create(primary, FIRST_ROW, 3 * EACH);
    servers.lag(Duration.ZERO, Duration.ZERO);
    servers.lag(LAG, LONGER_LAG);
    ExecutorService threads = Executors.newFixedThreadPool(3 * EACH);
    try (ReadYourWrites db = servers.routed()) {
      Servers.Ways ways = servers.byRole();
      Random random = new Random(context.seed());
      Group any =
          group("random", 0, () -> Profiles.anyReplica(ways, new Random(random.nextLong())));
      Group pinned = group("pinned", 1, () -> Profiles.pinned(ways, new Random(random.nextLong())));
      Group routed = group("routed", 2, () -> Profiles.routed(db));
      List<Group> groups = List.of(any, pinned, routed);

      saveAndLook(threads, groups, "before", LOOKS_MS);
      context.progress().step(TASK, 1, 3);
      servers.cutReplication();
      all(threads, groups, (group, number) -> save(group, number, "at the crash"));
      servers.failOver();
      look(threads, groups, "at the crash", new long[] {0});
      context.progress().step(TASK, 2, 3);
      saveAndLook(threads, groups, "after", LOOKS_MS);
      context.progress().step(TASK, 3, 3);
      return new Findings(
          List.of(
              compare(
                  "failover-random-replica",
                  "pools of all servers by role (targetServerType), reads from a random replica",
                  any,
                  routed,
                  "The replicas answer whatever they have, before and after."),
              compare(
                  "failover-pinned",
                  "the same, and from the primary for 2 s after a save",
                  pinned,
                  routed,
                  "The new primary never had the last saves, and nobody knows: the pages show what"
                      + " was there before.")),
          List.of());
    } finally {
      threads.shutdownNow();
    }
  }

  private static Group group(String name, int number, Callable<Visitor> visitor) throws Exception {
    List<Visitor> visitors = new ArrayList<>();
    for (int i = 0; i < EACH; i++) {
      visitors.add(visitor.call());
    }
    return new Group(name, FIRST_ROW + number * EACH, visitors);
  }

  private static Comparison compare(
      String id, String naiveWay, Group naive, Group safe, String verdict) {
    return new Comparison(
        id,
        "Reads that replicas took, of "
            + 2 * EACH * LOOKS_MS.length
            + " within 0.8 s of the reader's own write, half before and half after a fail-over;"
            + " replicas are 200 and 400 ms behind",
        naiveWay,
        "ReadYourWrites",
        naive.byReplicas(),
        safe.byReplicas(),
        List.of(
            new Damage(
                "stale reads per thousand before it",
                naive.before().perThousand(),
                safe.before().perThousand()),
            new Damage(
                "stale reads per thousand after it",
                naive.after().perThousand(),
                safe.after().perThousand()),
            new Damage(
                "of " + EACH + " pages miss the save of the last moment without a word",
                naive.withoutAWord(),
                safe.withoutAWord())),
        verdict);
  }

  private interface Part {
    Seen of(Group group, int number) throws Exception;
  }

  private static void saveAndLook(
      ExecutorService threads, List<Group> groups, String when, long[] looks) throws Exception {
    List<Seen> seen =
        all(
            threads,
            groups,
            (group, number) -> {
              // Not all in the same moment.
              Thread.sleep(number * 10L);
              return save(group, number, when).plus(look(group, number, when, looks));
            });
    note(groups, seen);
  }

  private static void look(ExecutorService threads, List<Group> groups, String when, long[] looks)
      throws Exception {
    note(groups, all(threads, groups, (group, number) -> look(group, number, when, looks)));
  }

  private static void note(List<Group> groups, List<Seen> seen) {
    for (int i = 0; i < groups.size(); i++) {
      groups.get(i).seen.add(seen.get(i));
    }
  }

  /** What the visitors of each group saw together. */
  private static List<Seen> all(ExecutorService threads, List<Group> groups, Part part)
      throws Exception {
    List<List<Future<Seen>>> running = new ArrayList<>();
    for (Group group : groups) {
      List<Future<Seen>> own = new ArrayList<>();
      for (int i = 0; i < EACH; i++) {
        int number = i;
        own.add(threads.submit(() -> part.of(group, number)));
      }
      running.add(own);
    }
    List<Seen> together = new ArrayList<>();
    for (List<Future<Seen>> own : running) {
      Seen sum = new Seen(0, 0);
      for (Future<Seen> one : own) {
        sum = sum.plus(one.get());
      }
      together.add(sum);
    }
    return together;
  }

  private static String name(Group group, int number, String when) {
    return group.name + " " + number + " " + when;
  }

  private static Seen save(Group group, int number, String when) throws Exception {
    Visitor visitor = group.visitors.get(number);
    return patiently(
        () -> {
          visitor.save(group.firstRow + number, name(group, number, when));
          return new Seen(0, 0);
        });
  }

  private static Seen look(Group group, int number, String when, long[] looks) throws Exception {
    Visitor visitor = group.visitors.get(number);
    Seen seen = new Seen(0, 0);
    long passed = 0;
    for (long look : looks) {
      Thread.sleep(look - passed);
      passed = look;
      Visitor.Shown shown = patiently(() -> visitor.show(group.firstRow + number));
      seen =
          seen.plus(
              new Seen(
                  shown.isStale(name(group, number, when)) ? 1 : 0, shown.byReplica() ? 1 : 0));
    }
    return seen;
  }

  /** Connections to a server that has died fail once. */
  private static <T> T patiently(Callable<T> work) throws Exception {
    for (int attempt = 1; ; attempt++) {
      try {
        return work.call();
      } catch (RuntimeException e) {
        if (attempt == 100) {
          throw e;
        }
        Thread.sleep(50);
      }
    }
  }
}
