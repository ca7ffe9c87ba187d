package dev.pgbelay.jobqueue.cron;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.time.ZoneOffset;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One row of the table of schedules that is locked or spoilt does not keep the others. */
class SchedulesInTheWayPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource ->
                  SchemaInstaller.builder(dataSource).modules("jobqueue").build().install());

  private static final JobKind<String> REPORT = JobKind.text("report");

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final JobQueue jobs = JobQueue.create();
  private final Schedules schedules = Schedules.create();

  @BeforeEach
  void twoThatAreDue() {
    dsl.execute("truncate pgbelay.job, pgbelay.job_schedule");
    for (String name : new String[] {"first", "second"}) {
      transactions.execute(
          tx ->
              schedules.put(
                  tx,
                  Schedule.of(name, CronTimes.of("* * * * *", ZoneOffset.UTC), REPORT.job(name))));
    }
    dsl.execute(
        "update pgbelay.job_schedule set next_fire = date_trunc('minute', clock_timestamp()),"
            + " look_at = date_trunc('minute', clock_timestamp())");
  }

  private ScheduleRunner runner() {
    return ScheduleRunner.builder(transactions, jobs).pollInterval(Duration.ofMillis(50)).build();
  }

  private boolean isFired(String name) {
    Object fired =
        dsl.fetchValue(
            "select count(*) from pgbelay.job_schedule where name = ? and fired > 0", name);
    return "1".equals(String.valueOf(fired));
  }

  private static void await(java.util.concurrent.Callable<Boolean> condition) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(10))
        .until(condition);
  }

  @Test
  void lockedSchedule_isPassedOverAndFiredLater() throws Exception {
    try (Connection owner = postgres.dataSource().getConnection();
        ScheduleRunner runner = runner()) {
      owner.setAutoCommit(false);
      try (Statement lock = owner.createStatement()) {
        lock.execute("select 1 from pgbelay.job_schedule where name = 'first' for update");
      }
      runner.start();
      await(() -> isFired("second"));
      assertThat(isFired("first")).isFalse();
      owner.rollback();
      owner.setAutoCommit(true);
      await(() -> isFired("first"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"null", "'infinity'", "'-infinity'"})
  void spoiltSchedule_keepsNoOther(String nextFire) {
    dsl.execute(
        "update pgbelay.job_schedule set next_fire = " + nextFire + " where name = 'first'");
    try (ScheduleRunner runner = runner()) {
      runner.start();
      await(() -> isFired("second"));
    }
  }
}
