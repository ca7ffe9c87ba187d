package dev.pgbelay.jobqueue.cron;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.testing.EnqueuedJob;
import dev.pgbelay.jobqueue.testing.EnqueuedJobs;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Schedules in the table, moved about there instead of waiting for the calendar. */
class SchedulesPostgresTest {
  private static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  private static final JobKind<String> REPORT = JobKind.text("report");

  /**
   * Half a day away from now, in a zone without summer time: no test meets its moment by chance.
   */
  private static final ZoneId ZONE = ZoneId.of("Asia/Kathmandu");

  private final CronTimes nightly =
      CronTimes.of("0 " + (ZonedDateTime.now(ZONE).getHour() + 12) % 24 + " * * *", ZONE);

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final JobQueue jobs = JobQueue.create();
  private final Schedules schedules = Schedules.create();
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final ScheduleRunner runner =
      ScheduleRunner.builder(transactions, jobs).meterRegistry(meters).build();

  @BeforeEach
  void empty() {
    dsl.execute("truncate pgbelay.job, pgbelay.job_schedule");
  }

  private Schedules.Put put(Schedule schedule) {
    return transactions.run(tx -> schedules.put(tx, schedule));
  }

  private ScheduleState state(String name) {
    return schedules.find(dsl, name).orElseThrow();
  }

  private Instant now() {
    return ((OffsetDateTime) dsl.fetchValue("select clock_timestamp()")).toInstant();
  }

  private void moveTo(String name, Instant moment) {
    dsl.execute(
        "update pgbelay.job_schedule set next_fire = ?::timestamptz, look_at = ?::timestamptz"
            + " where name = ?",
        moment.atOffset(ZoneOffset.UTC),
        moment.atOffset(ZoneOffset.UTC),
        name);
  }

  /** The last moment that has passed. */
  private Instant lastMoment(CronTimes times) {
    Instant moment = times.nextAfter(now().minus(Duration.ofDays(2))).orElseThrow();
    while (!times.nextAfter(moment).orElseThrow().isAfter(now())) {
      moment = times.nextAfter(moment).orElseThrow();
    }
    return moment;
  }

  private List<EnqueuedJob<String>> reports() {
    return EnqueuedJobs.in(dsl).ofKind(REPORT);
  }

  @Test
  void dueSchedule_enqueuesItsJobWithItsMomentAndShowsTheNext() throws Exception {
    Schedule schedule =
        Schedule.of(
            "nightly",
            nightly,
            REPORT
                .job("all")
                .withQueue("reports")
                .withMaxAttempts(3)
                .withPriority(Duration.ofSeconds(9))
                .withHeader("a", "b"));
    assertThat(put(schedule)).isEqualTo(Schedules.Put.ADDED);
    Instant expected = nightly.nextAfter(now()).orElseThrow();
    assertThat(state("nightly").nextFire()).contains(expected);
    assertThat(runner.runDue()).isZero();
    assertThat(reports()).isEmpty();
    Instant moment = lastMoment(nightly);
    moveTo("nightly", moment);
    assertThat(runner.runDue()).isEqualTo(1);
    assertThat(reports()).hasSize(1);
    EnqueuedJob<String> job = reports().get(0);
    assertThat(job.payload()).isEqualTo("all");
    assertThat(job.queue()).isEqualTo("reports");
    assertThat(job.maxAttempts()).isEqualTo(3);
    assertThat(job.priority()).isEqualTo(Duration.ofSeconds(9));
    assertThat(job.headers())
        .containsEntry("a", "b")
        .containsEntry(Schedule.NAME_HEADER, "nightly")
        .containsEntry(Schedule.MOMENT_HEADER, moment.toString());
    ScheduleState state = state("nightly");
    assertThat(state.nextFire()).contains(nightly.nextAfter(now()).orElseThrow());
    assertThat(state.lastFire()).contains(moment);
    assertThat(state.fired()).isEqualTo(1);
    assertThat(state.missed()).isZero();
    assertThat(runner.runDue()).isZero();
    assertThat(meters.get("pgbelay.jobqueue.schedule.fired").counter().count()).isEqualTo(1);
  }

  @Test
  void manyRunners_fireEachMomentOnce() throws Exception {
    Instant moment = lastMoment(nightly);
    for (int i = 0; i < 20; i++) {
      put(Schedule.of("s" + i, nightly, REPORT.job("s" + i)));
      moveTo("s" + i, moment);
    }
    int nodes = 6;
    CyclicBarrier start = new CyclicBarrier(nodes);
    ExecutorService threads = Executors.newFixedThreadPool(nodes);
    try {
      List<Future<Integer>> all = new ArrayList<>();
      for (int i = 0; i < nodes; i++) {
        ScheduleRunner node = ScheduleRunner.builder(transactions, jobs).build();
        all.add(
            threads.submit(
                () -> {
                  start.await();
                  return node.runDue();
                }));
      }
      for (Future<Integer> one : all) {
        one.get();
      }
    } finally {
      threads.shutdown();
    }
    assertThat(reports()).extracting(EnqueuedJob::payload).hasSize(20).doesNotHaveDuplicates();
  }

  /** The same without luck: both have read the row before either fires it. */
  @Test
  void whoReadTheRowBeforeItWasFired_doesNotFireItAgain() {
    FiringSql sql = new FiringSql("pgbelay");
    put(Schedule.of("once", nightly, REPORT.job("x")));
    moveTo("once", lastMoment(nightly));
    FiringSql.Due first = sql.due(dsl, 10).get(0);
    FiringSql.Due second = sql.due(dsl, 10).get(0);
    Firing firing =
        Firing.of(nightly, first.nextFire(), first.now(), first.missed(), first.grace());
    assertThat(sql.moveOn(dsl, first, firing)).isTrue();
    assertThat(sql.moveOn(dsl, second, firing)).isFalse();
    moveTo("once", lastMoment(nightly));
    FiringSql.Due third = sql.due(dsl, 10).get(0);
    put(Schedule.of("once", nightly, REPORT.job("changed meanwhile")));
    assertThat(sql.moveOn(dsl, third, firing)).as("read before a change").isFalse();
    FiringSql.Due fourth = sql.due(dsl, 10).get(0);
    transactions.execute(tx -> schedules.pause(tx, "once"));
    assertThat(sql.moveOn(dsl, fourth, firing)).as("paused meanwhile").isFalse();
  }

  @Test
  void enqueueThatIsRefused_leavesTheMomentDueNotesTheFailureAndStopsNoOther() throws Exception {
    put(Schedule.of("bad", nightly, REPORT.job("x".repeat(100))));
    put(Schedule.of("spoilt", nightly, REPORT.job("x")));
    put(Schedule.of("zone", nightly, REPORT.job("x")));
    put(Schedule.of("well", nightly, REPORT.job("w")));
    dsl.execute("update pgbelay.job_schedule set cron = 'not cron' where name = 'spoilt'");
    dsl.execute("update pgbelay.job_schedule set zone = 'Mars/Base' where name = 'zone'");
    Instant moment = lastMoment(nightly);
    for (String name : List.of("bad", "spoilt", "zone", "well")) {
      moveTo(name, moment);
    }
    ScheduleRunner small =
        ScheduleRunner.builder(transactions, JobQueue.builder().payloadLimit(10).build())
            .meterRegistry(meters)
            .build();
    small.runDue();
    assertThat(reports()).extracting(EnqueuedJob::payload).containsExactly("w");
    assertThat(state("bad").failure().orElseThrow()).contains("has 100 bytes, the limit is 10");
    assertThat(state("spoilt").failure().orElseThrow()).contains("\"not cron\"");
    assertThat(state("zone").failure().orElseThrow()).contains("Mars");
    assertThat(state("bad").nextFire()).contains(moment);
    assertThat(state("bad").fired()).isZero();
    assertThat(
            meters
                .get("pgbelay.jobqueue.schedule.failed")
                .tag("schedule", "spoilt")
                .counter()
                .count())
        .isEqualTo(1);
    small.runDue();
    assertThat(
            meters.get("pgbelay.jobqueue.schedule.failed").tag("schedule", "bad").counter().count())
        .as("not looked at for a minute")
        .isEqualTo(1);
    dsl.execute("update pgbelay.job_schedule set look_at = clock_timestamp() where name = 'bad'");
    runner.runDue();
    assertThat(reports()).hasSize(2);
    assertThat(state("bad").failure()).isEmpty();
  }

  @Test
  void missedMoments_areTreatedAsTheScheduleSays() throws Exception {
    CronTimes daily = nightly;
    Instant third = lastMoment(daily);
    Instant first = third.minus(Duration.ofDays(2));
    for (MissedFires policy : MissedFires.values()) {
      put(
          Schedule.of(policy.name(), daily, REPORT.job(policy.name()))
              .withMissed(policy)
              .withGrace(Duration.ofSeconds(1)));
      moveTo(policy.name(), first);
    }
    runner.runDue();
    List<String> fired = reports().stream().map(EnqueuedJob::payload).toList();
    assertThat(fired).filteredOn("ONCE"::equals).hasSize(1);
    assertThat(fired).filteredOn("ALL"::equals).hasSize(3);
    assertThat(fired).filteredOn("SKIP"::equals).isEmpty();
    assertThat(state("ONCE").missed()).isEqualTo(2);
    assertThat(state("ALL").missed()).isZero();
    assertThat(
            meters
                .get("pgbelay.jobqueue.schedule.missed")
                .tag("schedule", "ONCE")
                .counter()
                .count())
        .isEqualTo(2);
    assertThat(state("SKIP").nextFire()).contains(daily.nextAfter(now()).orElseThrow());
  }

  /**
   * The database's clock was put back: what was fired lies in the future, and is not fired again.
   */
  @Test
  void clockPutBack_firesNothingTwiceAndPutForwardMissesNothing() throws Exception {
    put(Schedule.of("clock", nightly, REPORT.job("x")));
    Instant next = state("clock").nextFire().orElseThrow();
    moveTo("clock", lastMoment(nightly));
    runner.runDue();
    assertThat(state("clock").nextFire()).contains(next);
    moveTo("clock", next.plus(Duration.ofDays(3)));
    runner.runDue();
    assertThat(reports()).hasSize(1);
  }

  @Test
  void put_keepsTheMomentUnlessItMeansOthers() {
    Schedule schedule = Schedule.of("s", nightly, REPORT.job("a"));
    assertThat(put(schedule)).isEqualTo(Schedules.Put.ADDED);
    Instant moment = lastMoment(nightly);
    moveTo("s", moment);
    assertThat(put(schedule)).isEqualTo(Schedules.Put.UNCHANGED);
    assertThat(put(Schedule.of("s", nightly, REPORT.job("b")))).isEqualTo(Schedules.Put.CHANGED);
    assertThat(state("s").nextFire()).as("due, and stays so").contains(moment);
    CronTimes other = CronTimes.of(nightly.expression().replaceFirst("0", "5"), ZONE);
    assertThat(put(Schedule.of("s", other, REPORT.job("b")))).isEqualTo(Schedules.Put.CHANGED);
    assertThat(state("s").nextFire()).contains(other.nextAfter(now()).orElseThrow());
    Schedule never = Schedule.of("n", CronTimes.of("0 0 30 2 *", ZoneOffset.UTC), REPORT.job("x"));
    assertThatThrownBy(() -> put(never))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("schedule 'n' never fires");
  }

  @Test
  void pausedSchedule_firesAgainFromItsResumeOn() throws Exception {
    put(Schedule.of("s", nightly, REPORT.job("a")));
    moveTo("s", lastMoment(nightly));
    assertThat(pause("s")).isEqualTo(Schedules.Outcome.DONE);
    assertThat(pause("s")).isEqualTo(Schedules.Outcome.UNCHANGED);
    assertThat(pause("t")).isEqualTo(Schedules.Outcome.NOT_FOUND);
    assertThat(state("s").paused()).isTrue();
    put(Schedule.of("s", nightly, REPORT.job("changed")));
    runner.runDue();
    assertThat(reports()).isEmpty();
    Schedules.Fired byHand = transactions.run(tx -> schedules.fireNow(tx, jobs, "s"));
    assertThat(byHand.outcome()).isEqualTo(Schedules.Outcome.DONE);
    assertThat(reports()).extracting(EnqueuedJob::id).containsExactly(byHand.jobId().orElseThrow());
    assertThat(reports()).extracting(EnqueuedJob::payload).containsExactly("changed");
    assertThat(resume("s")).isEqualTo(Schedules.Outcome.DONE);
    assertThat(resume("s")).isEqualTo(Schedules.Outcome.UNCHANGED);
    assertThat(resume("t")).isEqualTo(Schedules.Outcome.NOT_FOUND);
    runner.runDue();
    assertThat(reports()).as("nothing of the pause").hasSize(1);
    assertThat(state("s").nextFire()).contains(nightly.nextAfter(now()).orElseThrow());
    assertThat(schedules.list(dsl)).extracting(ScheduleState::name).containsExactly("s");
    Schedules.Outcome removed = transactions.run(tx -> schedules.remove(tx, "s"));
    assertThat(removed).isEqualTo(Schedules.Outcome.DONE);
    Schedules.Outcome again = transactions.run(tx -> schedules.remove(tx, "s"));
    assertThat(again).isEqualTo(Schedules.Outcome.NOT_FOUND);
    Schedules.Fired gone = transactions.run(tx -> schedules.fireNow(tx, jobs, "s"));
    JobQueue elsewhere = JobQueue.builder().schema("elsewhere").build();
    assertThatThrownBy(() -> transactions.run(tx -> schedules.fireNow(tx, elsewhere, "s")))
        .hasMessageContaining("schedule 's' is in schema pgbelay")
        .hasMessageContaining("the job queue is of schema elsewhere");
    assertThat(gone)
        .isEqualTo(new Schedules.Fired(Schedules.Outcome.NOT_FOUND, OptionalLong.empty()));
  }

  private Schedules.Outcome pause(String name) {
    return transactions.run(tx -> schedules.pause(tx, name));
  }

  private Schedules.Outcome resume(String name) {
    return transactions.run(tx -> schedules.resume(tx, name));
  }

  @Test
  void rolledBackPut_isNotThere() {
    assertThatThrownBy(
            () ->
                transactions.execute(
                    tx -> {
                      schedules.put(tx, Schedule.of("s", nightly, REPORT.job("a")));
                      throw new IllegalStateException("business");
                    }))
        .hasMessage("business");
    assertThat(schedules.find(dsl, "s")).isEmpty();
  }

  @Test
  void startedRunner_firesWhatFallsDue() {
    put(Schedule.of("s", nightly, REPORT.job("a")));
    try (ScheduleRunner started =
        ScheduleRunner.builder(transactions, jobs)
            .name("started")
            .pollInterval(Duration.ofMillis(20))
            .build()) {
      started.start();
      moveTo("s", lastMoment(nightly));
      Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> reports().size() == 1);
    }
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> Schedule.of("no blanks", nightly, REPORT.job("x")))
        .hasMessageContaining("schedule 'no blanks'");
    assertThatThrownBy(
            () -> Schedule.of("s", nightly, REPORT.job("x").withDelay(Duration.ofSeconds(1))))
        .hasMessageContaining("a time or another option that schedules do not keep");
    assertThatThrownBy(() -> Schedule.of("s", nightly, REPORT.job("x")).withGrace(Duration.ZERO))
        .hasMessageContaining("grace must be between");
    assertThatThrownBy(() -> ScheduleRunner.builder(transactions, jobs).name("No"))
        .hasMessageContaining("name is \"No\"");
    assertThatThrownBy(() -> ScheduleRunner.builder(transactions, jobs).pollInterval(Duration.ZERO))
        .hasMessageContaining("pollInterval must be between");
  }
}
