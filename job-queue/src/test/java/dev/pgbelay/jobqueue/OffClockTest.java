package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.jobqueue.ScriptedProcess.Script;
import dev.pgbelay.jobqueue.cron.CronTimes;
import dev.pgbelay.jobqueue.cron.Schedule;
import dev.pgbelay.jobqueue.cron.Schedules;
import dev.pgbelay.testing.FakeTime;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two worker processes whose clocks are an hour fast and an hour slow. */
class OffClockTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  private Process begin(FakeTime fakeTime, String node, Duration offset) throws Exception {
    return ScriptedProcess.start(
        postgres.jdbcUrl(), node, fixture.queue, Script.ON_AND_ON, fakeTime.environment(offset));
  }

  private long clockOf(String node) {
    QueueFixture.await(() -> fixture.count("select count(*) from marker where node = ?", node) > 0);
    return Long.parseLong(
        String.valueOf(
            fixture.dsl.fetchValue("select min(job_id) from marker where node = ?", node)));
  }

  /** Whether its lease ends within the lease from now, by the server's clock. */
  private boolean leaseIsOfTheServersClock(String node) {
    return fixture.count(
            "select count(*) from pgbelay.job_worker where node = ? and fenced_at is null"
                + " and expires_at between started_at + interval '6 s'"
                + " and clock_timestamp() + interval '2 s'",
            node)
        == 1;
  }

  private int ready(String queue) {
    return fixture.count("select count(*) from pgbelay.job where queue = ?", queue);
  }

  @Test
  void processesWhoseClocksAreAnHourOff_keepDueTimesLeasesSchedulesAndDaysOfTheServer()
      throws Exception {
    FakeTime fakeTime = FakeTime.find();
    ScriptedProcess.install(fixture.dsl);
    fixture.enqueue(100);
    fixture.enqueue(fixture.mail("soon").withDelay(Duration.ofSeconds(2)));
    fixture.enqueue(fixture.mail("in half an hour").withDelay(Duration.ofMinutes(30)));
    String scheduled = fixture.queue + "-scheduled";
    // Half an hour away from now, so that it is not due by itself.
    int minute = fixture.count("select (extract(minute from clock_timestamp())::int + 30) % 60");
    fixture.transactions.execute(
        tx ->
            Schedules.create()
                .put(
                    tx,
                    Schedule.of(
                        "hourly",
                        CronTimes.of(minute + " * * * *", ZoneOffset.UTC),
                        QueueFixture.MAIL.job("x").withQueue(scheduled))));
    Process fast = begin(fakeTime, "fast", Duration.ofHours(1));
    Process slow = begin(fakeTime, "slow", Duration.ofHours(-1));
    try {
      long now = System.currentTimeMillis();
      assertThat(clockOf("fast") - now).as("a clock of its own").isGreaterThan(3_000_000);
      assertThat(clockOf("slow") - now).as("a clock of its own").isLessThan(-3_000_000);

      QueueFixture.await(() -> fixture.finished("done") == 101);
      assertThat(
              fixture.count(
                  "select count(*) from pgbelay.job_finished where queue = ? and finished_at"
                      + " between clock_timestamp() - interval '10 min' and clock_timestamp()"
                      + " and finished_day in ("
                      + " extract(epoch from clock_timestamp())::bigint / 86400,"
                      + " extract(epoch from clock_timestamp() - interval '10 min')::bigint / 86400)",
                  fixture.queue))
          .as("records of the server's day")
          .isEqualTo(101);
      QueueFixture.await(
          () -> leaseIsOfTheServersClock("fast") && leaseIsOfTheServersClock("slow"));

      fixture.dsl.execute(
          "update pgbelay.job_schedule set next_fire = date_trunc('second', clock_timestamp()),"
              + " look_at = clock_timestamp()");
      QueueFixture.await(() -> ready(scheduled) > 0);
      assertThat(
              fixture.count(
                  "select count(*) from pgbelay.job_schedule where fired = 1 and next_fire"
                      + " between clock_timestamp() - interval '1 min'"
                      + " and clock_timestamp() + interval '61 min'"))
          .as("the next hour of the server")
          .isEqualTo(1);

      ScriptedProcess.signal(fast, "-KILL");
      QueueFixture.await(
          () -> fixture.count("select count(*) from pgbelay.job_worker where node = 'fast'") == 0);
      fixture.enqueue(1);
      QueueFixture.await(() -> fixture.finished("done") == 102);
      assertThat(ready(fixture.queue)).as("not due for half an hour").isEqualTo(1);
      assertThat(ready(scheduled)).as("fired once").isEqualTo(1);
    } finally {
      fast.destroyForcibly().waitFor();
      slow.destroyForcibly().waitFor();
    }
  }
}
