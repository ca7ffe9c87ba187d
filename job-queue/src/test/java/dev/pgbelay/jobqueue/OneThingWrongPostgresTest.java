package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.GuardedPermit;
import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.control.Rate;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.config.MeterFilter;
import io.micrometer.core.instrument.config.MeterFilterReply;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One job, one row or one callback that goes wrong stops neither the others nor a thread. */
class OneThingWrongPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final JobKind<String> wrong = JobKind.text("wrong-" + fixture.queue);
  private final JobKind<String> right = JobKind.text("right-" + fixture.queue);
  private final AtomicInteger runs = new AtomicInteger();

  private JobWorkerBuilder worker() {
    return JobWorker.builder(fixture.transactions, workers.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 2)
        .pollInterval(Duration.ofMillis(20))
        .handle(right, (context, payload) -> JobOutcome.done());
  }

  private void enqueueRight(int count) {
    for (int i = 0; i < count; i++) {
      fixture.enqueue(right.job("x").withQueue(fixture.queue));
    }
  }

  private int done(JobKind<?> kind) {
    return fixture.count(
        "select count(*) from pgbelay.job_finished where kind = ? and outcome = 'done'",
        kind.name());
  }

  /** As after a copy of it was restored: the job cannot become a dead letter. */
  private void dieBeforehand(long job) {
    fixture.dsl.execute(
        "insert into pgbelay.job_dead (id, enqueued_at, attempt, max_attempts, priority, queue,"
            + " kind, reason, payload) select id, enqueued_at, 1, 1, 0, queue, kind, 'restored',"
            + " payload from pgbelay.job where id = ?",
        job);
  }

  @Test
  void resultThatTheDatabaseRefuses_isTriedAgainAndHoldsUpNoOther() {
    long refused = fixture.enqueue(wrong.job("x").withQueue(fixture.queue).withMaxAttempts(1));
    dieBeforehand(refused);
    workers.start(
        worker()
            .handle(
                wrong,
                (context, payload) -> {
                  runs.incrementAndGet();
                  throw new IllegalStateException("on purpose");
                }));
    QueueFixture.await(() -> runs.get() == 1);
    enqueueRight(20);
    QueueFixture.await(() -> done(right) == 20);
    assertThat(fixture.jobs("running")).isEqualTo(1);
    fixture.dsl.execute("delete from pgbelay.job_dead where id = ?", refused);
    QueueFixture.await(() -> fixture.dead() == 1 && fixture.jobs("running") == 0);
    assertThat(runs).hasValue(1);
  }

  @Test
  void jobOfADeadWorkerThatCannotBeBuried_keepsNoOther() throws Exception {
    long refused = fixture.enqueue(fixture.mail("x").withMaxAttempts(1));
    fixture.enqueue(5);
    QueueFixture.Hand dead = fixture.hand();
    assertThat(dead.claim(10)).hasSize(6);
    dieBeforehand(refused);
    dead.expire();
    workers.start(
        worker()
            .lease(Duration.ofSeconds(1))
            .handle(QueueFixture.MAIL, (c, p) -> JobOutcome.done()));
    QueueFixture.await(() -> fixture.finished("done") == 5);
    fixture.dsl.execute("delete from pgbelay.job_dead where id = ?", refused);
    QueueFixture.await(() -> fixture.dead() == 1 && fixture.jobs("running") == 0);
  }

  /** Throws at one of its calls while it is told to. */
  private record Throwing(String at, AtomicBoolean told) implements ClaimPermit {
    private void call(String name) {
      if (told.get() && name.equals(at)) {
        throw new IllegalStateException("on purpose");
      }
    }

    @Override
    public int reserve(int wanted) {
      call("reserve");
      return wanted;
    }

    @Override
    public void release(int unused) {
      call("release");
    }

    @Override
    public boolean begin() {
      call("begin");
      return true;
    }

    @Override
    public void end(Duration took, Optional<Throwable> failure) {
      call("end");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"reserve", "release", "begin", "end"})
  void permitThatThrows_costsNeitherAJobNorAThread(String call) {
    for (int i = 0; i < 4; i++) {
      fixture.enqueue(wrong.job("x").withQueue(fixture.queue).withMaxAttempts(1));
    }
    AtomicBoolean told = new AtomicBoolean(true);
    workers.start(
        worker()
            .handle(wrong, (context, payload) -> JobOutcome.done())
            .permit(wrong, new Throwing(call, told)));
    enqueueRight(20);
    QueueFixture.await(() -> done(right) == 20);
    told.set(false);
    QueueFixture.await(() -> done(wrong) == 4);
    assertThat(fixture.dead()).isZero();
  }

  @Test
  void permitThatGivesMorePlacesThanAsked_isTakenAtTheNumberAsked() {
    GuardedPermit permit =
        new GuardedPermit(
            "k",
            new ClaimPermit() {
              @Override
              public int reserve(int wanted) {
                return wanted == 1 ? -5 : 1_000;
              }

              @Override
              public void release(int unused) {}

              @Override
              public void end(Duration took, Optional<Throwable> failure) {}
            });
    assertThat(permit.reserve(3)).isEqualTo(3);
    assertThat(permit.reserve(1)).isZero();
  }

  private static final class Unreadable extends RuntimeException {
    private static final long serialVersionUID = 1;

    @Override
    public String getMessage() {
      throw new IllegalStateException("on purpose");
    }
  }

  @Test
  void exceptionWhoseMessageThrows_isAFailureLikeAnyOther() {
    for (int i = 0; i < 4; i++) {
      fixture.enqueue(wrong.job("x").withQueue(fixture.queue).withMaxAttempts(1));
    }
    workers.start(
        worker()
            .handle(
                wrong,
                (context, payload) -> {
                  throw new Unreadable();
                }));
    QueueFixture.await(() -> fixture.dead() == 4);
    enqueueRight(5);
    QueueFixture.await(() -> done(right) == 5);
  }

  @Test
  void registryThatThrows_disturbsNoJob() {
    AtomicBoolean throwing = new AtomicBoolean();
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    registry
        .config()
        .meterFilter(
            new MeterFilter() {
              @Override
              public MeterFilterReply accept(Meter.Id id) {
                if (throwing.get() && id.getName().startsWith("pgbelay.jobqueue")) {
                  throw new IllegalStateException("on purpose");
                }
                return MeterFilterReply.NEUTRAL;
              }
            });
    workers.start(worker().meterRegistry(registry));
    throwing.set(true);
    enqueueRight(10);
    QueueFixture.await(() -> done(right) == 10);
    assertThat(fixture.jobs("running")).isZero();
  }

  @Test
  void whoHasAConnection_doesNotWaitForALookAtLimitsThatWaitsForOne() throws Exception {
    try (HikariDataSource pool = QueueFixture.pool(postgres.jdbcUrl(), 1)) {
      Board.Reader boards =
          new Board.Reader(Transactions.of(pool), new LimitSql("pgbelay"), Duration.ofMillis(1));
      boards.current();
      Thread looking =
          new Thread(
              () -> {
                try {
                  while (true) {
                    boards.current();
                    Thread.sleep(2);
                  }
                } catch (Exception poolExhausted) {
                  return;
                }
              });
      int waitingAfterwards;
      try (Connection business = pool.getConnection()) {
        assertThat(business.isValid(1)).isTrue();
        looking.start();
        QueueFixture.await(() -> pool.getHikariPoolMXBean().getThreadsAwaitingConnection() == 1);
        boards.recent();
        waitingAfterwards = pool.getHikariPoolMXBean().getThreadsAwaitingConnection();
      }
      looking.interrupt();
      looking.join();
      assertThat(waitingAfterwards).isEqualTo(1);
    }
  }

  @Test
  void cancelledJobOfADeadWorker_isNotReadyForAMoment() throws Exception {
    List<Long> ids = fixture.enqueue(3);
    QueueFixture.Hand dead = fixture.hand();
    assertThat(dead.claim(10)).hasSize(3);
    for (long id : ids) {
      assertThat(
              fixture.transactions.<JobQueue.Change, RuntimeException>run(
                  tx -> fixture.jobs.cancel(tx, id, "enough")))
          .isEqualTo(JobQueue.Change.REQUESTED);
    }
    dead.expire();
    QueueFixture.Hand other = fixture.hand();
    AtomicInteger claimed = new AtomicInteger();
    Runnable brought =
        () -> {
          try {
            claimed.addAndGet(other.claim(10).size());
          } catch (Exception e) {
            throw new AssertionError(e);
          }
        };
    try (Upkeep upkeep =
        new Upkeep(
            QueueFixture.freshName(),
            new MissingTables("test", "pgbelay"),
            fixture.transactions,
            "pgbelay",
            Retention.DEFAULTS,
            Duration.ofSeconds(1),
            Duration.ofMillis(20),
            brought,
            WorkMeters.NONE,
            null)) {
      upkeep.start();
      QueueFixture.await(() -> fixture.finished("cancelled") == 3 || claimed.get() > 0);
    }
    assertThat(claimed).hasValue(0);
  }

  @Test
  void rate_goesOnWhenTheClockOfTheDatabaseIsPutBack() {
    fixture.transactions.execute(
        tx ->
            QueueControl.create()
                .limitQueue(
                    tx,
                    fixture.queue,
                    Limits.none().withRate(Rate.of(100, Duration.ofSeconds(1)))));
    fixture.dsl.execute(
        "update pgbelay.job_control set rate_tokens = 0,"
            + " rate_at = clock_timestamp() + interval '1 hour' where name = ?",
        fixture.queue);
    enqueueRight(5);
    workers.start(worker());
    QueueFixture.await(() -> done(right) == 5);
  }
}
