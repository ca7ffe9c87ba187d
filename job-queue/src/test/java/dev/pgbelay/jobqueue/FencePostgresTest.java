package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.pgbelay.core.TransactionAbortedException;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.jobqueue.QueueFixture.Hand;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a worker that was given up may still write: nothing. */
class FencePostgresTest {
  private static final String NO_FENCE = "AND CAST(? AS uuid) IS NOT NULL";

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  /** A job of a worker that was given up, which its successor has claimed. */
  private record PassedOn(ClaimedJob stale, ClaimedJob held) {}

  private PassedOn passedOn() throws Exception {
    fixture.enqueue(1);
    Hand first = fixture.hand();
    Hand second = fixture.hand();
    ClaimedJob stale = first.claim(10).get(0);
    first.expire();
    assertThat(second.rescueOthers()).isEqualTo(new RescueSql.Rescued(1, 0));
    ClaimedJob held = second.claim(10).get(0);
    assertThat(held.id()).isEqualTo(stale.id());
    return new PassedOn(stale, held);
  }

  private Map<Long, Boolean> write(SettleSql sql, Fate fate, ClaimedJob job) throws Exception {
    Settlement settlement =
        Settlement.of(job, fate, fixture.slots()).because("late").after(Duration.ofSeconds(9));
    return fixture.transactions.run(
        tx ->
            sql.settle(
                tx.connection(), fate, job.fence().claimant(), "stale", List.of(settlement)));
  }

  private String row(ClaimedJob job) {
    return String.valueOf(
        fixture.dsl.fetchOne("select j.*, j.xmin from pgbelay.job j where id = ?", job.id()));
  }

  @ParameterizedTest
  @EnumSource(Fate.class)
  void staleWrite_changesNothing(Fate fate) throws Exception {
    PassedOn job = passedOn();
    String before = row(job.held());
    assertThat(write(fixture.settle, fate, job.stale()))
        .containsExactly(Map.entry(job.held().id(), true));
    assertThat(row(job.held())).isEqualTo(before);
    assertThat(fixture.finished("done") + fixture.finished("discarded") + fixture.dead()).isZero();
    assertThat(write(fixture.settle, fate, job.held())).as("the holder's own").isEmpty();
    assertThat(row(job.held())).isNotEqualTo(before);
  }

  /** Shows that the test above would notice. */
  @ParameterizedTest
  @EnumSource(Fate.class)
  void staleWrite_withoutTheFenceTakesTheJobAway(Fate fate) throws Exception {
    PassedOn job = passedOn();
    String before = row(job.held());
    assertThat(write(new SettleSql("pgbelay", Duration.ofSeconds(30), NO_FENCE), fate, job.stale()))
        .isEmpty();
    assertThat(row(job.held())).isNotEqualTo(before);
    assertThat(write(fixture.settle, fate, job.held())).as("the holder's own").isNotEmpty();
  }

  /** The same worker, the same job, another claim: handed back and claimed again. */
  @ParameterizedTest
  @EnumSource(Fate.class)
  void writeOfAnEarlierClaimOfTheSameWorker_changesNothing(Fate fate) throws Exception {
    fixture.enqueue(1);
    Hand hand = fixture.hand();
    ClaimedJob stale = hand.claim(1).get(0);
    assertThat(write(fixture.settle, Fate.HANDED_BACK, stale)).isEmpty();
    fixture.dsl.execute(
        "update pgbelay.job set state = 'ready', run_at = null where id = ?", stale.id());
    ClaimedJob held = hand.claim(1).get(0);
    assertThat(held.attempt()).as("handing back does not count").isEqualTo(stale.attempt());
    String before = row(held);
    assertThat(write(fixture.settle, fate, stale)).containsEntry(held.id(), true);
    assertThat(row(held)).isEqualTo(before);
  }

  @Test
  void staleComplete_abortsTheTransactionEvenIfItsExceptionIsSwallowed() throws Exception {
    PassedOn job = passedOn();
    JobContext context =
        new JobContext(
            job.stale(),
            new Registration.Identity(),
            fixture.settle,
            WorkMeters.NONE,
            fixture.slots(),
            null);
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      tx.dsl().execute("insert into effect (job_id) values (?)", job.stale().id());
                      assertThatThrownBy(() -> context.complete(tx))
                          .isInstanceOfSatisfying(
                              LeaseLostException.class,
                              e -> assertThat(e.jobId()).isEqualTo(job.stale().id()));
                    }))
        .isInstanceOf(TransactionAbortedException.class);
    assertThat(fixture.count("select count(*) from effect where job_id = ?", job.stale().id()))
        .isZero();
    assertThat(fixture.jobs("running")).isEqualTo(1);
  }

  @Test
  void staleComplete_withoutTheFenceCommitsItsEffectsAndTakesTheJobAway() throws Exception {
    PassedOn job = passedOn();
    SettleSql unfenced = new SettleSql("pgbelay", Duration.ofSeconds(30), NO_FENCE);
    fixture.transactions.execute(
        tx -> {
          tx.dsl().execute("insert into effect (job_id) values (?)", job.stale().id());
          assertThat(unfenced.complete(tx.connection(), job.stale(), fixture.slots()).held())
              .isTrue();
        });
    assertThat(fixture.jobs("running")).isZero();
    assertThat(fixture.count("select count(*) from effect where job_id = ?", job.stale().id()))
        .isEqualTo(1);
  }

  @Test
  void workerThatWasGivenUp_claimsNothing() throws Exception {
    fixture.enqueue(2);
    Hand stopped = fixture.hand();
    stopped.expire();
    assertThat(stopped.claim(10)).as("expired").isEmpty();
    fixture.hand().rescueOthers();
    assertThat(stopped.claim(10)).as("its row is gone").isEmpty();
    assertThat(fixture.hand().claim(10)).hasSize(2);
  }

  @Test
  void rescueOfAJobThatIsBeingCompleted_waitsForItsEnd() throws Exception {
    for (boolean commits : new boolean[] {true, false}) {
      fixture.enqueue(1);
      Hand slow = fixture.hand();
      Hand other = fixture.hand();
      ClaimedJob job = slow.claim(1).get(0);
      try (Interleaving script = Interleaving.of(postgres.dataSource())) {
        Interleaving.Session completing = script.session("completing");
        completing.run(
            c -> assertThat(fixture.settle.complete(c, job, fixture.slots()).held()).isTrue());
        slow.expire();
        assertThat(other.rescueOthers()).as("locked").isEqualTo(new RescueSql.Rescued(0, 0));
        assertThat(workerRows(slow.claimant.id())).as("still there to be rescued").isEqualTo(1);
        if (commits) {
          completing.commit();
        } else {
          completing.rollback();
        }
      }
      assertThat(other.rescueOthers().back()).isEqualTo(commits ? 0 : 1);
      assertThat(workerRows(slow.claimant.id())).isZero();
      assertThat(fixture.finished("done")).isEqualTo(1);
    }
  }

  @Test
  void transactionAboutAJob_isEndedByTheServerWhenItsClientStops() throws Exception {
    fixture.enqueue(1);
    ClaimedJob job = fixture.hand().claim(1).get(0);
    fixture.transactions.execute(
        tx -> {
          fixture.settle.complete(tx.connection(), job, fixture.slots());
          assertThat(
                  tx.dsl()
                      .fetchValue("select current_setting('idle_in_transaction_session_timeout')"))
              .isEqualTo("30s");
        });
    assertThat(
            fixture.dsl.fetchValue("select current_setting('idle_in_transaction_session_timeout')"))
        .isEqualTo("0");
  }

  private int workerRows(UUID claimant) {
    return fixture.count("select count(*) from pgbelay.job_worker where claimant = ?", claimant);
  }

  @Test
  void rescueOfTheLastAttempt_makesADeadLetter() throws Exception {
    long id = fixture.enqueue(fixture.mail("kills its worker").withMaxAttempts(1));
    Hand killed = fixture.hand();
    killed.claim(1);
    killed.expire();
    assertThat(fixture.hand().rescueOthers()).isEqualTo(new RescueSql.Rescued(0, 1));
    assertThat(DeadLetters.create().listAll(fixture.dsl, Long.toString(id - 1), 1).jobs())
        .first()
        .satisfies(
            letter -> {
              assertThat(letter.reason()).contains("worker was not heard of");
              assertThat(letter.failures())
                  .extracting(FailedAttempt::attempt, FailedAttempt::node, FailedAttempt::error)
                  .containsExactly(tuple(1, "hand", "worker was not heard of"));
            });
  }

  @Test
  void jobsOfAWorkerWhoseRowWasDeletedByHand_areRescuedToo() throws Exception {
    fixture.enqueue(3);
    Hand gone = fixture.hand();
    assertThat(gone.claim(10)).hasSize(3);
    fixture.dsl.execute("delete from pgbelay.job_worker where claimant = ?", gone.claimant.id());
    Hand other = fixture.hand();
    int unknown = fixture.transactions.run(tx -> other.workers.fenceUnknown(tx.connection()));
    assertThat(unknown).isEqualTo(1);
    assertThat(other.rescueOthers().back()).isEqualTo(3);
  }

  @Test
  void lostClaim_isFoundAgainAndNeverTakesMore() throws Exception {
    fixture.enqueue(5);
    Hand hand = fixture.hand();
    Fence lost = hand.claimant.next();
    List<ClaimedJob> taken = hand.claim(lost, 3);
    List<ClaimedJob> found =
        fixture.transactions.run(
            tx ->
                hand.claims.recover(tx.connection(), lost, fixture.queue, LowWaterMark.Spot.FRONT));
    assertThat(found).extracting(ClaimedJob::id).containsExactlyElementsOf(ids(taken));
    assertThat(hand.claim(lost, 10)).as("the same claim, arriving late").isEmpty();
    assertThat(hand.claim(10)).hasSize(2);
  }

  private static List<Long> ids(List<ClaimedJob> jobs) {
    return jobs.stream().map(ClaimedJob::id).toList();
  }
}
