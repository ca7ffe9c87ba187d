package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.FaultProxy.Direction;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** One job in a transaction of its own: one round trip, and nothing lost where it breaks. */
class EnqueueAlonePostgresTest {
  private static final Map<Thread, List<String>> SENT = new ConcurrentHashMap<>();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(QueueFixture.SCHEMA)
          .withObserver(
              new StatementObserver() {
                @Override
                public void executed(StatementEvent event) {
                  SENT.computeIfAbsent(Thread.currentThread(), t -> new CopyOnWriteArrayList<>())
                      .add(event.sql());
                }

                @Override
                public void ended(TransactionEvent event) {}
              });

  @RegisterExtension static final RunningWorkers workers = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final List<Long> ran = new CopyOnWriteArrayList<>();
  private final List<Boolean> positions = new CopyOnWriteArrayList<>();

  /** What this thread has sent while it did that. */
  private static List<String> sentBy(Runnable action) {
    List<String> mine =
        SENT.computeIfAbsent(Thread.currentThread(), t -> new CopyOnWriteArrayList<>());
    mine.clear();
    action.run();
    return List.copyOf(mine);
  }

  private long enqueueAlone(String payload) {
    return fixture.jobs.enqueue(fixture.transactions, fixture.mail(payload));
  }

  private JobWorker start() {
    return workers.start(
        JobWorker.builder(fixture.transactions, workers.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue, 2)
            .pollInterval(Duration.ofMinutes(1))
            .wokenBy(fixture.jobs)
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  ran.add(context.jobId());
                  positions.add(context.position().isPresent());
                  return JobOutcome.done();
                }));
  }

  private static boolean handsOver(List<String> sent) {
    return sent.stream().anyMatch(sql -> sql.contains("'running'"));
  }

  @Test
  void enqueueInABusinessTransaction_sendsNothingButTheInsert() {
    fixture.transactions.execute(
        tx -> {
          tx.dsl().fetch("select 1");
          List<String> sent = sentBy(() -> fixture.jobs.enqueue(tx, fixture.mail("x")));
          assertThat(sent).singleElement().asString().startsWith("INSERT INTO");
        });
  }

  @Test
  void enqueueAlone_sendsOneMessageAndNothingElse() {
    enqueueAlone("the first one on this connection");
    assertThat(sentBy(() -> enqueueAlone("x")))
        .singleElement()
        .asString()
        .startsWith("INSERT INTO")
        .doesNotContain("COMMIT");
    assertThat(fixture.jobs("ready")).isEqualTo(2);
  }

  @Test
  void enqueueAlone_writesWhatAnEnqueueWrites() {
    NewJob<String> job =
        fixture
            .mail("same")
            .withPriority(Duration.ofSeconds(7))
            .withMaxAttempts(3)
            .withHeader("trace", "a \"b\"");
    long alone = fixture.jobs.enqueue(fixture.transactions, job);
    long inside = fixture.enqueue(job);
    String columns =
        "select queue, kind, state, run_at, attempt, max_attempts, priority, headers::text, payload::text,"
            + " claimant, (place + 7000000) / 60000000 - extract(epoch from enqueued_at)::bigint / 60"
            + " between -1 and 1 from pgbelay.job where id = ?";
    assertThat(fixture.dsl.fetchSingle(columns, alone).intoList())
        .isEqualTo(fixture.dsl.fetchSingle(columns, inside).intoList());
  }

  @Test
  void jobWithAUniqueKeyOrForLater_isEnqueuedInAnOrdinaryTransaction() {
    NewJob<String> unique = fixture.mail("x").withUniqueKey("k", UniqueScope.whileUnfinished());
    long first = fixture.jobs.enqueue(fixture.transactions, unique);
    assertThat(fixture.jobs.enqueue(fixture.transactions, unique)).isEqualTo(first);
    fixture.jobs.enqueue(fixture.transactions, fixture.mail("x").withDelay(Duration.ofDays(1)));
    assertThat(fixture.jobs("scheduled")).isEqualTo(1);
    assertThat(fixture.jobs("ready")).isEqualTo(1);
  }

  @Test
  void insideATransaction_isRefused() {
    assertThatThrownBy(() -> fixture.transactions.execute(tx -> enqueueAlone("x")))
        .isInstanceOf(TransactionException.class)
        .hasMessageContaining("Pass the outer Tx along");
    assertThat(fixture.jobs("ready")).isZero();
  }

  @Test
  void whereAThreadIsFree_theJobIsClaimedByItsOnlyMessageAndRuns() {
    start();
    int[] tried = new int[1];
    QueueFixture.await(
        () -> {
          List<String> sent = sentBy(() -> enqueueAlone("x"));
          tried[0]++;
          return handsOver(sent) && sent.size() == 1;
        });
    QueueFixture.await(() -> fixture.finished("done") == tried[0]);
    assertThat(ran).hasSize(tried[0]).doesNotHaveDuplicates();
    assertThat(positions).doesNotContain(false);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.job_finished where queue = ? and attempt <> 1",
                fixture.queue))
        .isZero();
  }

  @Test
  void answerLost_isUnknownAndTheJobIsThere() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = QueueFixture.pool(proxy.jdbcUrl(postgres.database().name()), 1)) {
      Transactions cut = Transactions.of(pool);
      fixture.jobs.enqueue(cut, fixture.mail("connected"));
      proxy.cutAfterBytes(Direction.TO_CLIENT, 0);
      assertThatThrownBy(() -> fixture.jobs.enqueue(cut, fixture.mail("unheard")))
          .isInstanceOf(OutcomeUnknownException.class);
      QueueFixture.await(() -> fixture.jobs("ready") == 2);
    }
  }

  @Test
  void answerLostOfAJobThatWasHandedOver_losesNoJobAndRunsItOnce() throws Exception {
    JobWorker worker = start();
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = QueueFixture.pool(proxy.jdbcUrl(postgres.database().name()), 1)) {
      Transactions cut = Transactions.of(pool);
      int enqueued = 0;
      for (int lost = 0; lost < 2; enqueued++) {
        proxy.heal(); // of a cut that is still to come: the last job was not handed over
        cut.execute(tx -> tx.dsl().execute("select 1"));
        proxy.cutAfterCommit(1); // only a job that is handed over has one in its message
        try {
          fixture.jobs.enqueue(cut, fixture.mail("x"));
        } catch (OutcomeUnknownException expected) {
          lost++;
        }
        int all = enqueued + 1;
        QueueFixture.await(
            () -> {
              worker.wakeUp();
              return fixture.finished("done") == all;
            });
      }
      proxy.heal();
      int there = enqueued;
      assertThat(ran).hasSize(there).doesNotHaveDuplicates();
      assertThat(
              fixture.count(
                  "select count(*) from pgbelay.job_finished where queue = ? and attempt <> 1",
                  fixture.queue))
          .isZero();
    }
  }

  /** The statement waits for the disk, or for a replica, while its client is gone. */
  @Test
  void lostHandOverThatIsStillUnderWay_isWaitedFor() throws Exception {
    QueueFixture.Hand hand = fixture.hand();
    Fence fence = hand.claimant.next();
    HandOverSql sql = new HandOverSql("pgbelay");
    LostHandOvers lost = new LostHandOvers(fixture.transactions, sql, hand.claims);
    List<ClaimedJob> found = new CopyOnWriteArrayList<>();
    try (Connection slow = postgres.dataSource().getConnection()) {
      slow.setAutoCommit(false);
      HandOverSql.Added added = sql.enqueue(slow, fence, fixture.mail("x"), new byte[] {1});
      assertThat(added).isNotNull();
      lost.add(fixture.queue, new Registration.Identity(), fence, found::add);
      for (int i = 0; i < 5; i++) {
        lost.look();
        assertThat(found).isEmpty();
        assertThat(lost.isEmpty()).isFalse();
      }
      slow.commit();
      QueueFixture.await(
          () -> {
            lost.look();
            return lost.isEmpty();
          });
      assertThat(found).extracting(ClaimedJob::id).containsExactly(added.id());
      assertThat(Optional.ofNullable(sql.enqueue(slow, fence, fixture.mail("x"), new byte[] {1})))
          .as("its number is forbidden from then on")
          .isEmpty();
      slow.rollback();
    }
  }
}
