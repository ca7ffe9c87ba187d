package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who carries a payment on: duplicates, stalled holders, crashes, lost commits, poison. */
class ClaimPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Shop.SCHEMA).withPoolSize(12);

  private static final Duration LONG = Duration.ofMinutes(2);

  private final Bank bank = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final PaymentOperation<String, String> checkout = shop.checkout();
  private final IdempotencyKey key = checkout.key("acme", Shop.freshName());
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final CountDownLatch called = new CountDownLatch(1);
  private final CountDownLatch go = new CountDownLatch(1);

  @AfterEach
  void close() throws InterruptedException {
    go.countDown();
    threads.shutdownNow();
    assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
    shop.close();
  }

  /** A call that acts and answers when it is let. */
  private void holdTheCall() {
    bank.then(
        (bank, execution, providerKey) -> {
          String charge = bank.charge(providerKey);
          called.countDown();
          go.await();
          return ProviderReply.succeeded(charge);
        });
  }

  private Future<Answer<String>> start() throws InterruptedException {
    Future<Answer<String>> first = threads.submit(() -> checkout.execute(key, "10 EUR"));
    assertThat(called.await(60, TimeUnit.SECONDS)).isTrue();
    return first;
  }

  @Test
  void manyDuplicates_areOneChargeAndOneAnswer() throws Exception {
    List<Future<Answer<String>>> calls = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      calls.add(threads.submit(() -> checkout.execute(key, "10 EUR", LONG)));
    }
    int executed = 0;
    for (Future<Answer<String>> call : calls) {
      Answer<String> answer = call.get(150, TimeUnit.SECONDS);
      assertThat(answer.response()).contains("paid by ch-1");
      executed += answer.outcome() == Outcome.EXECUTED ? 1 : 0;
    }
    assertThat(executed).isEqualTo(1);
    assertThat(bank.calls()).hasSize(1);
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
  }

  @Test
  void duplicateOfARunningPayment_isToldSo_andAMismatchBeforeAnyWait() throws Exception {
    holdTheCall();
    Future<Answer<String>> first = start();
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.IN_PROGRESS);
    assertThat(checkout.find(key).map(Answer::outcome)).contains(Outcome.IN_PROGRESS);
    assertThat(checkout.execute(key, "11 EUR", LONG).outcome())
        .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    assertThat(shop.completer().runOnce()).isZero();
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void holderStalledPastItsLease_changesNothingAfterTheTakeOver() throws Exception {
    CompletableFuture<Execution<String>> stalled = new CompletableFuture<>();
    bank.then(
        (bank, execution, providerKey) -> {
          bank.charge(providerKey);
          stalled.complete(execution);
          called.countDown();
          go.await();
          return ProviderReply.refused("nonsense of a stalled holder");
        });
    Future<Answer<String>> first = start();
    shop.transactions.execute(stalled.join()::guard);
    shop.stall();
    shop.age(key, "1 hour");
    assertThat(shop.completer().runOnce()).isEqualTo(1);
    assertThat(shop.state(key)).isEqualTo("COMPLETED");
    assertThatThrownBy(() -> shop.transactions.execute(stalled.join()::guard))
        .isInstanceOf(ClaimLostException.class);
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS)).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
    assertThat(bank.charged()).isEqualTo(1);
    assertThat(
            shop.registry.get("pgbelay.idempotency.payment.claims.lost").counters().stream()
                .mapToDouble(io.micrometer.core.instrument.Counter::count)
                .sum())
        .isEqualTo(2);
    assertThat(shop.registry.get("pgbelay.idempotency.payment.takeovers").counter().count())
        .isEqualTo(1);
  }

  @Test
  void stalledHolderThatFails_neitherFreesNorParksThePaymentOfItsSuccessor() throws Exception {
    bank.then(
        (bank, execution, providerKey) -> {
          bank.charge(providerKey);
          called.countDown();
          go.await();
          throw new java.io.IOException("reset");
        });
    Future<Answer<String>> first = start();
    shop.stall();
    shop.age(key, "1 hour");
    bank.then(Bank.refusing("by the successor"));
    bank.knowsNothing();
    assertThat(checkout.execute(key, "10 EUR"))
        .isEqualTo(Answer.executed("refused: by the successor"));
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS))
        .isEqualTo(Answer.replayed("refused: by the successor"));
  }

  @Test
  void guardedTransaction_keepsThePaymentFromBeingTakenOver() throws Exception {
    CompletableFuture<Execution<String>> held = new CompletableFuture<>();
    bank.then(
        (bank, execution, providerKey) -> {
          held.complete(execution);
          called.countDown();
          go.await();
          return ProviderReply.succeeded(bank.charge(providerKey));
        });
    Future<Answer<String>> first = start();
    shop.stall();
    shop.age(key, "1 hour");
    shop.transactions.execute(
        tx -> {
          held.join().guard(tx);
          Future<Answer<String>> other = threads.submit(() -> checkout.execute(key, "10 EUR"));
          assertThat(other.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.IN_PROGRESS);
          tx.dsl().execute("insert into written (key, what) values (?, 'guarded')", key.key());
        });
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(shop.written(key)).containsExactly("reserved", "guarded", "booked");
  }

  /** While the successor is at work, the state of the payment alone would not tell. */
  @Test
  void guardOfAStalledHolder_failsWhileItsSuccessorIsAtWork() throws Exception {
    CompletableFuture<Execution<String>> held = new CompletableFuture<>();
    CompletableFuture<Throwable> refused = new CompletableFuture<>();
    bank.then(
        (bank, execution, providerKey) -> {
          held.complete(execution);
          called.countDown();
          go.await();
          return ProviderReply.succeeded(bank.charge(providerKey));
        });
    bank.then(
        (bank, execution, providerKey) -> {
          refused.complete(
              catchThrowable(() -> shop.transactions.execute(tx -> held.join().guard(tx))));
          return ProviderReply.succeeded(bank.charge(providerKey));
        });
    Future<Answer<String>> first = start();
    shop.stall();
    shop.age(key, "1 hour");
    assertThat(checkout.execute(key, "10 EUR").response()).isPresent();
    assertThat(refused.get(60, TimeUnit.SECONDS)).isInstanceOf(ClaimLostException.class);
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS).response()).isPresent();
  }

  @Test
  void swallowedLoss_cannotBeCommitted() throws Exception {
    CompletableFuture<Execution<String>> held = new CompletableFuture<>();
    bank.then(
        (bank, execution, providerKey) -> {
          held.complete(execution);
          return ProviderReply.succeeded(bank.charge(providerKey));
        });
    checkout.execute(key, "10 EUR");
    assertThatThrownBy(
            () ->
                shop.transactions.execute(
                    tx -> {
                      tx.dsl()
                          .execute(
                              "insert into written (key, what) values (?, 'stale')", key.key());
                      try {
                        held.join().guard(tx);
                      } catch (ClaimLostException swallowed) {
                        // as careless callers do
                      }
                    }))
        .isInstanceOf(dev.pgbelay.core.TransactionAbortedException.class);
    assertThat(shop.written(key)).doesNotContain("stale");
  }

  @Test
  void leaseOfALongCall_isRenewed() throws Exception {
    try (Shop brief =
        new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank, Duration.ofSeconds(3))) {
      PaymentOperation<String, String> operation = brief.checkout();
      IdempotencyKey own = operation.key("acme", Shop.freshName());
      holdTheCall();
      Future<Answer<String>> first = threads.submit(() -> operation.execute(own, "10 EUR"));
      assertThat(called.await(60, TimeUnit.SECONDS)).isTrue();
      String asGranted = lease(own);
      Awaitility.await().atMost(LONG).until(() -> lease(own).compareTo(asGranted) > 0);
      go.countDown();
      assertThat(first.get(60, TimeUnit.SECONDS).response()).contains("paid by ch-1");
    }
  }

  private String lease(IdempotencyKey of) {
    return shop.dsl
        .fetchSingle(
            "select to_char(lease_until at time zone 'UTC', 'YYYYMMDDHH24MISS.US')"
                + " from pgbelay.payment where key = ?",
            of.key())
        .get(0, String.class);
  }

  @Test
  void completer_leavesACrashedPaymentToItsClientForTheTimeOfGrace() throws Exception {
    holdTheCall();
    Future<Answer<String>> first = start();
    shop.stall();
    shop.dsl.execute(
        "update pgbelay.payment set lease_until = clock_timestamp() - interval '1 minute'"
            + " where key = ?",
        key.key());
    Completer patient = Completer.builder(shop.payments).grace(Duration.ofMinutes(5)).build();
    assertThat(patient.runOnce()).isZero();
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
    go.countDown();
    assertThat(first.get(60, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.REPLAYED);
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
  }

  @Test
  void paymentThatFailsAgainAndAgain_isParkedWithAReason_andGoesOnWhenSomebodySaysSo()
      throws Exception {
    boolean[] broken = {true};
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, bank, Shop.limits())
            .database(
                Shop.BOOKED,
                (tx, execution) -> {
                  if (broken[0]) {
                    throw new IllegalStateException("a secret");
                  }
                  return "booked";
                })
            .respond(Shop::receipt)
            .build();
    IdempotencyKey own = operation.key("acme", Shop.freshName());
    assertThatThrownBy(() -> operation.execute(own, "10 EUR")).hasMessage("a secret");
    Completer completer = shop.completer();
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> {
              completer.runOnce();
              return shop.state(own).equals("PARKED");
            });
    assertThat(shop.payments.open(OpenPayment.State.PARKED, 10))
        .singleElement()
        .satisfies(
            parked ->
                assertThat(parked.reason().orElseThrow())
                    .isEqualTo("failed 3 times, last with java.lang.IllegalStateException"));
    assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(completer.runOnce()).isZero();
    broken[0] = false;
    assertThat(operation.unpark(own)).contains(OpenPayment.State.RUNNING);
    assertThat(completer.runOnce()).isEqualTo(1);
    assertThat(operation.execute(own, "10 EUR")).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(bank.calls()).hasSize(1);
    assertThat(
            shop.registry
                .get("pgbelay.idempotency.payment.parkings")
                .tag("operation", operation.name())
                .counter()
                .count())
        .isEqualTo(1);
  }

  @Test
  void completer_takesNoMoreThanItsShareInAPass() throws Exception {
    PaymentOperation<String, String> operation =
        shop.checkout(options -> options.attempts(3, Duration.ofMinutes(1), Duration.ofMinutes(1)));
    for (int i = 0; i < 5; i++) {
      bank.then(Bank.timeoutAfterActing());
      IdempotencyKey own = operation.key("acme", Shop.freshName());
      operation.execute(own, "10 EUR");
      shop.age(own, "1 hour");
    }
    Completer two = Completer.builder(shop.payments).perPass(2).build();
    assertThat(two.runOnce()).isEqualTo(2);
    assertThat(two.runOnce()).isEqualTo(2);
    assertThat(two.runOnce()).isEqualTo(1);
    assertThat(bank.charged()).isEqualTo(5);
  }

  @Test
  void completerThatRuns_carriesOnByItself() {
    bank.then(Bank.timeoutAfterActing());
    checkout.execute(key, "10 EUR");
    try (Completer completer =
        Completer.builder(shop.payments)
            .grace(Duration.ZERO)
            .idlePause(Duration.ofMillis(10), Duration.ofMillis(50))
            .build()) {
      completer.start();
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .until(() -> shop.state(key).equals("COMPLETED"));
    }
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
  }

  @Test
  void synchronousCommitOff_isRefusedBeforeAnythingIsAsked() {
    PaymentOperation<String, String> careless =
        shop.checkout(
            options ->
                options.options(TxOptions.builder().setting("synchronous_commit", "off").build()));
    IdempotencyKey own = careless.key("acme", Shop.freshName());
    assertThatThrownBy(() -> careless.execute(own, "10 EUR"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("synchronous_commit is off");
    assertThat(bank.calls()).isEmpty();
    assertThat(shop.state(own)).isEqualTo("none");
  }

  private interface WithProxy {
    void run(FaultProxy proxy, Shop behind, PaymentOperation<String, String> checkout)
        throws Exception;
  }

  private void behindAProxy(WithProxy test) throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = Shop.pool(proxy.jdbcUrl(postgres.database().name()), 4);
        Shop behind = new Shop(pool, postgres.jdbcUrl(), bank)) {
      PaymentOperation<String, String> operation = behind.checkout();
      test.run(proxy, behind, operation);
    }
  }

  /** 1 is the claim with its intent, 2 the answer. */
  @Test
  void lostAnswerToAnyCommit_isFoundOut() throws Exception {
    for (int nth = 1; nth <= 2; nth++) {
      int commit = nth;
      behindAProxy(
          (proxy, behind, operation) -> {
            IdempotencyKey own = operation.key("acme", Shop.freshName());
            proxy.cutAfterCommit(commit);
            Answer<String> answer = operation.execute(own, "10 EUR", LONG);
            assertThat(answer.response().orElseThrow()).startsWith("paid by");
            assertThat(proxy.counters().cutsAfterCommit()).isEqualTo(1);
            assertThat(shop.written(own)).containsExactly("reserved", "booked");
          });
    }
    assertThat(bank.calls()).hasSize(2);
    assertThat(bank.charged()).isEqualTo(2);
  }

  @Test
  void claimThatNeverArrived_asksNobodyAndTheSameCallPaysOnce() throws Exception {
    behindAProxy(
        (proxy, behind, operation) -> {
          IdempotencyKey own = operation.key("acme", Shop.freshName());
          proxy.cutBeforeCommit(1);
          assertThatThrownBy(() -> operation.execute(own, "10 EUR"))
              .isInstanceOf(OutcomeUnknownException.class);
          assertThat(bank.calls()).isEmpty();
          assertThat(operation.execute(own, "10 EUR", LONG).response()).contains("paid by ch-1");
        });
    assertThat(bank.calls()).hasSize(1);
  }

  @Test
  void answerThatWasNotRecorded_isRecordedByTheSameCall() throws Exception {
    behindAProxy(
        (proxy, behind, operation) -> {
          IdempotencyKey own = operation.key("acme", Shop.freshName());
          proxy.cutBeforeCommit(2);
          assertThat(operation.execute(own, "10 EUR", LONG).response()).contains("paid by ch-1");
          assertThat(proxy.counters().cutsBeforeCommit()).isEqualTo(1);
          assertThat(shop.written(own)).containsExactly("reserved", "booked");
        });
    assertThat(bank.calls()).hasSize(1);
  }
}
