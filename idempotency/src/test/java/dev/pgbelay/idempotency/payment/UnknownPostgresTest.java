package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Providers of which it is not known what they did, and how that is found out. */
class UnknownPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private final Bank bank = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final Duration slowly = Duration.ofMinutes(30);

  /** Unknown payments of it are not asked for again by themselves. */
  private final PaymentOperation<String, String> checkout =
      shop.checkout(options -> options.attempts(3, slowly, slowly));

  private final IdempotencyKey key = checkout.key("acme", Shop.freshName());

  @AfterEach
  void close() {
    shop.close();
  }

  private Answer<String> pay() {
    return checkout.execute(key, "10 EUR");
  }

  @Test
  void timeoutAfterTheProviderActed_isUnknownAndNotFree_andSettledByTheStatusQuery()
      throws Exception {
    bank.then(Bank.timeoutAfterActing());
    Answer<String> answer = pay();
    assertThat(answer.outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(answer.retryAfter()).isPresent();
    assertThat(pay().outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(checkout.execute(key, "11 EUR").outcome()).isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    assertThat(bank.calls()).hasSize(1);

    shop.age(key, "1 hour");
    assertThat(shop.completer().runOnce()).isEqualTo(1);
    assertThat(pay()).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(bank.calls()).as("found, not asked again").hasSize(1);
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
  }

  @Test
  void clientThatComesBackWhenItIsDue_findsOutByItself() {
    bank.then(Bank.timeoutAfterActing());
    pay();
    shop.age(key, "1 hour");
    assertThat(pay()).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(bank.charged()).isEqualTo(1);
  }

  @Test
  void providerThatKnowsNothing_isAskedAgainWithTheSameKeyWithinItsWindow() {
    bank.then(Bank.timeoutBeforeActing());
    pay();
    shop.age(key, "1 hour");
    assertThat(pay()).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(bank.calls()).hasSize(2).containsOnly(checkout.providerKey(key, Shop.CHARGED));
    assertThat(bank.charged()).isEqualTo(1);
  }

  @Test
  void behindTheProvidersKeyWindow_nothingIsSentAgain() {
    bank.knowsNothing().then(Bank.timeoutAfterActing());
    pay();
    for (int i = 0; i < 3; i++) {
      shop.age(key, "25 hours");
      assertThat(pay().outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    }
    assertThat(bank.calls()).hasSize(1);
    assertThat(shop.payments.open(OpenPayment.State.UNKNOWN, 10))
        .singleElement()
        .satisfies(open -> assertThat(open.reason().orElseThrow()).contains("window has closed"));
  }

  @Test
  void providerWithoutKeys_isNeverAskedTwice() {
    Bank forgetful = new Bank().knowsNothing().then(Bank.timeoutBeforeActing());
    ProviderLimits noKeys =
        ProviderLimits.builder("bank", Duration.ZERO, Duration.ofSeconds(60))
            .attempts(5, Duration.ofMillis(1))
            .build();
    PaymentOperation<String, String> careful =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, forgetful, noKeys)
            .respond(Shop::receipt)
            .build();
    IdempotencyKey own = careful.key("acme", "k");
    careful.execute(own, "10 EUR");
    shop.age(own, "1 hour");
    assertThat(careful.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(forgetful.calls()).hasSize(1);
  }

  @Test
  void replyThatSaysNothing_isRepeatedWithTheSameKeyAndThenUnknown() {
    ProviderLimits patient =
        ProviderLimits.builder("bank", Shop.WINDOW, Duration.ofSeconds(60))
            .attempts(3, Duration.ofMillis(1))
            .build();
    for (int i = 0; i < 3; i++) {
      bank.then((bank, execution, key) -> ProviderReply.unknown("503"));
    }
    PaymentOperation<String, String> operation = shop.checkout(Shop.freshName(), patient).build();
    IdempotencyKey own = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(bank.calls()).hasSize(3).containsOnly(operation.providerKey(own, Shop.CHARGED));
    bank.then(Bank.timeoutAfterActing());
    IdempotencyKey second = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(second, "10 EUR")).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(bank.charged()).isEqualTo(1);
  }

  @Test
  void errorOfTheCallersCode_isUnknownToo() {
    bank.then(
        (bank, execution, key) -> {
          bank.charge(key);
          throw new AssertionError("a bug behind the call");
        });
    assertThat(pay().outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    shop.age(key, "1 hour");
    assertThat(pay()).isEqualTo(Answer.executed("paid by ch-1"));
  }

  @Test
  void resultThatCannotBeStored_isUnknownAndNotForgotten() {
    StepKey<String> unfit =
        StepKey.of(
            "charge",
            new dev.pgbelay.idempotency.Codec<>() {
              @Override
              public byte[] encode(String value) {
                throw new UnsupportedOperationException();
              }

              @Override
              public String decode(byte[] bytes) {
                return "";
              }
            });
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(unfit, bank, Shop.limits())
            .respond((tx, execution) -> "paid")
            .build();
    IdempotencyKey own = operation.key("acme", "k");
    assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(shop.state(own)).isEqualTo("UNKNOWN");
  }

  @Test
  void answerBehindTheTimeLimit_settlesThePaymentWhenItComes() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    bank.then(
        (bank, execution, key) -> {
          go.await();
          return ProviderReply.succeeded(bank.charge(key));
        });
    ProviderLimits hasty =
        ProviderLimits.builder("bank", Shop.WINDOW, Duration.ofMillis(50))
            .attempts(1, Duration.ofMillis(1))
            .build();
    PaymentOperation<String, String> operation =
        shop.checkout(Shop.freshName(), hasty).attempts(3, slowly, slowly).build();
    IdempotencyKey own = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    go.countDown();
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> shop.state(own).equals("RUNNING"));
    assertThat(operation.execute(own, "10 EUR")).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(bank.calls()).hasSize(1);
  }

  /** A provider with neither keys nor a status query: nobody else will ever know. */
  @Test
  void successBehindTheTimeLimitAndATakeOver_settlesThePaymentAllTheSame() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    bank.knowsNothing()
        .then(
            (bank, execution, key) -> {
              go.await();
              return ProviderReply.succeeded(bank.charge(key));
            });
    ProviderLimits once =
        ProviderLimits.builder("bank", Duration.ZERO, Duration.ofMillis(50))
            .attempts(1, Duration.ofMillis(1))
            .build();
    PaymentOperation<String, String> operation =
        shop.checkout(Shop.freshName(), once).attempts(3, slowly, slowly).build();
    IdempotencyKey own = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    shop.age(own, "1 hour");
    assertThat(shop.completer().runOnce()).isEqualTo(1);
    assertThat(shop.state(own)).isEqualTo("UNKNOWN");
    go.countDown();
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> shop.state(own).equals("RUNNING"));
    assertThat(operation.execute(own, "10 EUR")).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(bank.calls()).hasSize(1);
  }

  @Test
  void settlementUnderAnotherStepKeyOfTheName_isRefused() {
    bank.knowsNothing().then(Bank.timeoutAfterActing());
    pay();
    StepKey<byte[]> other = StepKey.of(Shop.CHARGED.name(), Codec.bytes());
    assertThatThrownBy(
            () -> checkout.settle(key, other, ProviderReply.succeeded(new byte[] {-1, -2})))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("of another StepKey");
    assertThat(shop.state(key)).isEqualTo("UNKNOWN");
    assertThat(StepKey.of("charge", Codec.text())).isEqualTo(Shop.CHARGED);
  }

  /** What whoever took the payment over finds out counts: he may have asked again. */
  @Test
  void refusalBehindTheTimeLimitAndATakeOver_isIgnored() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    CountDownLatch answered = new CountDownLatch(1);
    bank.knowsNothing()
        .then(
            (bank, execution, key) -> {
              go.await();
              answered.countDown();
              return ProviderReply.refused("too late");
            });
    ProviderLimits hasty =
        ProviderLimits.builder("bank", Shop.WINDOW, Duration.ofMillis(50))
            .attempts(1, Duration.ofMillis(1))
            .build();
    PaymentOperation<String, String> operation =
        shop.checkout(Shop.freshName(), hasty).attempts(3, slowly, slowly).build();
    IdempotencyKey own = operation.key("acme", Shop.freshName());
    operation.execute(own, "10 EUR");
    bank.then(Bank.timeoutAfterActing());
    shop.age(own, "1 hour");
    assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    go.countDown();
    assertThat(answered.await(60, TimeUnit.SECONDS)).isTrue();
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> settlements("already_known") == 1);
    assertThat(shop.state(own)).isEqualTo("UNKNOWN");
  }

  private double settlements(String result) {
    return shop
        .registry
        .find("pgbelay.idempotency.payment.settlements")
        .tag("result", result)
        .counters()
        .stream()
        .mapToDouble(io.micrometer.core.instrument.Counter::count)
        .sum();
  }

  @Test
  void webhookOrOperator_settlesAnUnknownPayment_onceAndInAnyOrder() throws Exception {
    bank.knowsNothing().then(Bank.timeoutAfterActing());
    assertThat(checkout.settle(key, Shop.CHARGED, ProviderReply.succeeded("ch-1")))
        .isEqualTo(PaymentOperation.Settlement.NO_SUCH_KEY);
    pay();
    assertThat(checkout.settle(key, Shop.CHARGED, ProviderReply.succeeded("ch-1")))
        .isEqualTo(PaymentOperation.Settlement.SETTLED);
    assertThat(checkout.settle(key, Shop.CHARGED, ProviderReply.succeeded("ch-1")))
        .isEqualTo(PaymentOperation.Settlement.ALREADY_KNOWN);
    assertThat(shop.completer().runOnce()).isEqualTo(1);
    assertThat(pay()).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(checkout.settle(key, Shop.CHARGED, ProviderReply.succeeded("ch-1")))
        .isEqualTo(PaymentOperation.Settlement.ALREADY_KNOWN);
    assertThat(bank.calls()).hasSize(1);
    assertThat(settlements("settled")).isEqualTo(1);
    assertThat(settlements("no_such_key")).isEqualTo(1);
  }

  @Test
  void operatorWhoSaysItDidNotHappen_endsThePaymentAsRefused() {
    bank.knowsNothing().then(Bank.timeoutBeforeActing());
    pay();
    checkout.settle(key, Shop.CHARGED, ProviderReply.refused("not at the provider"));
    assertThat(pay()).isEqualTo(Answer.executed("refused: not at the provider"));
    assertThat(bank.charged()).isZero();
  }

  @Test
  void webhookBeforeTheSynchronousAnswer_winsAndTheCallerGetsTheAnswer() {
    bank.then(
        (bank, execution, providerKey) -> {
          String charge = bank.charge(providerKey);
          assertThat(
                  checkout.settle(execution.key(), Shop.CHARGED, ProviderReply.succeeded(charge)))
              .isEqualTo(PaymentOperation.Settlement.SETTLED);
          return ProviderReply.succeeded(charge);
        });
    assertThat(checkout.execute(key, "10 EUR", Duration.ofMinutes(1)))
        .isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(bank.calls()).hasSize(1);
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
    assertThat(shop.registry.get("pgbelay.idempotency.payment.claims.lost").counter().count())
        .isEqualTo(1);
  }

  @Test
  void settlementThatSaysNothing_orOfAStepThatIsNone_isRefused() {
    assertThatThrownBy(() -> checkout.settle(key, Shop.CHARGED, ProviderReply.unknown("?")))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("must be SUCCEEDED or REFUSED");
    assertThatThrownBy(() -> checkout.settle(key, Shop.SHIPPED, ProviderReply.succeeded("x")))
        .hasMessageContaining("has no provider step");
  }

  @Test
  void openBreakerAndFullBulkhead_leaveThePaymentUnsentAndNotUnknown() {
    CircuitBreaker open = CircuitBreaker.ofDefaults("bank");
    open.transitionToForcedOpenState();
    Bulkhead full = Bulkhead.of("bank", BulkheadConfig.custom().maxConcurrentCalls(0).build());
    List<ProviderLimits> refusing = new ArrayList<>();
    ProviderLimits.Builder limits =
        ProviderLimits.builder("bank", Shop.WINDOW, Duration.ofSeconds(60));
    refusing.add(limits.circuitBreaker(open).build());
    refusing.add(
        ProviderLimits.builder("bank", Shop.WINDOW, Duration.ofSeconds(60)).bulkhead(full).build());
    for (ProviderLimits each : refusing) {
      PaymentOperation<String, String> operation = shop.checkout(Shop.freshName(), each).build();
      IdempotencyKey own = operation.key("acme", Shop.freshName());
      assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.IN_PROGRESS);
      assertThat(shop.state(own)).isEqualTo("RUNNING");
      assertThat(shop.written(own)).containsExactly("reserved");
    }
    assertThat(bank.calls()).isEmpty();
  }

  @Test
  void unknownPayment_isEscalatedOnceAndItsAgeIsAMetric() throws Exception {
    bank.knowsNothing().then(Bank.timeoutAfterActing());
    pay();
    List<OpenPayment> told = new ArrayList<>();
    Completer completer =
        Completer.builder(shop.payments).escalate(Duration.ofMinutes(15), told::add).build();
    completer.runOnce();
    assertThat(told).isEmpty();
    shop.dsl.execute(
        "update pgbelay.payment set unknown_since = unknown_since - interval '1 hour'"
            + " where key = ?",
        key.key());
    completer.runOnce();
    completer.runOnce();
    assertThat(told)
        .singleElement()
        .satisfies(
            payment -> {
              assertThat(payment.key()).isEqualTo(key);
              assertThat(payment.asked()).contains("charge");
              assertThat(payment.unknownFor().orElseThrow()).isGreaterThan(Duration.ofMinutes(59));
            });
    assertThat(gauge("unknown")).isEqualTo(1);
    assertThat(gauge("unknown.age")).isGreaterThan(3_500);
    assertThat(gauge("parked")).isZero();
  }

  private double gauge(String name) {
    return shop.registry
        .get("pgbelay.idempotency.payment." + name)
        .tag("operation", checkout.name())
        .gauge()
        .value();
  }

  @Test
  void repliesAndQueries_areCounted() {
    bank.then(Bank.timeoutAfterActing());
    pay();
    shop.age(key, "1 hour");
    pay();
    assertThat(
            shop.registry
                .get("pgbelay.idempotency.payment.provider.replies")
                .tag("step", "charge")
                .tag("kind", "unknown")
                .counter()
                .count())
        .isEqualTo(1);
    assertThat(
            shop.registry
                .get("pgbelay.idempotency.payment.provider.queries")
                .tag("kind", "succeeded")
                .counter()
                .count())
        .isEqualTo(1);
    assertThat(
            shop.registry
                .get("pgbelay.idempotency.payment.calls")
                .tag("outcome", "unknown_outcome")
                .counter()
                .count())
        .isEqualTo(1);
  }

  @Test
  void interruptDuringTheCall_isUnknownAndStaysAnInterrupt() {
    Thread caller = Thread.currentThread();
    CountDownLatch never = new CountDownLatch(1);
    bank.then(
        (bank, execution, providerKey) -> {
          bank.charge(providerKey);
          caller.interrupt();
          never.await();
          throw new IOException();
        });
    try {
      assertThat(pay().outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
      assertThat(caller.isInterrupted()).isTrue();
    } finally {
      assertThat(Thread.interrupted()).isTrue();
      never.countDown();
    }
    assertThat(shop.state(key)).isEqualTo("UNKNOWN");
  }
}
