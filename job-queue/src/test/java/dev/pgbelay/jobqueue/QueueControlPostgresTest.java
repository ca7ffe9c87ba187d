package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.jobqueue.LimitSql.Limit;
import dev.pgbelay.jobqueue.LimitedClaimSql.Wanted;
import dev.pgbelay.jobqueue.QueueFixture.Hand;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.control.Rate;
import dev.pgbelay.jobqueue.control.Setting;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Pauses and limits that hold for all workers. */
class QueueControlPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final QueueControl control = QueueControl.create();
  private final JobKind<String> other = JobKind.text("other-" + fixture.queue);
  private final JobKind<String> limited = JobKind.text("limited-" + fixture.queue);
  private final LimitSql sql = new LimitSql("pgbelay");
  private final LimitedClaimSql limitedClaims = new LimitedClaimSql("pgbelay");

  private JobWorkerBuilder worker() {
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 4)
        .pollInterval(Duration.ofMillis(20));
  }

  private void start(JobWorkerBuilder builder) {
    workers.start(builder);
  }

  private interface Say {
    void to(Tx tx);
  }

  private void say(Say what) {
    fixture.transactions.execute(what::to);
  }

  private int done(JobKind<?> kind) {
    return fixture.count(
        "select count(*) from pgbelay.job_finished where kind = ? and outcome = 'done'",
        kind.name());
  }

  private void enqueue(JobKind<String> kind, int count) {
    for (int i = 0; i < count; i++) {
      fixture.enqueue(kind.job("x").withQueue(fixture.queue));
    }
  }

  @Test
  void pausedQueue_isLeftAloneUntilItIsResumed() {
    String second = fixture.queue + "-second";
    say(tx -> control.pauseQueue(tx, fixture.queue, "maintenance"));
    enqueue(other, 20);
    AtomicInteger inPaused = new AtomicInteger();
    start(
        worker()
            .queue(second, 2)
            .handle(
                other,
                (context, payload) -> {
                  if (context.queue().equals(fixture.queue)) {
                    inPaused.incrementAndGet();
                  }
                  return JobOutcome.done();
                }));
    for (int i = 0; i < 20; i++) {
      fixture.enqueue(other.job("x").withQueue(second));
    }
    QueueFixture.await(() -> done(other) == 20);
    assertThat(inPaused).hasValue(0);
    assertThat(fixture.jobs("ready")).isEqualTo(20);
    assertThat(fixture.count("select max(attempt) from pgbelay.job where queue = ?", fixture.queue))
        .isZero();
    say(tx -> control.resumeQueue(tx, fixture.queue));
    QueueFixture.await(() -> done(other) == 40);
  }

  /** What waits in the worker goes back, what runs runs on. */
  @Test
  void pauseWhileJobsAreRunning_handsBackWhatHasNotBegun() throws Exception {
    CountDownLatch begun = new CountDownLatch(4);
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger runs = new AtomicInteger();
    enqueue(other, 300);
    start(
        worker()
            .handle(
                other,
                (context, payload) -> {
                  runs.incrementAndGet();
                  begun.countDown();
                  go.await();
                  return JobOutcome.done();
                }));
    begun.await();
    say(tx -> control.pauseQueue(tx, fixture.queue, "test"));
    Board.Reader reader = new Board.Reader(fixture.transactions, sql, Duration.ofSeconds(1));
    assertThat(reader.current().isPaused(Limit.ofQueue(fixture.queue))).isTrue();
    String second = fixture.queue + "-second";
    start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue, 4)
            .queue(second, 2)
            .pollInterval(Duration.ofMillis(20))
            .handle(limited, (context, payload) -> JobOutcome.done()));
    // Several claims of a worker that polls as often: the first one has seen the pause by then.
    for (int i = 1; i <= 20; i++) {
      fixture.enqueue(limited.job("x").withQueue(second));
      int count = i;
      QueueFixture.await(() -> done(limited) == count);
    }
    go.countDown();
    QueueFixture.await(
        () ->
            fixture.jobs("running") == 0
                && done(other) == runs.get()
                && fixture.jobs("ready") == 300 - runs.get());
    assertThat(
            fixture.count(
                "select coalesce(max(attempt), 0) from pgbelay.job where queue = ? and state = 'ready'",
                fixture.queue))
        .as("nothing that went back is counted")
        .isZero();
    say(tx -> control.resumeQueue(tx, fixture.queue));
    QueueFixture.await(() -> done(other) == 300);
    assertThat(runs).hasValue(300);
  }

  @Test
  void pausedKind_isLeftAloneAndOthersAreNot() {
    say(tx -> control.pauseKind(tx, limited, "the other side is down"));
    enqueue(limited, 10);
    enqueue(other, 10);
    start(
        worker()
            .handle(limited, (context, payload) -> JobOutcome.done())
            .handle(other, (context, payload) -> JobOutcome.done()));
    QueueFixture.await(() -> done(other) == 10);
    assertThat(done(limited)).isZero();
    say(tx -> control.resumeKind(tx, limited));
    QueueFixture.await(() -> done(limited) == 10);
  }

  /** Running at once, in both workers together. */
  private static final class Together implements JobHandler<String> {
    private final AtomicInteger now = new AtomicInteger();
    private final AtomicInteger most = new AtomicInteger();

    @Override
    public JobOutcome run(JobContext context, String payload) throws Exception {
      most.accumulateAndGet(now.incrementAndGet(), Math::max);
      Thread.sleep(2);
      now.decrementAndGet();
      return JobOutcome.done();
    }
  }

  @Test
  void limitedQueue_runsNoMoreAtOnceInAllWorkersTogether() {
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none().withRunning(3)));
    Together together = new Together();
    enqueue(other, 200);
    start(worker().handle(other, together));
    start(worker().handle(other, together));
    AtomicInteger claimed = new AtomicInteger();
    QueueFixture.await(
        () -> {
          claimed.accumulateAndGet(fixture.jobs("running"), Math::max);
          return done(other) == 200;
        });
    assertThat(claimed.get()).isLessThanOrEqualTo(3);
    assertThat(together.most.get()).isBetween(1, 3);
  }

  @Test
  void limitedKind_runsNoMoreAtOnceInAllQueuesTogether() {
    say(tx -> control.limitKind(tx, limited, Limits.none().withRunning(2)));
    String second = fixture.queue + "-second";
    Together together = new Together();
    for (int i = 0; i < 60; i++) {
      fixture.enqueue(limited.job("x").withQueue(i % 2 == 0 ? fixture.queue : second));
      fixture.enqueue(other.job("x").withQueue(fixture.queue));
    }
    for (int i = 0; i < 2; i++) {
      start(
          worker()
              .queue(second, 4)
              .handle(limited, together)
              .handle(other, (context, payload) -> JobOutcome.done()));
    }
    QueueFixture.await(() -> done(limited) == 60 && done(other) == 60);
    assertThat(together.most.get()).isBetween(1, 2);
  }

  /** A burst of three, then one every six minutes; time is moved in the row. */
  @Test
  void rate_isKeptByAllWorkersTogether() {
    say(
        tx ->
            control.limitQueue(
                tx, fixture.queue, Limits.none().withRate(new Rate(10, Duration.ofHours(1), 3))));
    enqueue(other, 12);
    start(worker().handle(other, (context, payload) -> JobOutcome.done()));
    start(worker().handle(other, (context, payload) -> JobOutcome.done()));
    QueueFixture.await(() -> done(other) == 3);
    awaitLooks();
    assertThat(done(other)).isEqualTo(3);
    fixture.dsl.execute(
        "update pgbelay.job_control set rate_at = rate_at - interval '12 min' where name = ?",
        fixture.queue);
    QueueFixture.await(() -> done(other) == 5);
    awaitLooks();
    assertThat(done(other)).isEqualTo(5);
    fixture.dsl.execute(
        "update pgbelay.job_control set rate_at = rate_at - interval '5 days' where name = ?",
        fixture.queue);
    QueueFixture.await(() -> done(other) == 8);
    awaitLooks();
    assertThat(done(other)).as("no more than the burst after a pause").isEqualTo(8);
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none()));
    QueueFixture.await(() -> done(other) == 12);
  }

  /** Until a worker that is polled as often has worked something off several times. */
  private void awaitLooks() {
    String second = fixture.queue + "-" + QueueFixture.freshName();
    start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(second, 1)
            .pollInterval(Duration.ofMillis(20))
            .handle(limited, (context, payload) -> JobOutcome.done()));
    int before = done(limited);
    for (int i = 1; i <= 10; i++) {
      fixture.enqueue(limited.job("x").withQueue(second));
      int count = before + i;
      QueueFixture.await(() -> done(limited) == count);
    }
  }

  /** A job that is enqueued as claimed would pass by every limit. */
  @Test
  void limitedAndPausedQueues_areNotHandedOver() throws Exception {
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none().withRunning(2)));
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger running = new AtomicInteger();
    start(
        worker()
            .wokenBy(fixture.jobs)
            .handle(
                other,
                (context, payload) -> {
                  running.incrementAndGet();
                  go.await();
                  return JobOutcome.done();
                }));
    enqueue(other, 4);
    QueueFixture.await(() -> running.get() == 2);
    enqueue(other, 4);
    awaitLooks();
    assertThat(running).hasValue(2);
    assertThat(fixture.jobs("running")).isEqualTo(2);
    go.countDown();
    QueueFixture.await(() -> done(other) == 8);
  }

  private LimitedClaimSql.Claimed claim(Hand hand, Wanted wanted, Limit... limits)
      throws Exception {
    return limitedClaims
        .claim(
            fixture.transactions,
            TxOptions.forPath("test"),
            hand.claimant.next(),
            List.of(limits),
            fixture.queue,
            LowWaterMark.Spot.FRONT,
            Set.of(QueueFixture.MAIL.name()),
            wanted,
            Duration.ofSeconds(30))
        .value();
  }

  private List<ClaimedJob> claim(Hand hand, int most) throws Exception {
    return claim(hand, new Wanted(most, most), Limit.ofQueue(fixture.queue)).jobs();
  }

  private boolean settle(ClaimedJob job, Fate fate) throws Exception {
    Settlement settlement = Settlement.of(job, fate, fixture.slots()).because("test");
    return fixture
        .transactions
        .run(
            tx ->
                fixture.settle.settle(
                    tx.connection(), fate, job.fence().claimant(), "test", List.of(settlement)))
        .isEmpty();
  }

  /**
   * Hazard 15: the worker dies, its slots are free again; it comes back late, and frees nothing.
   */
  @Test
  void slotsOfADeadWorker_areFreeAfterItsRescueAndNotFreedAgainByItsLateReturn() throws Exception {
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none().withRunning(2)));
    fixture.enqueue(10);
    Hand dies = fixture.hand();
    Hand lives = fixture.hand();
    List<ClaimedJob> lost = claim(dies, 10);
    assertThat(lost).hasSize(2);
    assertThat(claim(lives, 10)).as("taken").isEmpty();
    dies.expire();
    lives.rescueOthers();
    List<ClaimedJob> held = claim(lives, 10);
    assertThat(held).hasSize(2);
    for (ClaimedJob late : lost) {
      for (Fate fate : Fate.values()) {
        assertThat(settle(late, fate)).isFalse();
      }
    }
    assertThat(claim(lives, 10)).as("still taken").isEmpty();
    for (Fate fate : new Fate[] {Fate.HANDED_BACK, Fate.DONE}) {
      assertThat(settle(held.get(fate == Fate.DONE ? 0 : 1), fate)).isTrue();
    }
    assertThat(claim(lives, 10)).hasSize(2);
    assertThat(claim(lives, 10)).isEmpty();
    assertThat(slotRows()).as("rows of claims that are over are removed").isEqualTo(1);
  }

  private int slotRows() {
    return fixture.count("select count(*) from pgbelay.job_slot where name = ?", fixture.queue);
  }

  /** The rows say how many there may be at most; what counts are the jobs. */
  @Test
  void slotsOfJobsThatEnded_areFoundFreeWhereTheyAreNeeded() throws Exception {
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none().withRunning(10)));
    fixture.enqueue(40);
    Hand hand = fixture.hand();
    List<ClaimedJob> first = claim(hand, 6);
    List<ClaimedJob> second = claim(hand, 6);
    assertThat(first).hasSize(6);
    assertThat(second).hasSize(4);
    assertThat(claim(hand, 6)).isEmpty();
    for (ClaimedJob job : first.subList(0, 5)) {
      assertThat(settle(job, Fate.DONE)).isTrue();
    }
    assertThat(claim(hand, 6)).hasSize(5);
    assertThat(
            fixture.count("select sum(jobs) from pgbelay.job_slot where name = ?", fixture.queue))
        .as("a row of which half is over is written anew")
        .isEqualTo(10);
    for (ClaimedJob job : second) {
      assertThat(settle(job, Fate.SNOOZED)).isTrue();
    }
    assertThat(claim(hand, 20)).hasSize(4);
    assertThat(fixture.jobs("running")).isEqualTo(10);
    assertThat(slotRows()).isEqualTo(3);
  }

  /** What is fetched ahead of free threads leaves half of the slots to those of other processes. */
  @Test
  void fetchingAhead_leavesHalfOfTheSlotsAndNothingOfARate() throws Exception {
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none().withRunning(20)));
    fixture.enqueue(100);
    Hand hand = fixture.hand();
    Limit limit = Limit.ofQueue(fixture.queue);
    LimitedClaimSql.Claimed wide = claim(hand, new Wanted(4, 30), limit);
    assertThat(wide.jobs()).hasSize(10);
    assertThat(wide.room().wide()).isTrue();
    LimitedClaimSql.Claimed ahead = claim(hand, new Wanted(0, 5), limit);
    assertThat(ahead.jobs()).isEmpty();
    assertThat(ahead.room().locked()).isTrue();
    LimitedClaimSql.Claimed narrow = claim(hand, new Wanted(7, 20), limit);
    assertThat(narrow.jobs()).hasSize(7);
    assertThat(narrow.room().wide()).isFalse();
    assertThat(claim(hand, new Wanted(7, 20), limit).jobs()).hasSize(3);
    assertThat(claim(hand, new Wanted(7, 20), limit).jobs()).isEmpty();
    assertThat(fixture.jobs("running")).isEqualTo(20);
    say(
        tx ->
            control.limitQueue(
                tx, fixture.queue, Limits.none().withRate(new Rate(100, Duration.ofHours(1), 50))));
    LimitedClaimSql.Claimed rated = claim(hand, new Wanted(4, 30), limit);
    assertThat(rated.jobs()).hasSize(4);
    assertThat(rated.room().wide()).isFalse();
  }

  @Test
  void slotOfAJobThatIsBeingCompleted_isFreeWithTheCommit() throws Exception {
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none().withRunning(1)));
    fixture.enqueue(3);
    Hand hand = fixture.hand();
    ClaimedJob job = claim(hand, 10).get(0);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session completing = script.session("completing");
      completing.run(
          c -> assertThat(fixture.settle.complete(c, job, fixture.slots()).held()).isTrue());
      assertThat(claim(hand, 10)).isEmpty();
      completing.commit();
    }
    assertThat(claim(hand, 10)).hasSize(1);
  }

  @Test
  void claimThatFindsTheLimitLocked_doesNotWait() throws Exception {
    say(tx -> control.limitQueue(tx, fixture.queue, Limits.none().withRunning(1)));
    fixture.enqueue(3);
    Hand hand = fixture.hand();
    Limit[] limits = {Limit.ofQueue(fixture.queue), Limit.ofKind("no-such-" + fixture.queue)};
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session one = script.session("one");
      one.run(
          c -> {
            try (var lock =
                c.prepareStatement(
                    "select from pgbelay.job_control where name = ? for no key update")) {
              lock.setString(1, fixture.queue);
              lock.executeQuery().close();
            }
          });
      LimitedClaimSql.Claimed second = claim(hand, new Wanted(3, 3), limits);
      assertThat(second.room().locked()).isFalse();
      assertThat(second.jobs()).isEmpty();
      one.commit();
    }
    LimitedClaimSql.Claimed third = claim(hand, new Wanted(3, 3), limits);
    assertThat(third.room().locked()).isTrue();
    assertThat(third.jobs()).hasSize(1);
  }

  @Test
  void settings_areListedAndBadOnesRefused() {
    say(tx -> control.pauseQueue(tx, fixture.queue, "why"));
    say(
        tx ->
            control.limitQueue(
                tx,
                fixture.queue,
                Limits.none()
                    .withRunning(5)
                    .withPerKey(2)
                    .withRate(Rate.of(100, Duration.ofMinutes(1)))));
    assertThat(control.list(fixture.dsl))
        .filteredOn(setting -> setting.name().equals(fixture.queue))
        .singleElement()
        .satisfies(
            setting -> {
              assertThat(setting.scope()).isEqualTo(Setting.Scope.QUEUE);
              assertThat(setting.pausedSince()).isPresent();
              assertThat(setting.reason()).contains("why");
              assertThat(setting.limits())
                  .isEqualTo(
                      new Limits(
                          Optional.of(5),
                          Optional.of(2),
                          Optional.of(new Rate(100, Duration.ofMinutes(1), 10))));
            });
    assertThatThrownBy(() -> Limits.none().withRunning(0))
        .hasMessageContaining("running must be between 1 and 10000, is 0");
    assertThatThrownBy(() -> new Rate(10, Duration.ofMillis(1), 1))
        .hasMessageContaining("per must be between PT1S");
    assertThatThrownBy(() -> new Rate(10, Duration.ofMinutes(1), 11))
        .hasMessageContaining("burst must be between 1 and 10, is 11");
    assertThatThrownBy(() -> say(tx -> control.limitKind(tx, other, Limits.none().withPerKey(2))))
        .hasMessageContaining("keys belong to queues");
    assertThatThrownBy(() -> say(tx -> control.pauseQueue(tx, "no spaces", "")))
        .hasMessageContaining("queue 'no spaces' must be");
  }
}
