package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.background.Pass;
import dev.pgbelay.jobqueue.inspect.JobState;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is kept for how long, by how it ended. */
class RetentionPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  @BeforeEach
  void empty() {
    fixture.dsl.execute(
        "truncate pgbelay.job_finished, pgbelay.job_finished_kept, pgbelay.job_dead");
  }

  private void pass(Retention retention) throws Exception {
    try (Upkeep upkeep =
        new Upkeep(
            QueueFixture.freshName(),
            new MissingTables("test", "pgbelay"),
            fixture.transactions,
            "pgbelay",
            retention,
            Duration.ofSeconds(30),
            Duration.ofSeconds(1),
            () -> {},
            WorkMeters.NONE,
            null)) {
      Pass pass;
      do {
        pass = upkeep.retain();
      } while (pass.work() > 0);
    }
  }

  /** One of each outcome, so many days ago. */
  private void finished(int days) {
    for (String outcome : List.of("done", "discarded", "cancelled")) {
      fixture.dsl.execute(
          "insert into pgbelay.job_finished (id, finished_at, finished_day, attempt, outcome, queue,"
              + " kind, reason, tags) values (?, clock_timestamp() - ? * interval '24 hours',"
              + " floor(extract(epoch from clock_timestamp()) / 86400)::int - ?, 1, ?, 'q', 'mail',"
              + " 'why', '{customer-7}')",
          days,
          days,
          days,
          outcome);
    }
  }

  private void dead(int days) {
    fixture.dsl.execute(
        "insert into pgbelay.job_dead (id, died_at, enqueued_at, attempt, max_attempts, priority,"
            + " queue, kind, reason, payload) values (?, clock_timestamp() - ? * interval '24 hours',"
            + " now(), 1, 1, 0, 'q', 'mail', 'x', '')",
        days,
        days);
  }

  private List<String> left(String table) {
    return fixture
        .dsl
        .fetch("select outcome || ' ' || id from pgbelay." + table + " order by id, outcome")
        .map(row -> String.valueOf(row.get(0)));
  }

  @Test
  void outcomeThatIsKeptForLonger_survivesItsDay() throws Exception {
    for (int days : new int[] {1, 10, 20}) {
      finished(days);
      dead(days);
    }
    Retention retention =
        Retention.DEFAULTS
            .of(JobState.DISCARDED, Duration.ofDays(15))
            .of(JobState.DEAD, Duration.ofDays(15));
    pass(retention);
    assertThat(left("job_finished")).containsExactly("cancelled 1", "discarded 1", "done 1");
    assertThat(left("job_finished_kept")).containsExactly("discarded 10");
    assertThat(fixture.dsl.fetchValue("select reason from pgbelay.job_finished_kept"))
        .isEqualTo("why");
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.job_finished_kept where tags ="
                    + " array['customer-7']"))
        .isEqualTo(1);
    assertThat(fixture.dsl.fetch("select id from pgbelay.job_dead order by id").getValues(0))
        .hasToString("[1, 10]");
  }

  @Test
  void withoutMoreWords_deadLettersStayAndDaysGo() throws Exception {
    finished(10);
    dead(4_000);
    pass(Retention.DEFAULTS);
    assertThat(left("job_finished")).isEmpty();
    assertThat(left("job_finished_kept")).isEmpty();
    assertThat(fixture.count("select count(*) from pgbelay.job_dead")).isEqualTo(1);
  }

  @Test
  void manyOldRecords_goPageByPage() throws Exception {
    fixture.dsl.execute(
        "insert into pgbelay.job_finished_kept (id, finished_at, attempt, outcome, queue, kind)"
            + " select n, clock_timestamp() - interval '1000 hours', 1, 'discarded', 'q', 'mail'"
            + " from generate_series(1, 1234) n");
    pass(Retention.DEFAULTS.of(JobState.DISCARDED, Duration.ofDays(40)));
    assertThat(left("job_finished_kept")).isEmpty();
  }

  @Test
  void badTimes_areRefusedByName() {
    assertThatThrownBy(() -> Retention.DEFAULTS.of(JobState.DONE, Duration.ofDays(4_000)))
        .hasMessageContaining("retention of DONE must be between");
    assertThatThrownBy(() -> Retention.DEFAULTS.ofFinished(Duration.ofDays(29)))
        .hasMessageContaining("retention must be between");
    assertThatThrownBy(() -> Retention.DEFAULTS.ofFinished(Duration.ofHours(36)))
        .hasMessage("retention must be whole days, is PT36H: records go a day at a time");
    assertThatThrownBy(() -> Retention.DEFAULTS.of(JobState.DEAD, Duration.ofHours(25)))
        .hasMessageContaining("retention of DEAD must be whole days");
    assertThatThrownBy(() -> Retention.DEFAULTS.of(JobState.RUNNING, Duration.ofDays(20)))
        .hasMessageStartingWith("retention of RUNNING: there are records of jobs that are DONE");
  }
}
