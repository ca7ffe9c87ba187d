package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.jobqueue.ScriptedProcess.Script;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Worker processes that are stopped or killed at one certain place. */
class ScriptedCrashTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final String node = "scripted-" + QueueFixture.freshName();
  private final List<Process> processes = new ArrayList<>();

  @BeforeEach
  void install() {
    ScriptedProcess.install(fixture.dsl);
  }

  @AfterEach
  void end() throws Exception {
    for (Process process : processes) {
      process.destroyForcibly().waitFor();
    }
  }

  private Process begin(Script script) throws Exception {
    Process process = ScriptedProcess.start(postgres.jdbcUrl(), node, fixture.queue, script);
    processes.add(process);
    return process;
  }

  /** The job at which the process stands still. */
  private long awaitStanding() {
    QueueFixture.await(() -> fixture.count("select count(*) from marker where node = ?", node) > 0);
    return fixture.count("select min(job_id) from marker where node = ?", node);
  }

  /** Not in haste to lose its own lease; another one gives up those that are not heard of. */
  private JobWorkerBuilder successor(JobHandler<String> handler) {
    workers.start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue + "-none", 1)
            .lease(Duration.ofSeconds(1))
            .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done()));
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 2)
        .pollInterval(Duration.ofMillis(20))
        .handle(QueueFixture.MAIL, handler);
  }

  private JobOutcome complete(JobContext context) {
    fixture.transactions.execute(
        tx -> {
          tx.dsl().execute("insert into effect (job_id) values (?)", context.jobId());
          context.complete(tx);
        });
    return JobOutcome.done();
  }

  private int effects(long job) {
    return fixture.count("select count(*) from effect where job_id = ?", job);
  }

  /**
   * Stopped past its lease in the middle of a job, it goes on while its successor is at the same
   * job. With the fence the successor's effect is the only one. Without it the job is taken away
   * from under the successor: what the fence is for.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void processThatIsStoppedPastItsLease_changesNothingWhenItGoesOn(boolean fenced)
      throws Exception {
    long id = fixture.enqueue(fixture.mail("x"));
    Process stalled = begin(fenced ? Script.IN_HANDLER : Script.IN_HANDLER_UNFENCED);
    assertThat(awaitStanding()).isEqualTo(id);
    ScriptedProcess.signal(stalled, "-STOP");
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger lost = new AtomicInteger();
    workers.start(
        successor(
            (context, payload) -> {
              begun.countDown();
              go.await();
              try {
                return complete(context);
              } catch (LeaseLostException e) {
                lost.incrementAndGet();
                return JobOutcome.done();
              }
            }));
    begun.await();
    fixture.dsl.execute("insert into gate (node) values (?)", node);
    ScriptedProcess.signal(stalled, "-CONT");
    if (fenced) {
      QueueFixture.await(
          () ->
              fixture.count(
                      "select count(*) from marker where node = ? and job_id = ?",
                      node,
                      ScriptedProcess.REFUSED)
                  == 1);
      assertThat(effects(id)).isZero();
      go.countDown();
      QueueFixture.await(() -> fixture.finished("done") == 1);
      assertThat(lost).hasValue(0);
    } else {
      QueueFixture.await(() -> effects(id) == 1);
      assertThat(fixture.jobs("running")).as("taken away").isZero();
      go.countDown();
      QueueFixture.await(() -> lost.get() == 1);
    }
    assertThat(effects(id)).isEqualTo(1);
  }

  /** Killed with a job that it has been handed by the enqueue of its own process. */
  @ParameterizedTest
  @EnumSource(names = {"BEFORE_TOLD", "HANDED_OVER"})
  void processThatIsKilledWithAJobHandedOver_leavesItToItsSuccessor(Script script)
      throws Exception {
    Process killed = begin(script);
    long id = awaitStanding();
    ScriptedProcess.signal(killed, "-KILL");
    workers.start(successor((context, payload) -> complete(context)));
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(effects(id)).isEqualTo(1);
    assertThat(fixture.jobs("running") + fixture.jobs("ready") + fixture.dead()).isZero();
  }

  @Test
  void processThatIsKilledBeforeTheCommitOfAHandOver_leavesNothing() throws Exception {
    Process killed = begin(Script.BEFORE_COMMIT);
    long id = awaitStanding();
    ScriptedProcess.signal(killed, "-KILL");
    QueueFixture.await(
        () ->
            fixture.count("select count(*) from pg_stat_activity where application_name = ?", node)
                == 0);
    AtomicInteger runs = new AtomicInteger();
    workers.start(
        successor(
            (context, payload) -> {
              runs.incrementAndGet();
              return complete(context);
            }));
    long next = fixture.enqueue(fixture.mail("next"));
    QueueFixture.await(() -> fixture.finished("done") == 1);
    assertThat(effects(next)).isEqualTo(1);
    assertThat(effects(id)).isZero();
    assertThat(runs).hasValue(1);
  }
}
