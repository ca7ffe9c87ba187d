package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.control.Rate;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What is said of queues and kinds holds at each of the three places where a job may come to a
 * worker, each looked at for itself: its claim, its beginning, its enqueue. No thread runs here but
 * that of the test.
 */
class WorkUnderControlPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 1);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final JobKind<String> kind = JobKind.text("kind-" + fixture.queue);
  private @Nullable WorkerParts parts;

  /** What somebody says. */
  private enum Said {
    PAUSE_OF_QUEUE {
      @Override
      void say(Tx tx, String queue, JobKind<?> kind) {
        CONTROL.pauseQueue(tx, queue, "test");
      }
    },
    PAUSE_OF_KIND {
      @Override
      void say(Tx tx, String queue, JobKind<?> kind) {
        CONTROL.pauseKind(tx, kind, "test");
      }
    },
    LIMIT_OF_QUEUE {
      @Override
      void say(Tx tx, String queue, JobKind<?> kind) {
        CONTROL.limitQueue(tx, queue, Limits.none().withRunning(100));
      }
    },
    LIMIT_OF_KIND {
      @Override
      void say(Tx tx, String queue, JobKind<?> kind) {
        CONTROL.limitKind(tx, kind, Limits.none().withRunning(100));
      }
    },
    RATE_OF_QUEUE {
      @Override
      void say(Tx tx, String queue, JobKind<?> kind) {
        CONTROL.limitQueue(
            tx, queue, Limits.none().withRate(Rate.of(1_000, Duration.ofSeconds(1))));
      }
    };

    private static final QueueControl CONTROL = QueueControl.create();

    abstract void say(Tx tx, String queue, JobKind<?> kind);
  }

  private void say(Said what) {
    fixture.transactions.execute(tx -> what.say(tx, fixture.queue, kind));
  }

  /** A worker that was not started, with the only queue that it works on. */
  private Work work(Duration pollInterval) {
    WorkerParts own =
        new WorkerParts(
            JobWorker.builder(fixture.transactions, workers.heartbeats())
                .name(QueueFixture.freshName())
                .queue(fixture.queue, 4)
                .pollInterval(pollInterval)
                .handle(kind, (context, payload) -> JobOutcome.done())
                .options(),
            List.of());
    parts = own;
    return own.queues.get(0);
  }

  private void settle(WorkerParts own) {
    own.settler.drain(System.nanoTime() + TimeUnit.SECONDS.toNanos(30));
  }

  @AfterEach
  void signOff() {
    WorkerParts own = parts;
    if (own != null) {
      own.queues.forEach(Work::handBackAll);
      settle(own);
      own.signOff("test");
    }
  }

  private void enqueue(int count) {
    for (int i = 0; i < count; i++) {
      fixture.enqueue(kind.job("x").withQueue(fixture.queue));
    }
  }

  private String rows() {
    return fixture
        .dsl
        .fetch(
            "select j.*, j.xmin from pgbelay.job as j where queue = ? order by id", fixture.queue)
        .formatCSV();
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.MATCH_ALL, names = "PAUSE.*")
  void whatIsPaused_isNotEvenClaimed(Said said) throws Exception {
    enqueue(3);
    say(said);
    String before = rows();
    Work work = work(Duration.ofMinutes(1));
    assertThat(work.claimNow()).isZero();
    assertThat(work.outstanding()).isZero();
    assertThat(rows()).as("untouched").isEqualTo(before);
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.MATCH_ALL, names = "PAUSE.*")
  void whatWasClaimedBeforeThePause_isNotBegunAndGoesBackUncounted(Said said) throws Exception {
    Duration poll = Duration.ofMillis(10);
    Work work = work(poll);
    enqueue(3);
    assertThat(work.claimNow()).isEqualTo(3);
    assertThat(work.buffered()).isEqualTo(3);
    say(said);
    long saidAt = System.nanoTime();
    Awaitility.await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> System.nanoTime() - saidAt > poll.toNanos());
    work.claimNow(); // so late that it has to read what was said
    for (int i = 0; i < 3; i++) {
      assertThat(work.next(0, TimeUnit.NANOSECONDS)).as("begun").isNull();
    }
    assertThat(work.buffered()).isZero();
    settle(Objects.requireNonNull(parts));
    assertThat(fixture.jobs("ready")).isEqualTo(3);
    assertThat(fixture.count("select max(attempt) from pgbelay.job where queue = ?", fixture.queue))
        .isZero();
  }

  @Test
  void whereNothingIsSaid_aThreadIsKeptForAJobThatIsHandedOver() throws Exception {
    Work work = work(Duration.ofMinutes(1));
    assertThat(work.claimNow()).isZero();
    for (int i = 0; i < 4; i++) {
      assertThat(work.reserve(kind.name())).isTrue();
    }
    assertThat(work.reserve(kind.name())).as("a fifth, of four threads").isFalse();
    work.release();
    assertThat(work.reserve(kind.name())).isTrue();
    assertThat(work.reserve("unknown")).isFalse();
  }

  /** It would pass by the limit or the pause. */
  @ParameterizedTest
  @EnumSource
  void whatIsPausedOrLimited_isNotHandedOver(Said said) throws Exception {
    say(said);
    Work work = work(Duration.ofMinutes(1));
    assertThat(work.claimNow()).isZero();
    assertThat(work.reserve(kind.name())).isFalse();
  }
}
