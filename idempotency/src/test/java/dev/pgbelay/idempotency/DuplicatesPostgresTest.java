package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Calls under one key at the same time, and commits whose answer is lost. */
class DuplicatesPostgresTest {
  private static final Duration LONG = Duration.ofMinutes(2);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(KeyFixture.SCHEMA);

  private final KeyFixture fixture = new KeyFixture(postgres.dataSource());
  private final Operation<String, String> operation = fixture.operation;
  private final IdempotencyKey key = fixture.freshKey();
  private final ExecutorService threads = Executors.newCachedThreadPool();

  @AfterEach
  void stop() throws InterruptedException {
    threads.shutdownNow();
    assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void duplicateOfARunningCall_isToldSoWithoutWaitingForItsRow() throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    Future<Answer<String>> first =
        threads.submit(
            () ->
                operation.execute(
                    key,
                    "two apples",
                    tx -> {
                      running.countDown();
                      go.await();
                      return KeyFixture.place(tx, key);
                    }));
    running.await();
    Answer<String> duplicate = operation.execute(key, "two apples", tx -> "again");
    assertThat(duplicate.outcome()).isEqualTo(Outcome.IN_PROGRESS);
    assertThat(duplicate.retryAfter()).isPresent();
    Answer<String> joined =
        fixture.transactions.run(tx -> operation.execute(tx, key, "two apples", t -> "again"));
    assertThat(joined.outcome()).isEqualTo(Outcome.IN_PROGRESS);
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  /**
   * Two connections: the first call has one. If one of 63 that wait kept the other, the bystander
   * would not get it.
   */
  @Test
  void waitingDuplicates_holdNoConnectionAndAllGetTheFirstResponse() throws Exception {
    try (HikariDataSource two = KeyFixture.pool(postgres.jdbcUrl(), 2)) {
      KeyFixture small = new KeyFixture(two);
      CountDownLatch running = new CountDownLatch(1);
      CountDownLatch go = new CountDownLatch(1);
      AtomicInteger runs = new AtomicInteger();
      List<Future<Answer<String>>> calls = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        calls.add(
            threads.submit(
                () ->
                    small.operation.execute(
                        small.operation.key("acme", key.key()),
                        "two apples",
                        LONG,
                        tx -> {
                          runs.incrementAndGet();
                          running.countDown();
                          go.await();
                          return KeyFixture.place(tx, key);
                        })));
      }
      running.await();
      for (int i = 0; i < 20; i++) {
        small.transactions.execute(tx -> tx.dsl().fetch("select 1"));
      }
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .until(() -> two.getHikariPoolMXBean().getActiveConnections() == 1);
      go.countDown();
      int executed = 0;
      for (Future<Answer<String>> call : calls) {
        Answer<String> answer = call.get(120, TimeUnit.SECONDS);
        assertThat(answer.response()).contains("placed " + key.key());
        executed += answer.outcome() == Outcome.EXECUTED ? 1 : 0;
      }
      assertThat(executed).isEqualTo(1);
      assertThat(runs).hasValue(1);
      assertThat(small.placed(key)).isEqualTo(1);
    }
  }

  @Test
  void waitOfADuplicate_isBoundedAndEndsWithAnInterrupt() throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    Future<Answer<String>> first =
        threads.submit(
            () ->
                operation.execute(
                    key,
                    "two apples",
                    tx -> {
                      running.countDown();
                      go.await();
                      return "done";
                    }));
    running.await();
    assertThat(operation.execute(key, "two apples", Duration.ofMillis(50), tx -> "again").outcome())
        .isEqualTo(Outcome.IN_PROGRESS);
    Thread.currentThread().interrupt();
    try {
      assertThat(operation.execute(key, "two apples", LONG, tx -> "again").outcome())
          .isEqualTo(Outcome.IN_PROGRESS);
      assertThat(Thread.currentThread().isInterrupted()).isTrue();
    } finally {
      assertThat(Thread.interrupted()).isTrue();
    }
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void waitingDuplicate_runsTheWorkWhenTheFirstCallFails() throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    Future<Answer<String>> first =
        threads.submit(
            () ->
                operation.execute(
                    key,
                    "two apples",
                    tx -> {
                      KeyFixture.place(tx, key);
                      running.countDown();
                      go.await();
                      throw new IllegalStateException("no");
                    }));
    running.await();
    Future<Answer<String>> second =
        threads.submit(
            () -> operation.execute(key, "two apples", LONG, tx -> KeyFixture.place(tx, key)));
    go.countDown();
    assertThatThrownBy(() -> first.get(60, TimeUnit.SECONDS)).hasMessageContaining("no");
    assertThat(second.get(120, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  /** Somebody has the key's lock, as a call that is only looking has for a moment. */
  @Test
  void mismatchAndReplay_areDecidedOnTheCommittedRowBeforeAnyWait() throws Exception {
    operation.execute(key, "two apples", tx -> "done");
    fixture.transactions.execute(
        tx -> {
          tx.dsl()
              .fetch(
                  "select pg_advisory_xact_lock(?)",
                  dev.pgbelay.idempotency.internal.KeyLock.number(key));
          Future<List<Outcome>> others =
              threads.submit(
                  () ->
                      List.of(
                          operation.execute(key, "three", LONG, t -> "again").outcome(),
                          operation.execute(key, "two apples", LONG, t -> "again").outcome()));
          assertThat(others.get(60, TimeUnit.SECONDS))
              .containsExactly(Outcome.FINGERPRINT_MISMATCH, Outcome.REPLAYED);
        });
  }

  private interface WithProxy {
    void run(FaultProxy proxy, KeyFixture behind) throws Exception;
  }

  private static void behindAProxy(WithProxy test) throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = KeyFixture.pool(proxy.jdbcUrl(postgres.database().name()), 4)) {
      test.run(proxy, new KeyFixture(pool));
    }
  }

  @Test
  void lostAnswerToCommit_isFoundOutFromTheKey() throws Exception {
    behindAProxy(
        (proxy, behind) -> {
          IdempotencyKey own = behind.freshKey();
          proxy.cutAfterCommit(1);
          Answer<String> answer =
              behind.operation.execute(own, "two apples", tx -> KeyFixture.place(tx, own));
          assertThat(answer.response()).contains("placed " + own.key());
          assertThat(proxy.counters().cutsAfterCommit()).isEqualTo(1);
          assertThat(behind.placed(own)).isEqualTo(1);
          assertThat(behind.operation.execute(own, "two apples", tx -> "again").outcome())
              .isEqualTo(Outcome.REPLAYED);
        });
  }

  @Test
  void commitThatNeverArrived_isReportedAndTheSameCallRunsOnce() throws Exception {
    behindAProxy(
        (proxy, behind) -> {
          IdempotencyKey own = behind.freshKey();
          proxy.cutBeforeCommit(1);
          assertThatThrownBy(
                  () ->
                      behind.operation.execute(own, "two apples", tx -> KeyFixture.place(tx, own)))
              .isInstanceOf(OutcomeUnknownException.class);
          assertThat(proxy.counters().cutsBeforeCommit()).isEqualTo(1);
          Answer<String> again =
              behind.operation.execute(own, "two apples", LONG, tx -> KeyFixture.place(tx, own));
          assertThat(again.outcome()).isEqualTo(Outcome.EXECUTED);
          assertThat(behind.placed(own)).isEqualTo(1);
        });
  }

  /** A row that was written without the key's lock, as by a restored copy. */
  @Test
  void rowThatAppearsBehindTheLook_isAnsweredAndTheWorkRolledBack() {
    Answer<String> answer =
        operation.execute(
            key,
            "two apples",
            tx -> {
              Transactions other = Transactions.of(postgres.dataSource());
              other.execute(
                  TxOptions.builder().path("other").nesting(TxOptions.Nesting.INDEPENDENT).build(),
                  own ->
                      own.dsl()
                          .execute(
                              "insert into pgbelay.idempotency_key (tenant, operation, key,"
                                  + " fingerprint_version, fingerprint, response)"
                                  + " values (?, ?, ?, 1, decode(?, 'hex'), 'theirs')"
                                  + " on conflict do nothing",
                              key.tenant(),
                              key.operation(),
                              key.key(),
                              KeyFixture.fingerprint("two apples").sha256()));
              return KeyFixture.place(tx, key);
            });
    assertThat(answer).isEqualTo(Answer.replayed("theirs"));
    assertThat(
            DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
                .fetchSingle("select count(*) from placed where key = ?", key.key())
                .get(0, Integer.class))
        .isZero();
  }
}
