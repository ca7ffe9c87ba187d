package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.jobqueue.JobQueue.Enqueued;
import dev.pgbelay.jobqueue.JobQueue.Enqueued.Outcome;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.UniqueSql.Purged;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The removal of unique keys that are nobody's any more. */
class UniqueKeyPurgePostgresTest {
  private static final Duration HOUR = Duration.ofHours(1);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final UniqueSql sql = new UniqueSql("pgbelay");

  private NewJob<String> job(String key, UniqueScope scope) {
    return fixture.mail(key).withUniqueKey(fixture.queue + key, scope);
  }

  private Enqueued offer(NewJob<String> job) {
    return fixture.transactions.run(tx -> fixture.jobs.offer(tx, job));
  }

  private static Enqueued existing(long id) {
    return new Enqueued(id, Outcome.EXISTING);
  }

  private void settle(ClaimedJob job, Fate fate) throws Exception {
    Settlement settlement = Settlement.of(job, fate, fixture.slots()).because("test");
    Map<Long, Boolean> stale =
        fixture.transactions.run(
            tx ->
                fixture.settle.settle(
                    tx.connection(), fate, job.fence().claimant(), "test", List.of(settlement)));
    assertThat(stale).isEmpty();
  }

  private void expire() {
    fixture.dsl.execute(
        "update pgbelay.job_unique set expires_at = now() - interval '1 s' where key like ?",
        fixture.queue + "%");
  }

  @Test
  void purge_removesWhatNobodyHasAndNothingElse() throws Exception {
    offer(job("done", UniqueScope.whileUnfinished()));
    settle(fixture.hand().claim(1).get(0), Fate.DONE);
    offer(job("over", UniqueScope.forPeriod(HOUR)));
    expire();
    offer(job("waits", UniqueScope.whileWaiting()));
    offer(job("lasts", UniqueScope.forPeriod(HOUR)));
    Purged first = fixture.transactions.run(tx -> sql.purge(tx.connection(), null, 1));
    assertThat(first.looked()).isEqualTo(1);
    assertThat(first.last()).isNotNull();
    Purged all = fixture.transactions.run(tx -> sql.purge(tx.connection(), null, 10_000));
    assertThat(all.last()).isNull();
    assertThat(
            fixture
                .dsl
                .fetch(
                    "select key from pgbelay.job_unique where key like ? order by key",
                    fixture.queue + "%")
                .getValues(0, String.class))
        .containsExactly(fixture.queue + "lasts", fixture.queue + "waits");
  }

  /** The purge has seen a job that is done; before it removes the key, another job has it. */
  @Test
  void purgeOfAKeyThatIsTakenOverMeanwhile_leavesIt() throws Exception {
    NewJob<String> job = job("a", UniqueScope.whileUnfinished());
    offer(job);
    settle(fixture.hand().claim(1).get(0), Fate.DONE);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session offering = script.session("offering");
      Enqueued[] second = new Enqueued[1];
      offering.run(c -> second[0] = fixture.jobs.offer(Tx.join(c), job));
      Purged page = fixture.transactions.run(tx -> sql.purge(tx.connection(), null, 10_000));
      assertThat(page.removed()).as("locked").isZero();
      offering.commit();
      fixture.transactions.run(tx -> sql.purge(tx.connection(), null, 10_000));
      assertThat(offer(job)).isEqualTo(existing(second[0].id()));
    }
  }

  /**
   * The same, with the purge in the middle of its statement: it has read the key as nobody's, and
   * comes to the row when another job has taken it over and committed. It is held up in between by
   * a clock of the test.
   */
  @Test
  void purgeThatHasReadAKeyBeforeItIsTakenOver_leavesIt() throws Exception {
    fixture.dsl.connection(
        connection -> {
          try (var statement = connection.createStatement()) {
            statement.execute(
                """
                create schema held;
                create function held.clock_timestamp() returns timestamptz
                  language plpgsql volatile as $$
                begin
                  perform pg_advisory_xact_lock(4711);
                  return pg_catalog.clock_timestamp();
                end $$\
                """);
          }
        });
    NewJob<String> job = job("a", UniqueScope.forPeriod(HOUR));
    offer(job);
    settle(fixture.hand().claim(1).get(0), Fate.DONE);
    expire();
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session gate = script.session("gate");
      Interleaving.Session purging = script.session("purging");
      gate.run(
          c -> {
            try (var lock = c.prepareStatement("select pg_advisory_xact_lock(4711)")) {
              lock.execute();
            }
          });
      Interleaving.Step<Purged> purge =
          purging.start(
              "purge",
              c -> {
                try (var path = c.createStatement()) {
                  path.execute("set local search_path = held, pg_catalog");
                }
                return sql.purge(c, null, 10_000);
              });
      purge.awaitBlockedBy(gate);
      Enqueued second = offer(job);
      assertThat(second.outcome()).isEqualTo(Outcome.INSERTED);
      gate.commit();
      assertThat(purge.get().looked()).isPositive();
      purging.commit();
      assertThat(offer(job)).as("the key is the second job's").isEqualTo(existing(second.id()));
    }
  }
}
