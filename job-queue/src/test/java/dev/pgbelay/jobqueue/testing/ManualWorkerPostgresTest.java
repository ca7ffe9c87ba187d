package dev.pgbelay.jobqueue.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobHandler;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import dev.pgbelay.jobqueue.LeaseLostException;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.RetryPolicy;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The test kit as a user's test meets it: with public types only. */
class ManualWorkerPostgresTest {
  private static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute("create table effect (n bigserial primary key, job_id bigint not null)");
      };

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  private static final JobKind<String> MAIL = JobKind.text("mail");
  private static final JobKind<String> OTHER = JobKind.text("other");

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final JobQueue jobs = JobQueue.create();
  private final List<AutoCloseable> opened = new ArrayList<>();

  @BeforeEach
  void empty() {
    dsl.execute(
        "truncate pgbelay.job, pgbelay.job_dead, pgbelay.job_worker, pgbelay.job_control, effect");
  }

  @AfterEach
  void close() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
  }

  private JobWorkerBuilder builder() {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    config.setMinimumIdle(0);
    HikariDataSource heartbeats = new HikariDataSource(config);
    opened.add(heartbeats);
    return JobWorker.builder(transactions, heartbeats).queue("default", 4).queue("slow", 1);
  }

  private ManualWorker worker(JobHandler<String> handler) {
    ManualWorker worker = ManualWorker.of(builder().handle(MAIL, handler));
    opened.add(worker);
    return worker;
  }

  private long enqueue(NewJob<?> job) {
    return transactions.run(tx -> jobs.enqueue(tx, job));
  }

  private int effects() {
    return dsl.fetchCount(DSL.table("effect"));
  }

  private JobOutcome insertEffect(long jobId) {
    transactions.execute(tx -> tx.dsl().execute("insert into effect (job_id) values (?)", jobId));
    return JobOutcome.done();
  }

  /** However soon after the last drain; a worker that is started looks once per poll interval. */
  @Test
  void pause_holdsFromTheNextDrainOn() {
    QueueControl control = QueueControl.create();
    ManualWorker worker = worker((context, payload) -> JobOutcome.done());
    for (int i = 0; i < 3; i++) {
      enqueue(MAIL.job("x"));
      worker.drain().assertDone(1);
      transactions.execute(
          tx -> {
            control.pauseKind(tx, MAIL, "test");
            jobs.enqueue(tx, MAIL.job("x"));
          });
      worker.drain().assertDone(0);
      transactions.execute(tx -> control.resumeKind(tx, MAIL));
      worker.drain().assertDone(1);
    }
  }

  @Test
  void drain_runsWhatIsDueOnTheCallersThreadAndNothingElse() {
    List<String> seen = new ArrayList<>();
    ManualWorker worker =
        worker(
            (context, payload) -> {
              seen.add(payload + " on " + Thread.currentThread().getName());
              return JobOutcome.done();
            });
    enqueue(MAIL.job("now"));
    enqueue(MAIL.job("slow").withQueue("slow"));
    enqueue(MAIL.job("elsewhere").withQueue("elsewhere"));
    enqueue(MAIL.job("later").withDelay(Duration.ofHours(3)));
    enqueue(OTHER.job("other"));
    String here = " on " + Thread.currentThread().getName();
    assertThat(worker.drain().assertDone(2).attempts()).isEqualTo(2);
    assertThat(seen).containsExactlyInAnyOrder("now" + here, "slow" + here);
    worker.drainAfter(Duration.ofHours(3).minusMinutes(1)).assertDone(0);
    worker.drainAfter(Duration.ofMinutes(1)).assertDone(1);
    assertThat(seen).endsWith("later" + here);
    assertThat(worker.due()).as("of other queues and kinds").isEqualTo(2);
  }

  @Test
  void drain_runsWhatHandlersEnqueueAndSeesPausesOnlyWithTime() {
    AtomicInteger runs = new AtomicInteger();
    ManualWorker worker =
        ManualWorker.of(
            builder()
                .handle(
                    MAIL,
                    RetryPolicy.exponential(Duration.ofMinutes(1), Duration.ofMinutes(1)),
                    (context, payload) -> {
                      if (payload.equals("first")) {
                        enqueue(MAIL.job("second"));
                        return JobOutcome.done();
                      }
                      if (runs.incrementAndGet() < 3) {
                        throw new IOException("no " + runs);
                      }
                      return JobOutcome.done();
                    }));
    opened.add(worker);
    enqueue(MAIL.job("first"));
    Drained drained = worker.drain();
    assertThat(drained.done()).isEqualTo(1);
    assertThat(drained.retried()).isEqualTo(1);
    assertThat(drained.failures()).hasSize(1).allMatch(IOException.class::isInstance);
    assertThatThrownBy(() -> drained.assertDone(1))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("expected 1 jobs done and no handler that throws");
    assertThat(worker.drain().attempts()).as("its pause is not over").isZero();
    assertThat(worker.drainAfter(Duration.ofMinutes(2)).retried()).isEqualTo(1);
    worker.drainAfter(Duration.ofMinutes(2)).assertDone(1);
  }

  @Test
  void drain_ofMoreJobsThanAreClaimedAtOnceRunsAll() {
    transactions.execute(
        tx -> {
          List<NewJob<String>> many = new ArrayList<>();
          for (int i = 0; i < 2_500; i++) {
            many.add(MAIL.job("m" + i));
          }
          jobs.enqueueAll(tx, many);
        });
    worker((context, payload) -> JobOutcome.done()).drain().assertDone(2_500);
  }

  @Test
  void whatHandlersReturn_isCounted() {
    enqueue(MAIL.job("gone"));
    enqueue(MAIL.job("early"));
    Drained drained =
        worker(
                (context, payload) ->
                    payload.equals("gone")
                        ? JobOutcome.discard("account closed")
                        : JobOutcome.snooze(Duration.ofHours(1)))
            .drain();
    assertThat(drained.discarded()).isEqualTo(1);
    assertThat(drained.snoozed()).isEqualTo(1);
    assertThat(drained.done()).isZero();
  }

  @Test
  void pausedKind_isNotRun() {
    transactions.execute(tx -> QueueControl.create().pauseKind(tx, MAIL, "the server moves"));
    enqueue(MAIL.job("x"));
    ManualWorker worker = worker((context, payload) -> JobOutcome.done());
    assertThat(worker.drain().attempts()).isZero();
    assertThat(worker.due()).isEqualTo(1);
  }

  @Test
  void jobThatComesBackForEver_isAnAssertionError() {
    ManualWorker worker = worker((context, payload) -> JobOutcome.snooze(Duration.ZERO));
    for (int i = 0; i < 200; i++) {
      enqueue(MAIL.job("again"));
    }
    assertThatThrownBy(worker::drain)
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("more than 10000 attempts");
  }

  @ParameterizedTest
  @EnumSource(HandlerFault.class)
  void handlerThatCompletesInItsTransaction_bearsEveryFault(HandlerFault fault) {
    ManualWorker worker =
        worker(
            (context, payload) -> {
              transactions.execute(
                  tx -> {
                    tx.dsl().execute("insert into effect (job_id) values (?)", context.jobId());
                    context.complete(tx);
                  });
              return JobOutcome.done();
            });
    for (int i = 0; i < 5; i++) {
      enqueue(MAIL.job("p" + i));
    }
    Drained drained = worker.drainWith(fault);
    assertThat(drained.done()).isEqualTo(5);
    assertThat(effects()).isEqualTo(5);
    if (fault == HandlerFault.KILLED_BEFORE_ACKNOWLEDGEMENT) {
      assertThat(drained.attempts()).as("completed, so not run again").isEqualTo(5);
    } else {
      assertThat(drained.attempts()).isEqualTo(10);
      assertThat(drained.failures()).hasSize(5).allMatch(LeaseLostException.class::isInstance);
    }
    assertThat(worker.due()).isZero();
  }

  /** What the kit is for: it shows that such a handler has its effects twice. */
  @ParameterizedTest
  @EnumSource(HandlerFault.class)
  void handlerThatDoesNot_hasItsEffectsTwice(HandlerFault fault) {
    ManualWorker worker = worker((context, payload) -> insertEffect(context.jobId()));
    for (int i = 0; i < 5; i++) {
      enqueue(MAIL.job("p" + i));
    }
    Drained drained = worker.drainWith(fault);
    assertThat(effects()).isEqualTo(10);
    assertThat(drained.attempts()).isEqualTo(10);
    assertThat(drained.done()).isEqualTo(5);
    assertThat(drained.refused()).as("what the first wanted to write").isEqualTo(5);
  }

  @Test
  void pausedHandler_goesOnAfterItsSuccessorHasEnded() {
    List<Integer> attempts = new CopyOnWriteArrayList<>();
    ManualWorker worker =
        worker(
            (context, payload) -> {
              attempts.add(context.attempt());
              return JobOutcome.done();
            });
    enqueue(MAIL.job("x"));
    worker.drainWith(HandlerFault.PAUSED_PAST_LEASE);
    assertThat(attempts).containsExactly(2, 1);
  }

  @Test
  void lastAttempt_isADeadLetterAfterAFault() {
    ManualWorker worker = worker((context, payload) -> JobOutcome.done());
    enqueue(MAIL.job("x").withMaxAttempts(1));
    Drained drained = worker.drainWith(HandlerFault.KILLED_BEFORE_ACKNOWLEDGEMENT);
    assertThat(drained.attempts()).isEqualTo(1);
    assertThat(drained.refused()).isEqualTo(1);
    assertThat(dsl.fetchCount(DSL.table("pgbelay.job_dead"))).isEqualTo(1);
  }

  @Test
  void assertionsOnEnqueuedJobs_seeTheTransactionAndSayWhatThereIs() {
    transactions.execute(
        tx -> {
          long id =
              jobs.enqueue(
                  tx,
                  MAIL.job("to a@b")
                      .withQueue("slow")
                      .withDelay(Duration.ofHours(1))
                      .withPriority(Duration.ofSeconds(5))
                      .withMaxAttempts(3)
                      .withHeader("trace", "t"));
          EnqueuedJob<String> job = EnqueuedJobs.in(tx.dsl()).assertOne(MAIL);
          assertThat(job.id()).isEqualTo(id);
          assertThat(job.payload()).isEqualTo("to a@b");
          assertThat(job.queue()).isEqualTo("slow");
          assertThat(job.runAt()).isPresent();
          assertThat(job.priority()).isEqualTo(Duration.ofSeconds(5));
          assertThat(job.maxAttempts()).isEqualTo(3);
          assertThat(job.headers()).containsEntry("trace", "t");
          assertThat(job.running()).isFalse();
          EnqueuedJobs.in(dsl).assertNone(MAIL);
        });
    enqueue(MAIL.job("to c@d"));
    EnqueuedJobs enqueued = EnqueuedJobs.in(dsl);
    assertThat(enqueued.assertOne(MAIL, to -> to.endsWith("c@d")).runAt()).isEmpty();
    assertThat(enqueued.assertCount(MAIL, 2)).hasSize(2);
    assertThatThrownBy(() -> enqueued.assertOne(MAIL))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("expected 1 jobs of kind 'mail', but there are 2")
        .hasMessageContaining("to a@b")
        .hasMessageContaining("{mail=2}");
    assertThatThrownBy(() -> enqueued.assertNone(MAIL)).isInstanceOf(AssertionError.class);
    assertThatThrownBy(() -> enqueued.assertOne(MAIL, to -> false))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("there are 0 among 2");
    enqueued.assertNone(OTHER);
  }

  @Test
  void closedWorker_leavesNoRowOfItsOwn() {
    ManualWorker worker = worker((context, payload) -> JobOutcome.done());
    enqueue(MAIL.job("x"));
    worker.drain().assertDone(1);
    worker.close();
    assertThat(dsl.fetchCount(DSL.table("pgbelay.job_worker"))).isZero();
  }
}
