package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.jobqueue.QueueFixture.Hand;
import dev.pgbelay.jobqueue.inspect.Jobs;
import dev.pgbelay.testing.PostgresExtension;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Payloads above some KiB are read when their handler begins, so that few are in the heap. */
class LargePayloadsPostgresTest {
  private static final int SMALL = 4_096;
  private static final int MIB = 1 << 20;
  private static final int FEW = 200;
  private static final int MANY = 20_000;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers running = new RunningWorkers(postgres, 4);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  private JobWorkerBuilder worker() {
    return JobWorker.builder(fixture.transactions, running.heartbeats())
        .name(QueueFixture.freshName())
        .queue(fixture.queue, 4)
        .pollInterval(Duration.ofMillis(20));
  }

  @Test
  void claim_leavesLargePayloadsWhereTheyAre() throws Exception {
    long small = fixture.enqueue(fixture.mail("x".repeat(SMALL)));
    long large = fixture.enqueue(fixture.mail("x".repeat(SMALL + 1)));
    Map<Long, Boolean> expected = Map.of(small, true, large, false);
    Hand hand = fixture.hand();
    Fence fence = hand.claimant.next();
    assertThat(brought(hand.claim(fence, 2))).isEqualTo(expected);
    List<ClaimedJob> recovered =
        fixture.transactions.run(
            tx ->
                hand.claims.findClaimed(
                    tx.connection(), fence, fixture.queue, LowWaterMark.Spot.FRONT));
    assertThat(brought(recovered)).as("of a claim whose answer was lost").isEqualTo(expected);
  }

  private static Map<Long, Boolean> brought(List<ClaimedJob> jobs) {
    Map<Long, Boolean> brought = new ConcurrentHashMap<>();
    jobs.forEach(job -> brought.put(job.id(), job.payload() != null));
    return brought;
  }

  @Test
  void payload_arrivesAsItWasWhateverItsSize() {
    JobKind<byte[]> kind = JobKind.bytes("blob");
    Map<Long, Integer> seen = new ConcurrentHashMap<>();
    Map<Long, Integer> sent = new ConcurrentHashMap<>();
    for (int size : new int[] {0, 1, SMALL, SMALL + 1, 3 * MIB}) {
      byte[] payload = new byte[size];
      for (int i = 0; i < size; i++) {
        payload[i] = (byte) ((i * 31) >> 3);
      }
      long id =
          fixture.transactions.run(
              tx ->
                  JobQueue.builder()
                      .payloadLimit(4 * MIB)
                      .build()
                      .enqueue(tx, kind.job(payload).withQueue(fixture.queue)));
      sent.put(id, Arrays.hashCode(payload));
    }
    running.start(
        worker()
            .handle(
                kind,
                (context, payload) -> {
                  seen.put(context.jobId(), Arrays.hashCode(payload));
                  return JobOutcome.done();
                }));
    QueueFixture.await(() -> fixture.finished("done") == 5);
    assertThat(seen).isEqualTo(sent);
  }

  /** It went to another worker, which finished it: nothing is run, and nobody waits for it. */
  @Test
  void jobThatIsGoneBeforeItsPayloadIsRead_isNotRun() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch gone = new CountDownLatch(1);
    Map<Long, String> ran = new ConcurrentHashMap<>();
    fixture.transactions.execute(
        tx -> {
          fixture.jobs.enqueue(tx, fixture.mail("first").withPriority(Duration.ofHours(1)));
          fixture.jobs.enqueue(tx, fixture.mail("x".repeat(SMALL + 1)));
        });
    JobWorker worker =
        running.start(
            worker()
                .threadFactory(oneThatBeginsBehind(gone))
                .handle(
                    QueueFixture.MAIL,
                    (context, payload) -> {
                      ran.put(context.jobId(), payload);
                      if (payload.equals("first")) {
                        begun.countDown();
                        gone.await();
                      }
                      return JobOutcome.done();
                    }));
    begun.await();
    QueueFixture.await(() -> fixture.jobs("running") == 2);
    fixture.dsl.execute(
        "delete from pgbelay.job where queue = ? and length(payload) > ?", fixture.queue, SMALL);
    gone.countDown();
    QueueFixture.await(() -> fixture.finished("done") == 1);
    fixture.enqueue(fixture.mail("last"));
    QueueFixture.await(() -> fixture.finished("done") == 2);
    assertThat(worker.stop(Duration.ofSeconds(30)).isClean()).isTrue();
    assertThat(ran.values()).containsExactlyInAnyOrder("first", "last");
  }

  /** The first thread runs at once, the others when the latch is open. */
  private static ThreadFactory oneThatBeginsBehind(CountDownLatch gate) {
    AtomicBoolean first = new AtomicBoolean(true);
    return work -> {
      boolean atOnce = first.getAndSet(false);
      Thread thread =
          new Thread(
              () -> {
                try {
                  if (!atOnce) {
                    gate.await();
                  }
                  work.run();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      thread.setDaemon(true);
      return thread;
    };
  }

  /** Connections on which that statement divides by zero. */
  private DataSource failingAt(String beginning) {
    ClassLoader loader = getClass().getClassLoader();
    DataSource real = postgres.dataSource();
    return (DataSource)
        Proxy.newProxyInstance(
            loader,
            new Class<?>[] {DataSource.class},
            (proxy, method, args) -> {
              Object result = call(real, method, args);
              return result instanceof Connection connection
                  ? Proxy.newProxyInstance(
                      loader,
                      new Class<?>[] {Connection.class},
                      (self, called, values) -> {
                        if (called.getName().equals("prepareStatement")
                            && values[0].toString().startsWith(beginning)) {
                          values[0] = "select 1 / (?::bigint * 0)";
                        }
                        return call(connection, called, values);
                      })
                  : result;
            });
  }

  private static Object call(Object target, Method method, Object[] args) throws Throwable {
    try {
      return method.invoke(target, args);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  /** What cannot be read stays so, and is seen to be. */
  @Test
  void payloadThatCannotBeFetched_isAFailedAttemptOfItsJobAlone() {
    fixture.enqueue(10);
    long large = fixture.enqueue(fixture.mail("x".repeat(SMALL + 1)).withMaxAttempts(2));
    running.start(
        JobWorker.builder(Transactions.of(failingAt("SELECT j.payload FROM")), running.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue, 4)
            .pollInterval(Duration.ofMillis(20))
            .handle(
                QueueFixture.MAIL,
                RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofMillis(20)),
                (context, payload) -> JobOutcome.done()));
    QueueFixture.await(() -> fixture.finished("done") == 10 && fixture.dead() == 1);
    assertThat(Jobs.create().find(fixture.dsl, large).orElseThrow().failures())
        .hasSize(2)
        .allSatisfy(
            failure ->
                assertThat(failure.error())
                    .contains("its payload could not be fetched")
                    .contains("zero"));
  }

  /** Many small jobs let the worker fetch ahead, as many of the large ones behind them. */
  @Test
  void largeJobsBehindManySmallOnes_areWorkedOffWithin64MiB() throws Exception {
    String insert =
        "insert into pgbelay.job (queue, kind, state, place, max_attempts, payload)"
            + " select ?, 'mail', 'ready', i, 3, convert_to(repeat('x', ?), 'UTF8')"
            + " from generate_series(?, ?) i";
    fixture.dsl.execute(insert, fixture.queue, 20, 1, MANY);
    fixture.dsl.execute(insert, fixture.queue, MIB, MANY + 1, MANY + FEW);
    SmallJvm.runJobs(postgres.jdbcUrl(), fixture.queue, MANY + FEW, 3, 8);
    assertThat(fixture.finished("done")).isEqualTo(MANY + FEW);
  }
}
