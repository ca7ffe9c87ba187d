package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jooq.Record;
import org.junit.jupiter.api.Test;

/**
 * Two worker processes, all of whose COMMITs may be cut, which are killed, stopped past their lease
 * and cut off, on a server that crashes. Three queues: effects with {@code complete(tx)}, effects
 * in a transaction of their own, and effects with {@code complete(tx)} under limits and keys.
 *
 * <p>Why a job of the second queue ran again is known for each run from the record that {@link
 * WriteAudit} keeps in the transactions themselves: a run whose effect is there and which was not
 * the last must have gone back under its own claim, because its worker was given up after its lease
 * was over, or because the answer to the handler's COMMIT was lost. Anything else fails the test.
 */
class StormTest {
  private static final int EACH = QueueFixture.FULL ? 20_000 : 200;
  private static final int KEYED = QueueFixture.FULL ? 6_000 : 150;
  private static final int ROUNDS = QueueFixture.FULL ? 6 : 1;
  private static final double CUT = QueueFixture.FULL ? 0.005 : 0.03;

  /** Long enough to be run by two at once, when the first was stopped. */
  private static final int LONG_ONE_OF = QueueFixture.FULL ? 200 : 20;

  private static final int OF_QUEUE = 6;
  private static final int OF_KEY = 2;
  private static final int KEYS = 12;
  private static final String PLAIN = "plain";
  private static final String AGAIN = "again";
  private static final String LIMITED = "limited";

  private enum Fault {
    KILL,
    STOP,
    TERMINATE,
    CRASH
  }

  private final Map<Fault, Integer> faults = new EnumMap<>(Fault.class);
  private final Map<String, Fault> hit = new LinkedHashMap<>();
  private final List<Process> all = new ArrayList<>();
  private int terminated;
  private int samples;
  private int most;
  private int mostOfKey;
  private int named;

  private record Running(String name, Process process) {}

  @Test
  void twoProcessesUnderRandomFaults_loseNoJobDoubleNoEffectAndKeepTheirLimits() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("storm -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary());
        HikariDataSource own = QueueFixture.pool(cluster.primary().jdbcUrl(), 3)) {
      QueueFixture.SCHEMA.initialize(own);
      QueueFixture fixture = new QueueFixture(own);
      fixture.dsl.execute(
          "alter table effect add attempt int, add at timestamptz default clock_timestamp()");
      WriteAudit audit = WriteAudit.install(fixture.dsl);
      enqueue(fixture.transactions, random);
      proxy.cutCommitsAtRandom(seed, CUT, CUT);
      String url = proxy.jdbcUrl("postgres");
      List<Running> both = new ArrayList<>();
      try {
        both.add(begin(url));
        both.add(begin(url));
        List<Fault> plan = plan(random);
        int total = 2 * EACH + KEYED;
        for (int i = 0; i < plan.size(); i++) {
          awaitDone(fixture, (int) ((long) total * (i + 1) / (plan.size() + 2)));
          provoke(plan.get(i), both, url, cluster, own, fixture, random);
        }
        awaitDone(fixture, total);
        proxy.cutCommitsAtRandom(seed, 0, 0);
        for (Running one : both) {
          one.process().destroy();
        }
        for (Running one : both) {
          assertThat(one.process().waitFor(2, TimeUnit.MINUTES)).isTrue();
        }
      } finally {
        for (Process process : all) {
          process.destroyForcibly().waitFor();
        }
      }
      assertThat(audit.foreignWrites()).as("written by who did not hold the job").isEmpty();
      assertThat(audit.brokenLimits()).isEmpty();
      assertThat(audit.fencedTooEarly()).isEmpty();
      assertThat(most).as("claimed at once").isLessThanOrEqualTo(OF_QUEUE);
      assertThat(mostOfKey).as("claimed at once of a key").isLessThanOrEqualTo(OF_KEY);
      assertNothingIsLostOrStuck(fixture);
      assertEffects(fixture, PLAIN, EACH, EACH);
      assertEffects(fixture, LIMITED, KEYED, KEYED);
      int runs = effects(fixture, AGAIN);
      assertEffects(fixture, AGAIN, EACH, runs);
      assertEachRepetitionHasItsFault(fixture);
      report(fixture, proxy, runs);
    }
  }

  private static void enqueue(Transactions transactions, Random random) {
    QueueControl control = QueueControl.create();
    JobQueue jobs = JobQueue.create();
    List<NewJob<String>> each = new ArrayList<>();
    for (int i = 0; i < EACH; i++) {
      each.add(job(StormProcess.TOGETHER, PLAIN, random));
      each.add(job(StormProcess.APART, AGAIN, random));
    }
    for (int i = 0; i < KEYED; i++) {
      each.add(job(StormProcess.TOGETHER, LIMITED, random).withPartitionKey("k" + i % KEYS));
    }
    transactions.execute(
        tx -> {
          control.limitQueue(tx, LIMITED, Limits.none().withRunning(OF_QUEUE).withPerKey(OF_KEY));
          jobs.enqueueAll(tx, each);
        });
  }

  private static NewJob<String> job(JobKind<String> kind, String queue, Random random) {
    int millis = random.nextInt(LONG_ONE_OF) == 0 ? 300 : random.nextInt(6);
    return kind.job(Integer.toString(millis)).withQueue(queue).withMaxAttempts(1_000);
  }

  private static List<Fault> plan(Random random) {
    List<Fault> plan = new ArrayList<>();
    for (int round = 0; round < ROUNDS; round++) {
      List<Fault> faults = new ArrayList<>(List.of(Fault.values()));
      Collections.shuffle(faults, random);
      plan.addAll(faults);
    }
    return plan;
  }

  private Running begin(String url) throws Exception {
    String name = "storm-" + ++named;
    Process process = StormProcess.start(url, name, PLAIN, AGAIN, LIMITED);
    all.add(process);
    return new Running(name, process);
  }

  private void provoke(
      Fault fault,
      List<Running> both,
      String url,
      PostgresCluster cluster,
      HikariDataSource own,
      QueueFixture fixture,
      Random random)
      throws Exception {
    faults.merge(fault, 1, Integer::sum);
    int which = random.nextInt(both.size());
    Running one = both.get(which);
    switch (fault) {
      case KILL -> {
        signal(one.process(), "-KILL");
        hit.put(one.name(), fault);
        both.set(which, begin(url));
      }
      case STOP -> {
        signal(one.process(), "-STOP");
        hit.put(one.name(), fault);
        Awaitility.await("the other one gives it up")
            .atMost(Duration.ofMinutes(3))
            .ignoreExceptions()
            .until(() -> isForgotten(fixture, one.name()));
        signal(one.process(), "-CONT");
      }
      case TERMINATE -> {
        for (int pid :
            fixture
                .dsl
                .fetch("select pid from pg_stat_activity where application_name like 'storm-%'")
                .getValues(0, Integer.class)) {
          if (random.nextBoolean()) {
            fixture.dsl.fetchValue("select pg_terminate_backend(?)", pid);
            terminated++;
          }
        }
      }
      case CRASH -> {
        cluster.primary().crash();
        cluster.primary().restart();
        own.getHikariPoolMXBean().softEvictConnections();
      }
    }
  }

  /** It was given up and its jobs are back; or it was stopped so early that nobody knows it. */
  private static boolean isForgotten(QueueFixture fixture, String name) {
    return fixture.count("select count(*) from pgbelay.job_worker where node = ?", name) == 0;
  }

  private void awaitDone(QueueFixture fixture, int count) {
    Awaitility.await()
        .atMost(Duration.ofMinutes(QueueFixture.FULL ? 20 : 4))
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(QueueFixture.FULL ? 50 : 5))
        .ignoreExceptions()
        .until(
            () -> {
              sample(fixture);
              return fixture.count("select count(*) from pgbelay.job_finished") >= count;
            });
  }

  /** What is claimed validly at one moment, in one statement and so in one snapshot. */
  private void sample(QueueFixture fixture) {
    Record row =
        fixture.dsl.fetchSingle(
            "select count(*)::int as running, coalesce(max(of_key), 0)::int as of_key from ("
                + "select count(*) over (partition by partition_key) as of_key from pgbelay.job"
                + " where queue = ? and state = 'running') as claimed",
            LIMITED);
    most = Math.max(most, row.get("running", Integer.class));
    mostOfKey = Math.max(mostOfKey, row.get("of_key", Integer.class));
    samples++;
  }

  private static void assertNothingIsLostOrStuck(QueueFixture fixture) {
    assertThat(fixture.count("select count(*) from pgbelay.job")).as("stuck").isZero();
    assertThat(fixture.count("select count(*) from pgbelay.job_dead")).as("dead").isZero();
    assertThat(fixture.count("select count(*) from pgbelay.job_finished"))
        .as("recorded as finished")
        .isEqualTo(2 * EACH + KEYED);
    assertThat(
            fixture.count(
                "select count(distinct id) from pgbelay.job_finished where outcome = 'done'"))
        .as("done")
        .isEqualTo(2 * EACH + KEYED);
  }

  private static int effects(QueueFixture fixture, String queue) {
    return fixture.count(
        "select count(*) from effect where job_id in"
            + " (select id from pgbelay.job_finished where queue = ?)",
        queue);
  }

  private static void assertEffects(QueueFixture fixture, String queue, int jobs, int effects) {
    assertThat(
            fixture.count(
                "select count(distinct job_id) from effect where job_id in"
                    + " (select id from pgbelay.job_finished where queue = ?)",
                queue))
        .as("jobs of queue %s that have an effect", queue)
        .isEqualTo(jobs);
    assertThat(effects(fixture, queue)).as("effects of queue %s", queue).isEqualTo(effects);
  }

  /** The runs that were followed by another one, with the reason why their job went back. */
  private static final String REPEATED =
      """
      with repeated as (
        select e.job_id, e.attempt
          from effect as e
         where exists (select from effect as l
                        where l.job_id = e.job_id and l.attempt > e.attempt)),
      explained as (
        select r.job_id, r.attempt,
               bool_or(b.reason like '%worker was not heard of' and f.claimant is not null)
                 as given_up,
               bool_or(b.reason like '%OutcomeUnknownException%') as unknown,
               min(f.node) as node
          from repeated as r
               left join audit_return as b on b.job_id = r.job_id and b.attempt = r.attempt
               left join audit_fenced as f on f.claimant = b.claimant
         group by r.job_id, r.attempt)
      """;

  private static void assertEachRepetitionHasItsFault(QueueFixture fixture) {
    assertThat(
            fixture
                .dsl
                .fetch(
                    "select job_id, attempt, count(*) from effect group by 1, 2 having count(*) > 1")
                .formatCSV(false))
        .as("attempts that ran twice")
        .isEmpty();
    assertThat(
            fixture
                .dsl
                .fetch(
                    REPEATED
                        + "select job_id, attempt from explained"
                        + " where not coalesce(given_up, false) and not coalesce(unknown, false)")
                .formatCSV(false))
        .as("runs that were repeated without a fault")
        .isEmpty();
  }

  private void report(QueueFixture fixture, FaultProxy proxy, int runs) {
    Map<String, Integer> repeated = new LinkedHashMap<>();
    for (Record row :
        fixture.dsl.fetch(
            REPEATED
                + "select case when given_up then node end as node, count(*)::int as runs"
                + " from explained group by 1 order by 1")) {
      String node = row.get("node", String.class);
      String why =
          node == null
              ? "answer to COMMIT lost"
              : hit.containsKey(node)
                  ? "worker " + hit.get(node)
                  : "lease over while the server was away, or the machine stalled";
      repeated.merge(why, row.get("runs", Integer.class), Integer::sum);
    }
    System.out.println(
        "storm: jobs "
            + EACH
            + " + "
            + EACH
            + " + "
            + KEYED
            + ", faults "
            + faults
            + ", sessions terminated "
            + terminated
            + ", COMMITs "
            + proxy.counters().commits()
            + ", cut before "
            + proxy.counters().cutsBeforeCommit()
            + ", after "
            + proxy.counters().cutsAfterCommit()
            + "; runs with an effect of their own "
            + runs
            + ", repeated "
            + repeated
            + "; jobs that went back "
            + fixture.count("select count(*) from audit_return")
            + ", workers given up "
            + fixture.count("select count(*) from audit_fenced")
            + "; "
            + samples
            + " samples, at most "
            + most
            + " claimed at once, of one key "
            + mostOfKey);
  }

  private static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }
}
