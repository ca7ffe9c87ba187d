package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.StoredHeaders;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Savepoint;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an enqueue writes, and when others see it. */
class JobQueuePostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  @Test
  void enqueue_isThereWithTheCommitAndNotBefore() {
    long id =
        fixture.transactions.run(
            tx -> {
              long added = fixture.jobs.enqueue(tx, fixture.mail("hello"));
              assertThat(fixture.jobs("ready")).as("seen from outside").isZero();
              return added;
            });
    assertThat(fixture.jobs("ready")).isEqualTo(1);
    assertThat(
            fixture.dsl.fetchValue(
                "select convert_from(payload, 'UTF8') from pgbelay.job where id = ?", id))
        .isEqualTo("hello");
  }

  @Test
  void rollback_takesJobsAway() {
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      fixture.jobs.enqueue(tx, fixture.mail("one"));
                      fixture.jobs.enqueueAll(tx, List.of(fixture.mail("2"), fixture.mail("3")));
                      throw new IllegalStateException("business");
                    }))
        .hasMessage("business");
    assertThat(fixture.jobs("ready")).isZero();
  }

  @Test
  void rollbackToASavepoint_takesAwayWhatWasAddedAfterIt() throws Exception {
    fixture.transactions.execute(
        tx -> {
          fixture.jobs.enqueue(tx, fixture.mail("kept"));
          Savepoint savepoint = tx.connection().setSavepoint();
          fixture.jobs.enqueue(tx, fixture.mail("gone"));
          tx.connection().rollback(savepoint);
          fixture.jobs.enqueue(tx, fixture.mail("kept too"));
        });
    assertThat(fixture.jobs("ready")).isEqualTo(2);
  }

  @Test
  void enqueueAll_givesIdsInTheOrderOfTheJobs() {
    List<NewJob<String>> mixed = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      NewJob<String> job = fixture.mail("p" + i).withMaxAttempts(1 + i % 3);
      mixed.add(i % 7 == 0 ? job.withDelay(Duration.ofHours(1)) : job);
    }
    List<NewJob<String>> alike = new ArrayList<>();
    for (int i = 0; i < 12_000; i++) {
      alike.add(fixture.mail("p" + i));
    }
    for (List<NewJob<String>> jobs : List.of(mixed, alike)) {
      List<Long> ids = fixture.transactions.run(tx -> fixture.jobs.enqueueAll(tx, jobs));
      assertThat(ids).hasSize(jobs.size()).doesNotHaveDuplicates();
      for (int i = 0; i < ids.size(); i += 97) {
        assertThat(
                fixture.dsl.fetchValue(
                    "select convert_from(payload, 'UTF8') from pgbelay.job where id = ?",
                    ids.get(i)))
            .isEqualTo("p" + i);
      }
    }
    List<Long> none = fixture.transactions.run(tx -> fixture.jobs.enqueueAll(tx, List.of()));
    assertThat(none).isEmpty();
  }

  @Test
  void options_areStored() {
    long id =
        fixture.enqueue(
            fixture
                .mail("later")
                .withDelay(Duration.ofMinutes(5))
                .withPriority(Duration.ofMinutes(-2))
                .withMaxAttempts(3)
                .withHeader("trace \"id\"", "a\\b,{c} \"d\" é")
                .withHeader("empty", ""));
    var row =
        fixture.dsl.fetchSingle(
            "select state, max_attempts, priority, headers,"
                + " extract(epoch from run_at - enqueued_at)::int as delay,"
                + " (place - extract(epoch from run_at) * 1000000)::bigint as behind"
                + " from pgbelay.job where id = ?",
            id);
    assertThat(row.get("state")).isEqualTo("scheduled");
    assertThat(row.get("max_attempts")).isEqualTo(3);
    assertThat(row.get("priority")).isEqualTo(-120);
    assertThat(row.get("delay")).isEqualTo(300);
    assertThat(row.get("behind")).isEqualTo(120_000_000L);
    assertThat(StoredHeaders.read(List.of(row.get("headers", String[].class))))
        .containsEntry("trace \"id\"", "a\\b,{c} \"d\" é")
        .containsEntry("empty", "");
  }

  @Test
  void refusedStatement_saysTheRemedy() {
    JobQueue elsewhere = JobQueue.builder().schema("nowhere").build();
    assertThatThrownBy(
            () -> fixture.transactions.run(tx -> elsewhere.enqueue(tx, fixture.mail("x"))))
        .hasMessage(
            "jobs were not enqueued: SQLSTATE 42P01: the tables of module jobqueue are not in this"
                + " schema; install them with SchemaInstaller, or name the schema that has them");
    TxOptions reading = TxOptions.builder().readOnly(true).build();
    assertThatThrownBy(
            () ->
                fixture.transactions.run(
                    reading, tx -> fixture.jobs.enqueue(tx, fixture.mail("x"))))
        .hasMessage("jobs were not enqueued: SQLSTATE 25006: the transaction is read-only");
  }

  @Test
  void runAtInThePast_isReadyAndAsOldAsThat() {
    long id = fixture.enqueue(fixture.mail("old").withRunAt(Instant.parse("2020-01-01T00:00:00Z")));
    assertThat(
            fixture
                .dsl
                .fetchSingle("select state, place from pgbelay.job where id = ?", id)
                .intoArray())
        .containsExactly("ready", 1_577_836_800_000_000L);
  }

  @Test
  void tooLargePayload_isRefusedBeforeAnythingIsAdded() {
    JobQueue small = JobQueue.builder().payloadLimit(10).build();
    assertThatThrownBy(
            () ->
                fixture.transactions.run(
                    tx ->
                        small.enqueueAll(
                            tx, List.of(fixture.mail("short"), fixture.mail("much too long")))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("kind 'mail' has 13 bytes, the limit is 10")
        .hasMessageNotContaining("much");
    assertThat(fixture.jobs("ready")).isZero();
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> JobKind.text("no spaces")).hasMessageContaining("kind 'no spaces'");
    assertThatThrownBy(() -> fixture.mail("x").withQueue("")).hasMessageContaining("queue ''");
    assertThatThrownBy(() -> fixture.mail("x").withDelay(Duration.ofSeconds(-1)))
        .hasMessageContaining("delay must be between PT0S");
    assertThatThrownBy(() -> fixture.mail("x").withMaxAttempts(0))
        .hasMessageContaining("maxAttempts must be between 1 and 1000, is 0");
    assertThatThrownBy(() -> fixture.mail("x").withPriority(Duration.ofDays(1_000)))
        .hasMessageContaining("priority must be between");
    assertThatThrownBy(() -> fixture.mail("x").withRunAt(Instant.parse("1960-01-01T00:00:00Z")))
        .hasMessageContaining("runAt must be between");
    assertThatThrownBy(() -> fixture.mail("x").withHeader("token", "se\0cret"))
        .hasMessageContaining("header 'token'")
        .hasMessageNotContaining("cret");
    assertThatThrownBy(() -> JobQueue.builder().payloadLimit(0))
        .hasMessageContaining("payloadLimit must be between 1");
    assertThat(fixture.mail("secret").withHeader("a", "secret").toString())
        .doesNotContain("secret");
  }

  private JobQueue.Change cancel(long id) {
    return fixture.transactions.run(tx -> fixture.jobs.cancelWaiting(tx, id, "no longer wanted"));
  }

  private JobQueue.Change reschedule(long id, String at) {
    return fixture.transactions.run(tx -> fixture.jobs.reschedule(tx, id, Instant.parse(at)));
  }

  @Test
  void cancel_endsWhatWaitsAndNothingElse() throws Exception {
    long ready = fixture.enqueue(fixture.mail("a"));
    long later = fixture.enqueue(fixture.mail("b").withDelay(Duration.ofHours(1)));
    assertThat(cancel(ready)).isEqualTo(JobQueue.Change.DONE);
    assertThat(cancel(later)).isEqualTo(JobQueue.Change.DONE);
    assertThat(cancel(ready)).isEqualTo(JobQueue.Change.NOT_FOUND);
    assertThat(fixture.finished("cancelled")).isEqualTo(2);
    long running = fixture.enqueue(fixture.mail("c"));
    assertThat(fixture.hand().claim(1)).hasSize(1);
    assertThat(cancel(running)).isEqualTo(JobQueue.Change.RUNNING);
    assertThat(reschedule(running, "2100-01-01T00:00:00Z")).isEqualTo(JobQueue.Change.RUNNING);
    assertThat(fixture.jobs("running")).isEqualTo(1);
  }

  @Test
  void reschedule_movesWhatWaits() {
    long id = fixture.enqueue(fixture.mail("a").withPriority(Duration.ofSeconds(10)));
    assertThat(reschedule(id, "2100-01-01T00:00:00Z")).isEqualTo(JobQueue.Change.DONE);
    assertThat(fixture.jobs("scheduled")).isEqualTo(1);
    assertThat(reschedule(id, "2020-01-01T00:00:00Z")).isEqualTo(JobQueue.Change.DONE);
    assertThat(
            fixture
                .dsl
                .fetchSingle("select state, place, run_at from pgbelay.job where id = ?", id)
                .intoArray())
        .containsExactly("ready", 1_577_836_790_000_000L, null);
    assertThatThrownBy(() -> reschedule(id, "1900-01-01T00:00:00Z"))
        .hasMessageContaining("runAt must be between");
    assertThat(reschedule(id + 1_000_000, "2020-01-01T00:00:00Z"))
        .isEqualTo(JobQueue.Change.NOT_FOUND);
  }

  @Test
  void enqueued_isCounted() {
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    JobQueue counted = JobQueue.builder().meterRegistry(meters).build();
    fixture.transactions.execute(
        tx -> {
          counted.enqueue(tx, fixture.mail("1"));
          counted.enqueueAll(tx, List.of(fixture.mail("2"), fixture.mail("3")));
        });
    assertThat(meters.get("pgbelay.jobqueue.enqueued").counter().count()).isEqualTo(3);
  }
}
