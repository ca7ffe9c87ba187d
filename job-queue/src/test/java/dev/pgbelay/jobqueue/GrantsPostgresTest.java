package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.cron.CronTimes;
import dev.pgbelay.jobqueue.cron.Schedule;
import dev.pgbelay.jobqueue.cron.ScheduleRunner;
import dev.pgbelay.jobqueue.cron.Schedules;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.jobqueue.health.QueueMonitor;
import dev.pgbelay.jobqueue.inspect.JobFilter;
import dev.pgbelay.jobqueue.inspect.JobState;
import dev.pgbelay.jobqueue.inspect.Jobs;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Each role does its part with the grants of the guide, and with no other. */
class GrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private static final List<String> ENQUEUER = List.of("INSERT, SELECT ON pgbelay.job");

  private static final List<String> WORKER =
      List.of(
          "SELECT, INSERT, UPDATE, DELETE ON pgbelay.job, pgbelay.job_worker",
          "INSERT, SELECT ON pgbelay.job_dead",
          "INSERT, SELECT ON pgbelay.job_finished",
          "SELECT, INSERT, UPDATE ON pgbelay.job_activity",
          "SELECT, UPDATE ON pgbelay.job_control",
          "SELECT, INSERT, UPDATE, DELETE ON pgbelay.job_slot, pgbelay.job_report",
          "SELECT, UPDATE, DELETE ON pgbelay.job_unique",
          "SELECT, DELETE ON pgbelay.job_cancel");

  private static final List<String> ENQUEUER_OF_KEYED_JOBS =
      List.of(
          "INSERT, SELECT, UPDATE ON pgbelay.job",
          "USAGE ON SEQUENCE pgbelay.job_id_seq",
          "SELECT, INSERT, UPDATE ON pgbelay.job_unique");

  /** Beside TRUNCATE on the days. */
  private static final List<String> RETENTION =
      List.of(
          "SELECT, INSERT, UPDATE, DELETE ON pgbelay.job_finished_kept",
          "SELECT, UPDATE, DELETE ON pgbelay.job_dead");

  private static final List<String> RUNNER =
      List.of("INSERT, SELECT ON pgbelay.job", "SELECT, UPDATE ON pgbelay.job_schedule");

  private static final List<String> MONITOR =
      List.of(
          "SELECT ON pgbelay.job, pgbelay.job_worker, pgbelay.job_dead, pgbelay.job_schedule,"
              + " pgbelay.job_activity, pgbelay.job_control, pgbelay.job_slot",
          "SELECT, INSERT ON pgbelay.job_expected");

  private static final List<String> OPERATOR =
      List.of(
          "SELECT ON pgbelay.job_finished_kept",
          "SELECT, INSERT ON pgbelay.job_finished",
          "SELECT, INSERT, UPDATE ON pgbelay.job_control",
          "SELECT, INSERT ON pgbelay.job_cancel",
          "SELECT, INSERT, UPDATE, DELETE ON pgbelay.job, pgbelay.job_schedule",
          "SELECT, UPDATE, DELETE ON pgbelay.job_dead");

  private final QueueFixture owner = new QueueFixture(postgres.dataSource());
  private final List<AutoCloseable> opened = new ArrayList<>();
  private final List<String> roles = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
    for (String role : roles) {
      owner.dsl.execute("drop owned by " + role);
      owner.dsl.execute("drop role " + role);
    }
  }

  /** A pool whose sessions have just these rights. */
  private HikariDataSource as(List<String> grants) {
    String role = "jobs_" + UUID.randomUUID().toString().replace('-', '_');
    owner.dsl.execute("create role " + role);
    roles.add(role);
    owner.dsl.execute("grant usage on schema pgbelay to " + role);
    grants.forEach(grant -> owner.dsl.execute("grant " + grant + " to " + role));
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(6);
    config.setMinimumIdle(0);
    config.setConnectionInitSql("set role " + role);
    HikariDataSource pool = new HikariDataSource(config);
    opened.add(pool);
    return pool;
  }

  private static DSLContext dsl(HikariDataSource pool) {
    return DSL.using(pool, SQLDialect.POSTGRES);
  }

  @Test
  void enqueuer_enqueuesAndDoesNothingElse() {
    Transactions transactions = Transactions.of(as(ENQUEUER));
    transactions.execute(
        tx -> {
          owner.jobs.enqueue(tx, owner.mail("a"));
          owner.jobs.enqueueAll(
              tx, List.of(owner.mail("b"), owner.mail("c").withDelay(Duration.ofHours(1))));
        });
    assertThat(owner.jobs("ready")).isEqualTo(2);
    assertThat(owner.jobs("scheduled")).isEqualTo(1);
    assertThatThrownBy(
            () -> transactions.execute(tx -> owner.jobs.cancelWaiting(tx, 1, "not its business")))
        .hasMessageContaining("42501");
    assertThatThrownBy(
            () -> transactions.execute(tx -> tx.dsl().execute("delete from pgbelay.job")))
        .hasMessageContaining("permission denied");
  }

  @Test
  void enqueuerOfKeyedJobs_givesThemKeysTagsAndDeadlines() {
    Transactions transactions = Transactions.of(as(ENQUEUER_OF_KEYED_JOBS));
    NewJob<String> keyed =
        owner
            .mail("a")
            .withUniqueKey(owner.queue, NewJob.UniqueScope.whileWaiting())
            .withPartitionKey("a")
            .withTag("a")
            .withDeadline(Duration.ofSeconds(1));
    JobQueue.Enqueued first = transactions.run(tx -> owner.jobs.offer(tx, keyed));
    JobQueue.Enqueued second = transactions.run(tx -> owner.jobs.offer(tx, keyed));
    assertThat(second.id()).isEqualTo(first.id());
    assertThat(second.outcome()).isEqualTo(JobQueue.Enqueued.Outcome.EXISTING);
  }

  @Test
  void workerOfKeyedJobs_keepsLimitsCancelsAndReports() throws Exception {
    HikariDataSource pool = as(WORKER);
    HikariDataSource operating = as(OPERATOR);
    QueueControl control = QueueControl.create();
    Transactions operators = Transactions.of(operating);
    operators.execute(
        tx -> control.limitQueue(tx, owner.queue, Limits.none().withRunning(2).withPerKey(2)));
    assertThat(control.list(dsl(operating))).isNotEmpty();
    for (int i = 0; i < 5; i++) {
      owner.enqueue(
          owner
              .mail(i == 0 ? "cancelled" : "x")
              .withPartitionKey("a")
              .withUniqueKey(owner.queue + i, NewJob.UniqueScope.whileUnfinished()));
    }
    CountDownLatch begun = new CountDownLatch(1);
    Transactions working = Transactions.of(pool);
    JobWorker worker =
        JobWorker.builder(working, pool)
            .name(QueueFixture.freshName())
            .queue(owner.queue, 2)
            .pollInterval(Duration.ofMillis(20))
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  working.execute(tx -> context.progress(tx, 50, "half"));
                  if (payload.equals("cancelled")) {
                    begun.countDown();
                    new CountDownLatch(1).await();
                  }
                  return JobOutcome.done();
                })
            .build();
    worker.start();
    begun.await();
    long cancelled =
        Long.parseLong(
            String.valueOf(
                owner.dsl.fetchValue(
                    "select id from pgbelay.job where payload = 'cancelled'::bytea")));
    operators.execute(tx -> owner.jobs.cancel(tx, cancelled, "test"));
    QueueFixture.await(() -> owner.finished("done") == 4 && owner.finished("cancelled") == 1);
    QueueFixture.await(() -> owner.count("select count(*) from pgbelay.job_cancel") == 0);
    Leftovers leftovers =
        new Leftovers(
            QueueFixture.freshName(),
            new MissingTables("test", "pgbelay"),
            working,
            new UniqueSql("pgbelay"),
            owner.settle.reports(),
            7,
            Duration.ofSeconds(30),
            null);
    leftovers.pass();
    leftovers.close();
    assertThat(worker.stop(Duration.ofSeconds(10)).isClean()).isTrue();
  }

  @Test
  void worker_worksRetriesBuriesRescuesAndTellsOfIt() throws Exception {
    HikariDataSource pool = as(WORKER);
    owner.enqueue(owner.mail("done"));
    owner.enqueue(owner.mail("completed"));
    owner.enqueue(owner.mail("later").withDelay(Duration.ofMillis(100)));
    owner.enqueue(owner.mail("failing").withMaxAttempts(2));
    QueueFixture.Hand dead = owner.hand();
    assertThat(dead.claim(1)).hasSize(1);
    dead.expire();
    JobWorker worker =
        JobWorker.builder(Transactions.of(pool), pool)
            .name(QueueFixture.freshName())
            .queue(owner.queue, 2)
            .lease(Duration.ofSeconds(3))
            .pollInterval(Duration.ofMillis(20))
            .handle(
                QueueFixture.MAIL,
                RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(20)),
                (context, payload) -> {
                  if (payload.equals("failing")) {
                    throw new IllegalStateException("down");
                  }
                  if (payload.equals("completed")) {
                    Transactions.of(pool).execute(context::complete);
                  }
                  return JobOutcome.done();
                })
            .build();
    worker.start();
    QueueFixture.await(() -> owner.finished("done") == 3 && owner.dead() == 1);
    assertThat(worker.stop(Duration.ofSeconds(30)).isClean()).isTrue();
    assertThat(
            owner.count("select count(*) from pgbelay.job_activity where queue = ?", owner.queue))
        .isPositive();
  }

  @Test
  void retention_emptiesDaysAndKeepsWhatIsKeptForLonger() throws Exception {
    List<String> grants = new ArrayList<>(WORKER);
    grants.addAll(RETENTION);
    for (int slot = 0; slot < 32; slot++) {
      grants.add("TRUNCATE ON pgbelay.job_finished_" + (slot < 10 ? "0" : "") + slot);
    }
    owner.dsl.execute(
        "insert into pgbelay.job_finished (id, finished_at, finished_day, attempt, outcome, queue,"
            + " kind) select 1, clock_timestamp() - interval '240 hours',"
            + " floor(extract(epoch from clock_timestamp()) / 86400)::int - 10, 1, outcome, ?, 'mail'"
            + " from unnest(array['done', 'discarded']) as outcome",
        owner.queue);
    try (Upkeep upkeep =
        new Upkeep(
            QueueFixture.freshName(),
            new MissingTables("test", "pgbelay"),
            Transactions.of(as(grants)),
            "pgbelay",
            Retention.DEFAULTS
                .of(JobState.DISCARDED, Duration.ofDays(20))
                .of(JobState.DEAD, Duration.ofDays(20)),
            Duration.ofSeconds(30),
            Duration.ofSeconds(1),
            () -> {},
            WorkMeters.NONE,
            null)) {
      upkeep.retain();
    }
    assertThat(owner.finished("done") + owner.finished("discarded")).isZero();
    assertThat(
            owner.count(
                "select count(*) from pgbelay.job_finished_kept where queue = ?", owner.queue))
        .isEqualTo(1);
  }

  @Test
  void runner_firesSchedules() throws Exception {
    Schedules schedules = Schedules.create();
    owner.transactions.execute(
        tx ->
            schedules.put(
                tx,
                Schedule.of(
                    owner.queue, CronTimes.of("0 0 1 1 *", ZoneOffset.UTC), owner.mail("yearly"))));
    owner.dsl.execute(
        "update pgbelay.job_schedule set next_fire = next_fire - interval '9000 hours',"
            + " look_at = look_at - interval '9000 hours' where name = ?",
        owner.queue);
    ScheduleRunner.builder(Transactions.of(as(RUNNER)), owner.jobs).build().runDue();
    assertThat(owner.jobs("ready")).isEqualTo(1);
    assertThat(schedules.find(owner.dsl, owner.queue).orElseThrow().failure()).isEmpty();
  }

  @Test
  void monitor_looks() throws Exception {
    QueueMonitor monitor =
        QueueMonitor.builder(Transactions.of(as(MONITOR)))
            .expect(QueueFixture.MAIL, Duration.ofDays(1))
            .build();
    owner.enqueue(1);
    assertThat(monitor.look().queues()).containsKey(owner.queue);
  }

  @Test
  void operator_looksCancelsMovesRedrivesAndSchedules() {
    HikariDataSource pool = as(OPERATOR);
    Transactions transactions = Transactions.of(pool);
    long one = owner.enqueue(owner.mail("a").withDelay(Duration.ofHours(1)));
    long two = owner.enqueue(owner.mail("b"));
    for (int id = -1; id >= -3; id--) {
      owner.dsl.execute(
          "insert into pgbelay.job_dead (id, enqueued_at, attempt, max_attempts, priority, queue,"
              + " kind, reason, payload) values (?, now(), 1, 1, 0, ?, ?, 'x', '')",
          id,
          owner.queue,
          owner.queue);
    }
    Jobs jobs = Jobs.create();
    assertThat(jobs.find(dsl(pool), one)).isPresent();
    assertThat(jobs.list(dsl(pool), JobFilter.all().inQueue(owner.queue), 10).jobs()).hasSize(2);
    assertThat(jobs.listFinished(dsl(pool), JobFilter.all().inQueue("nobody's"), 10).jobs())
        .isEmpty();
    DeadLetters letters = DeadLetters.create();
    JobKind<String> kind = JobKind.text(owner.queue);
    assertThat(letters.list(dsl(pool), kind, 10).jobs()).hasSize(3);
    Schedules schedules = Schedules.create();
    transactions.execute(
        tx -> {
          assertThat(owner.jobs.reschedule(tx, one, Instant.parse("2100-01-01T00:00:00Z")))
              .isEqualTo(JobQueue.Change.DONE);
          assertThat(owner.jobs.cancelWaiting(tx, two, "why")).isEqualTo(JobQueue.Change.DONE);
          assertThat(letters.redrive(tx, -1)).isEqualTo(DeadLetters.Outcome.DONE);
          assertThat(letters.delete(tx, -2)).isEqualTo(DeadLetters.Outcome.DONE);
          assertThat(letters.redrive(tx, kind, 10)).isEqualTo(1);
          schedules.put(
              tx,
              Schedule.of(
                  owner.queue, CronTimes.of("0 0 1 1 *", ZoneOffset.UTC), owner.mail("yearly")));
          assertThat(schedules.pause(tx, owner.queue)).isEqualTo(Schedules.Outcome.DONE);
          assertThat(schedules.resume(tx, owner.queue)).isEqualTo(Schedules.Outcome.DONE);
          assertThat(schedules.fireNow(tx, owner.jobs, owner.queue).outcome())
              .isEqualTo(Schedules.Outcome.DONE);
          assertThat(schedules.remove(tx, owner.queue)).isEqualTo(Schedules.Outcome.DONE);
        });
    assertThat(schedules.find(dsl(pool), owner.queue)).isEmpty();
  }
}
