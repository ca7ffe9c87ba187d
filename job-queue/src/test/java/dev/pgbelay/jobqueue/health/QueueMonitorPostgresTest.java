package dev.pgbelay.jobqueue.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.control.Rate;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a monitor reads, and at what cost. */
class QueueMonitorPostgresTest {
  private static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  private static final JobKind<String> MAIL = JobKind.text("mail");

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final JobQueue jobs = JobQueue.create();
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

  @BeforeEach
  void empty() {
    dsl.execute(
        "truncate pgbelay.job, pgbelay.job_dead, pgbelay.job_worker, pgbelay.job_schedule,"
            + " pgbelay.job_activity, pgbelay.job_expected, pgbelay.job_control, pgbelay.job_slot");
  }

  private QueueMonitor.Builder monitor() {
    return QueueMonitor.builder(transactions).meterRegistry(meters);
  }

  private void enqueue(NewJob<?> job) {
    transactions.execute(tx -> jobs.enqueue(tx, job));
  }

  /** All jobs are so much older. */
  private void age(Duration by) {
    dsl.execute(
        "update pgbelay.job set place = place - ?, run_at = run_at - ? * interval '1 microsecond'",
        by.toMillis() * 1_000,
        by.toMillis() * 1_000);
  }

  private double gauge(String name, String queue) {
    return meters.get("pgbelay.jobqueue." + name).tag("queue", queue).gauge().value();
  }

  private double gauge(String name) {
    return meters.get("pgbelay.jobqueue." + name).gauge().value();
  }

  private static QueueFigures queue(QueueSnapshot seen, String name) {
    return Objects.requireNonNull(seen.queues().get(name));
  }

  @Test
  void figures_areThoseOfTheTables() throws Exception {
    QueueMonitor monitor =
        monitor().standstill("named", Duration.ofMinutes(1)).countUpTo(50).build();
    for (int i = 0; i < 3; i++) {
      enqueue(MAIL.job("x").withQueue("a"));
    }
    enqueue(MAIL.job("x").withQueue("a").withPriority(Duration.ofHours(5)));
    enqueue(MAIL.job("x").withQueue("b").withDelay(Duration.ofMinutes(5)));
    enqueue(MAIL.job("x").withQueue("c").withDelay(Duration.ofDays(5)));
    transactions.execute(
        tx ->
            jobs.enqueueAll(
                tx, IntStream.range(0, 80).mapToObj(i -> MAIL.job("x").withQueue("d")).toList()));
    age(Duration.ofMinutes(10));
    dsl.execute(
        "insert into pgbelay.job_worker (claimant, node, expires_at) values"
            + " (gen_random_uuid(), 'alive', now() + interval '1 minute'),"
            + " (gen_random_uuid(), 'gone', now() - interval '1 minute')");
    dsl.execute(
        "insert into pgbelay.job_dead (id, enqueued_at, attempt, max_attempts, priority, queue,"
            + " kind, reason, payload) select n, now(), 1, 1, 0, 'a', 'mail', 'x', '' from"
            + " generate_series(1, 7) n");
    dsl.execute(
        "insert into pgbelay.job_activity (queue, kind, claimed_at, finished_at, succeeded_at)"
            + " values ('a', 'mail', now() - interval '1 hour', now() - interval '2 hours', null),"
            + " ('a', 'other', now() - interval '3 hours', now() - interval '4 hours', null)");
    QueueSnapshot seen = monitor.look();
    assertThat(seen.queues()).containsOnlyKeys("a", "b", "d", "named");
    QueueFigures a = queue(seen, "a");
    assertThat(a.due()).isEqualTo(4);
    assertThat(a.oldestDue().orElseThrow())
        .as("not older by its head start")
        .isBetween(Duration.ofMinutes(10), Duration.ofMinutes(15));
    assertThat(a.sinceClaim().orElseThrow()).isBetween(Duration.ofHours(1), Duration.ofMinutes(65));
    assertThat(a.sinceFinished().orElseThrow())
        .isBetween(Duration.ofHours(2), Duration.ofMinutes(125));
    QueueFigures b = queue(seen, "b");
    assertThat(b.due()).as("due, and nobody made it ready").isEqualTo(1);
    assertThat(b.oldestDue().orElseThrow()).isGreaterThanOrEqualTo(Duration.ofMinutes(5));
    assertThat(queue(seen, "d").due()).as("counted up to 50").isEqualTo(50);
    assertThat(queue(seen, "named").due()).isZero();
    assertThat(seen.workers()).isEqualTo(1);
    assertThat(seen.deadLetters()).isEqualTo(7);

    assertThat(gauge("depth", "a")).isEqualTo(4);
    assertThat(gauge("depth", "named")).isZero();
    assertThat(gauge("due.age", "a")).isBetween(600.0, 900.0);
    assertThat(gauge("claim.age", "a")).isBetween(3_600.0, 3_900.0);
    assertThat(gauge("finished.age", "a")).isBetween(7_200.0, 7_500.0);
    assertThat(gauge("workers")).isEqualTo(1);
    assertThat(gauge("dead")).isEqualTo(7);
    assertThat(gauge("health")).as("jobs are due and none is finished").isEqualTo(2);
    assertThat(gauge("horizon.pinned")).isZero();
    dsl.execute("truncate pgbelay.job");
    monitor.look();
    assertThat(gauge("depth", "a")).as("a queue that is empty by now").isZero();
    assertThat(gauge("due.age", "a")).isZero();
    assertThat(gauge("health")).isZero();
  }

  @Test
  void runningJobs_areCounted() throws Exception {
    enqueue(MAIL.job("x").withQueue("a"));
    dsl.execute(
        "update pgbelay.job set state = 'running', claimant = gen_random_uuid(), claim_number = 1");
    QueueFigures a = queue(monitor().build().look(), "a");
    assertThat(a.running()).isEqualTo(1);
    assertThat(a.due()).isZero();
    assertThat(a.oldestDue()).isEmpty();
  }

  @Test
  void pausedQueue_isKnownAsSuch() throws Exception {
    enqueue(MAIL.job("x").withQueue("a"));
    QueueControl control = QueueControl.create();
    transactions.execute(tx -> control.pauseQueue(tx, "a", "the mail server moves"));
    transactions.execute(tx -> control.pauseKind(tx, MAIL, "is no queue"));
    dsl.execute("update pgbelay.job_control set paused_at = now() - interval '1 hour'");
    QueueSnapshot seen = monitor().build().look();
    assertThat(seen.queues()).containsOnlyKeys("a");
    assertThat(queue(seen, "a").sincePause().orElseThrow())
        .isBetween(Duration.ofMinutes(60), Duration.ofMinutes(65));
    transactions.execute(tx -> control.resumeQueue(tx, "a"));
    assertThat(queue(monitor().build().look(), "a").sincePause()).isEmpty();
  }

  @Test
  void closedMonitor_takesItsGaugesAwayAndTheNextOneHasItsOwn() throws Exception {
    QueueMonitor other = monitor().name("other").build();
    try (QueueMonitor first = monitor().build()) {
      enqueue(MAIL.job("x").withQueue("a"));
      first.look();
      assertThat(gauge("depth", "a")).isEqualTo(1);
    }
    assertThat(meters.getMeters())
        .filteredOn(meter -> meter.getId().getName().startsWith("pgbelay.jobqueue."))
        .isNotEmpty()
        .allMatch(meter -> "other".equals(meter.getId().getTag("monitor")));
    enqueue(MAIL.job("x").withQueue("a"));
    try (QueueMonitor second = monitor().build()) {
      second.look();
      assertThat(gauge("depth", "a")).isEqualTo(2);
    }
    other.close();
    assertThat(meters.getMeters())
        .noneMatch(meter -> meter.getId().getName().startsWith("pgbelay.jobqueue."));
  }

  private double waiting(String queue, String reason) {
    return meters
        .get("pgbelay.jobqueue.waiting")
        .tag("queue", queue)
        .tag("reason", reason)
        .gauge()
        .value();
  }

  private void claimFirst(String queue, int count) {
    dsl.execute(
        "update pgbelay.job set state = 'running', claimant = gen_random_uuid(), claim_number = 1"
            + " where id in (select id from pgbelay.job where queue = ? and state = 'ready'"
            + " order by id limit ?)",
        queue,
        count);
  }

  @Test
  void jobsThatWaitForTheirKey_areCountedApart() throws Exception {
    for (int i = 0; i < 4; i++) {
      enqueue(MAIL.job("x").withQueue("keyed").withPartitionKey("k"));
    }
    enqueue(MAIL.job("x").withQueue("keyed"));
    for (int i = 0; i < 70; i++) {
      enqueue(MAIL.job("x").withQueue("many").withPartitionKey("k"));
    }
    dsl.execute(
        "update pgbelay.job set state = 'blocked', key_slot = 0 where queue = 'many' or id in"
            + " (select id from pgbelay.job where key_slot = -1 and queue = 'keyed' limit 3)");
    age(Duration.ofMinutes(20));
    QueueMonitor monitor =
        monitor().standstill(Duration.ofDays(1)).late(Duration.ofMinutes(10)).countUpTo(50).build();
    QueueSnapshot seen = monitor.look();
    QueueFigures keyed = queue(seen, "keyed");
    assertThat(keyed.due()).as("one has no key, one arrives").isEqualTo(2);
    assertThat(keyed.waiting().forKey()).isEqualTo(3);
    assertThat(keyed.waiting().longestForKey().orElseThrow())
        .isBetween(Duration.ofMinutes(20), Duration.ofMinutes(25));
    assertThat(queue(seen, "many").waiting().forKey()).as("counted up to 50").isEqualTo(50);
    assertThat(waiting("keyed", "key")).isEqualTo(3);
    assertThat(gauge("key.age", "keyed")).isBetween(1_200.0, 1_500.0);
    assertThat(monitor.health().status()).isEqualTo(Status.DEGRADED);
    assertThat(monitor.health().reasons())
        .extracting(Health.Reason::text)
        .anyMatch(text -> text.startsWith("queue 'keyed': 3 jobs wait for their partition key"));
  }

  @Test
  void longestWaitForAKey_isThatOfTheOldestWithoutItsHeadStart() throws Exception {
    enqueue(MAIL.job("x").withQueue("a").withPartitionKey("k"));
    age(Duration.ofMinutes(20));
    enqueue(MAIL.job("x").withQueue("a").withPartitionKey("k").withPriority(Duration.ofHours(5)));
    dsl.execute("update pgbelay.job set state = 'blocked', key_slot = 0");
    Waiting waiting = queue(monitor().build().look(), "a").waiting();
    assertThat(waiting.forKey()).isEqualTo(2);
    assertThat(waiting.longestForKey().orElseThrow())
        .isBetween(Duration.ofMinutes(20), Duration.ofMinutes(25));
  }

  @Test
  void pauseAlone_isCounted() throws Exception {
    enqueue(MAIL.job("x").withQueue("a"));
    QueueControl control = QueueControl.create();
    transactions.execute(tx -> control.pauseQueue(tx, "a", "test"));
    assertThat(queue(monitor().build().look(), "a").waiting().forPause()).isEqualTo(1);
  }

  /** Of a kind; and what somebody else's claim has left behind holds nothing. */
  @Test
  void limitOfAKind_countsWhatRunsUnderTheClaimOfTheSlot() throws Exception {
    JobKind<String> other = JobKind.text("other");
    for (int i = 0; i < 3; i++) {
      enqueue(MAIL.job("x").withQueue("a"));
    }
    enqueue(other.job("x").withQueue("a"));
    QueueControl control = QueueControl.create();
    transactions.execute(tx -> control.limitKind(tx, MAIL, Limits.none().withRunning(1)));
    claimFirst("a", 1);
    dsl.execute(
        "insert into pgbelay.job_slot (scope, name, claimant, claim_number, jobs, job_ids)"
            + " select 'kind', 'mail', claimant, claim_number, 1, array[id] from pgbelay.job"
            + " where state = 'running'");
    QueueMonitor monitor = monitor().build();
    assertThat(queue(monitor.look(), "a").waiting()).isEqualTo(waitingForLimit(2));
    dsl.execute("update pgbelay.job_slot set claimant = gen_random_uuid()");
    assertThat(queue(monitor.look(), "a").waiting()).isEqualTo(waitingForLimit(0));
  }

  private static Waiting waitingForLimit(int jobs) {
    return new Waiting(0, Optional.empty(), 0, jobs, 0);
  }

  @Test
  void rateThatHasGatheredMeanwhile_holdsNothing() throws Exception {
    enqueue(MAIL.job("x").withQueue("a"));
    QueueControl control = QueueControl.create();
    Limits limits = Limits.none().withRate(Rate.of(24, Duration.ofDays(1)));
    transactions.execute(tx -> control.limitQueue(tx, "a", limits));
    QueueMonitor monitor = monitor().build();
    String rate = "update pgbelay.job_control set rate_tokens = 0, rate_at = now() - interval '%s'";
    dsl.execute(rate.formatted("1 minute"));
    assertThat(queue(monitor.look(), "a").waiting()).isEqualTo(waitingForLimit(1));
    dsl.execute(rate.formatted("2 hours"));
    assertThat(queue(monitor.look(), "a").waiting()).isEqualTo(waitingForLimit(0));
  }

  @Test
  void jobsThatWaitForAPauseOrALimit_areCounted() throws Exception {
    JobKind<String> other = JobKind.text("other");
    for (String name : new String[] {"paused", "limited", "rated", "free"}) {
      for (int i = 0; i < 3; i++) {
        enqueue(MAIL.job("x").withQueue(name));
      }
      enqueue(other.job("x").withQueue(name));
    }
    QueueControl control = QueueControl.create();
    Rate rate = Rate.of(1, Duration.ofDays(1));
    transactions.execute(
        tx -> {
          control.pauseQueue(tx, "paused", "test");
          control.pauseKind(tx, other, "test");
          control.limitQueue(tx, "limited", Limits.none().withRunning(1));
          control.limitQueue(tx, "rated", Limits.none().withRate(rate));
        });
    QueueMonitor monitor = monitor().build();
    QueueSnapshot before = monitor.look();
    assertThat(queue(before, "paused").waiting().forPause()).isEqualTo(4);
    assertThat(queue(before, "free").waiting())
        .as("of the kind")
        .isEqualTo(new Waiting(0, Optional.empty(), 1, 0, 0));
    assertThat(queue(before, "limited").waiting().forLimit()).as("none runs yet").isZero();

    claimFirst("limited", 1);
    dsl.execute(
        "insert into pgbelay.job_slot (scope, name, claimant, claim_number, jobs, job_ids)"
            + " select 'queue', 'limited', claimant, claim_number, 1, array[id] from pgbelay.job"
            + " where state = 'running'");
    dsl.execute(
        "update pgbelay.job_control set rate_tokens = 0, rate_at = now() where name = 'rated'");
    QueueSnapshot after = monitor.look();
    assertThat(queue(after, "limited").waiting())
        .isEqualTo(new Waiting(0, Optional.empty(), 1, 2, 0));
    assertThat(queue(after, "limited").due()).as("they are due all the same").isEqualTo(3);
    assertThat(queue(after, "rated").waiting().forLimit()).isEqualTo(3);
    assertThat(waiting("limited", "limit")).isEqualTo(2);
    assertThat(waiting("paused", "pause")).isEqualTo(4);
    assertThat(waiting("free", "key")).isZero();
    dsl.execute("update pgbelay.job set claim_number = 2 where state = 'running'");
    assertThat(queue(monitor.look(), "limited").waiting().forLimit())
        .as("the slot is void")
        .isZero();
  }

  /** What pins the horizon is named, shown by the gauge, and makes the state worse. */
  @Test
  void pinnedHorizon_isDegradedUntilItsHolderEnds() throws Exception {
    QueueMonitor monitor = monitor().pinnedHorizon(Duration.ofSeconds(1)).build();
    try (Connection holder = postgres.dataSource().getConnection()) {
      holder.setAutoCommit(false);
      DSL.using(holder, SQLDialect.POSTGRES).fetchValue("select pg_current_xact_id()::text");
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .until(() -> !monitor.look().pins().isEmpty());
      assertThat(gauge("horizon.pinned")).isGreaterThanOrEqualTo(1);
      assertThat(monitor.health().status()).isEqualTo(Status.DEGRADED);
      holder.rollback();
    }
    Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> monitor.look().pins().isEmpty());
    assertThat(gauge("horizon.pinned")).isZero();
  }

  @Test
  void schedules_areWatched() throws Exception {
    dsl.execute(
        "insert into pgbelay.job_schedule (name, next_fire, look_at, missed, grace_millis, priority,"
            + " max_attempts, cron, zone, missed_fires, kind, queue, failure, payload) values"
            + " ('late', now() - interval '5 minutes', now() - interval '5 minutes', 3, 1, 0, 1,"
            + " '* * * * *', 'UTC', 'ONCE', 'mail', 'a', null, ''),"
            + " ('bad', now() - interval '5 minutes', now() + interval '1 minute', 4, 1, 0, 1,"
            + " 'x', 'UTC', 'ONCE', 'mail', 'a', 'no cron', ''),"
            + " ('paused', now() - interval '5 minutes', null, 0, 1, 0, 1,"
            + " '* * * * *', 'UTC', 'ONCE', 'mail', 'a', null, '')");
    QueueMonitor monitor = monitor().build();
    QueueSnapshot seen = monitor.look();
    assertThat(seen.overdueSchedules()).isEqualTo(1);
    assertThat(seen.failingSchedules()).containsExactly("bad");
    assertThat(seen.missedMoments()).isEqualTo(7);
    assertThat(monitor.health().status()).isEqualTo(Status.DOWN);
    assertThat(gauge("schedule.overdue")).isEqualTo(1);
    assertThat(gauge("schedule.failing")).isEqualTo(1);
    assertThat(gauge("schedule.missed.moments")).isEqualTo(7);
  }

  /** "The e-mail job has been failing for three months." */
  @Test
  void expectedKindThatDoesNotSucceed_isDownAlsoAfterARestartOfTheMonitor() throws Exception {
    QueueMonitor first = monitor().expect(MAIL, Duration.ofDays(1)).build();
    assertThat(first.look().sinceSuccess()).containsOnlyKeys("mail");
    assertThat(first.health().status()).isEqualTo(Status.UP);
    dsl.execute("update pgbelay.job_expected set since = now() - interval '2160 hours'");
    QueueMonitor second =
        QueueMonitor.builder(transactions).expect(MAIL, Duration.ofDays(1)).build();
    second.look();
    assertThat(second.health().status()).isEqualTo(Status.DOWN);
    assertThat(second.health().reasons().get(0).text())
        .contains("kind 'mail' has not succeeded for PT2160H");
    dsl.execute(
        "insert into pgbelay.job_activity (queue, kind, finished_at) values ('a', 'mail', now())");
    second.look();
    assertThat(second.health().status()).as("discarded is no success").isEqualTo(Status.DOWN);
    dsl.execute("update pgbelay.job_activity set succeeded_at = now()");
    second.look();
    assertThat(second.health().status()).isEqualTo(Status.UP);
  }

  @Test
  void databaseThatDoesNotAnswer_isDown() throws Exception {
    HikariConfig config = new HikariConfig();
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary())) {
      config.setJdbcUrl(proxy.jdbcUrl(postgres.database().name()));
      config.setMaximumPoolSize(1);
      config.setMinimumIdle(0);
      config.setConnectionTimeout(1_000);
      config.setInitializationFailTimeout(-1);
      try (HikariDataSource pool = new HikariDataSource(config);
          QueueMonitor monitor =
              QueueMonitor.builder(Transactions.of(pool))
                  .name("cut-off")
                  .interval(Duration.ofMillis(100))
                  .build()) {
        monitor.look();
        assertThat(monitor.health().status()).isEqualTo(Status.UP);
        proxy.refuseConnections();
        proxy.dropConnections();
        monitor.start();
        Awaitility.await()
            .atMost(Duration.ofSeconds(90))
            .until(() -> monitor.health().status() == Status.DOWN);
        assertThat(monitor.health().reasons().get(0).text()).contains("nothing is known for");
        proxy.heal();
        Awaitility.await()
            .atMost(Duration.ofSeconds(90))
            .until(() -> monitor.health().status() == Status.UP);
      }
    }
  }

  @Test
  void reasonOfALookThatFails_isALineWithoutTheStatement() {
    QueueMonitor monitor = monitor().schema("nowhere").build();
    assertThatThrownBy(monitor::look).hasMessageContaining("does not exist");
    assertThat(monitor.health().reasons().get(0).text())
        .startsWith("nothing is known for")
        .contains("does not exist")
        .doesNotContain("SELECT")
        .doesNotContain("\n");
  }

  /** Along indexes and up to a limit: what a look reads does not grow with the tables. */
  @Test
  void cost_isBoundedWhateverIsDue() {
    fill(1_000);
    long few = rowsRead();
    fill(50_000);
    assertThat(few).isLessThan(1_000);
    assertThat(rowsRead()).as("rows read, %s with 1,000 jobs", few).isLessThan(1_000);
  }

  private void fill(int count) {
    transactions.execute(
        tx ->
            jobs.enqueueAll(
                tx,
                IntStream.range(0, count).mapToObj(i -> MAIL.job("x").withQueue("many")).toList()));
    dsl.execute("analyze pgbelay.job");
  }

  /** Rows of the table of jobs that a look fetches, in whichever way. */
  private long rowsRead() {
    return transactions.run(
        tx -> {
          QueueFigures many = new HealthSql("pgbelay").queues(tx.dsl(), List.of(), 100).get("many");
          assertThat(many).isNotNull();
          assertThat(many.due()).isEqualTo(100);
          Object read =
              tx.dsl()
                  .fetchValue(
                      "select seq_tup_read + coalesce(idx_tup_fetch, 0)"
                          + " from pg_stat_xact_user_tables"
                          + " where schemaname = 'pgbelay' and relname = 'job'");
          return Long.parseLong(String.valueOf(read));
        });
  }

  @Test
  void badOptions_areRefusedByName() {
    assertThatThrownBy(() -> monitor().standstill(Duration.ofSeconds(1)))
        .hasMessageContaining("standstill must be between");
    assertThatThrownBy(() -> monitor().expect(MAIL, Duration.ofSeconds(1)))
        .hasMessageContaining("every must be between");
    assertThatThrownBy(() -> monitor().countUpTo(0))
        .hasMessageContaining("countUpTo must be between");
    assertThatThrownBy(() -> monitor().interval(Duration.ZERO))
        .hasMessageContaining("interval must be between");
    assertThatThrownBy(() -> monitor().late(Duration.ZERO)).hasMessageContaining("late must be");
    assertThatThrownBy(() -> monitor().pinnedHorizon(Duration.ZERO))
        .hasMessageContaining("pinnedHorizon must be");
    assertThatThrownBy(() -> monitor().name("No")).hasMessageContaining("name is \"No\"");
  }

  @Test
  void jobsThatArrivedAndThatNobodyGivesTheSlotOfTheirKey_areDue() throws Exception {
    enqueue(MAIL.job("x").withQueue("a").withPartitionKey("key"));
    enqueue(
        MAIL.job("x").withQueue("a").withPartitionKey("other").withPriority(Duration.ofHours(5)));
    age(Duration.ofMinutes(10));
    QueueMonitor monitor = monitor().build();
    QueueFigures a = queue(monitor.look(), "a");
    assertThat(a.due()).isEqualTo(2);
    assertThat(a.oldestDue().orElseThrow())
        .isBetween(Duration.ofMinutes(10), Duration.ofMinutes(20));
    assertThat(monitor.health().status()).isEqualTo(Health.Status.DOWN);
  }
}
