package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Payments whose process lives. */
class PaymentPostgresTest {
  /** Counts transactions. */
  private static final class Ended implements StatementObserver {
    private final AtomicInteger transactions = new AtomicInteger();

    @Override
    public void executed(StatementEvent event) {}

    @Override
    public void ended(TransactionEvent event) {
      transactions.incrementAndGet();
    }
  }

  private static final Ended ENDED = new Ended();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Shop.SCHEMA).withObserver(ENDED);

  private final Bank bank = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final PaymentOperation<String, String> checkout = shop.checkout();
  private final IdempotencyKey key = checkout.key("acme", Shop.freshName());

  @AfterEach
  void close() {
    shop.close();
  }

  @Test
  void payment_goesThroughItsStepsOnceAndIsReplayed() {
    assertThat(checkout.execute(key, "10 EUR")).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(checkout.execute(key, "10 EUR")).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(checkout.find(key)).contains(Answer.replayed("paid by ch-1"));
    assertThat(bank.calls()).containsExactly(checkout.providerKey(key, Shop.CHARGED));
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
    assertThat(checkout.execute(key, "11 EUR").outcome()).isEqualTo(Outcome.FINGERPRINT_MISMATCH);
  }

  @Test
  void paymentWithOneProviderStep_isAtMostThreeTransactions() {
    checkout.execute(checkout.key("acme", "warm"), "10 EUR");
    int before = ENDED.transactions.get();
    checkout.execute(key, "10 EUR");
    assertThat(ENDED.transactions.get() - before).isBetween(1, 3);
  }

  @Test
  void intent_isCommittedBeforeTheCallAndNoTransactionIsOpenMeanwhile() {
    AtomicInteger looked = new AtomicInteger();
    bank.then(
        (bank, execution, providerKey) -> {
          Transactions.requireNone();
          assertThat(
                  shop.dsl
                      .fetchSingle(
                          "select asked from pgbelay.payment where operation = ?",
                          execution.key().operation())
                      .get(0, String.class))
              .isEqualTo("charge");
          assertThat(shop.written(execution.key())).containsExactly("reserved");
          assertThat(
                  shop.dsl
                      .fetchSingle(
                          "select count(*) from pg_stat_activity where state like 'idle in%'"
                              + " and datname = current_database()")
                      .get(0, Integer.class))
              .isZero();
          looked.incrementAndGet();
          return ProviderReply.succeeded(bank.charge(providerKey));
        });
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(looked).hasValue(1);
  }

  @Test
  void insideATransaction_aPaymentIsRefused() {
    assertThatThrownBy(() -> shop.transactions.execute(tx -> checkout.execute(key, "10 EUR")))
        .isInstanceOfSatisfying(
            TransactionException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.MISUSE));
    assertThat(bank.calls()).isEmpty();
  }

  @Test
  void definiteRefusal_isAnAnswerThatIsStored() {
    bank.then(Bank.refusing("card expired"));
    assertThat(checkout.execute(key, "10 EUR")).isEqualTo(Answer.executed("refused: card expired"));
    assertThat(checkout.execute(key, "10 EUR")).isEqualTo(Answer.replayed("refused: card expired"));
    assertThat(bank.calls()).hasSize(1);
    assertThat(shop.written(key)).containsExactly("reserved");
  }

  @Test
  void failureBeforeTheFirstCall_leavesNothingAndTheKeyFree() {
    AtomicInteger runs = new AtomicInteger();
    PaymentOperation<String, String> failing =
        shop.bare(Shop.freshName())
            .database(
                Shop.RESERVED,
                (tx, execution) -> {
                  Shop.write(tx, execution, "reserved");
                  if (runs.incrementAndGet() == 1) {
                    throw new IOException("no");
                  }
                  return "ok";
                })
            .provider(Shop.CHARGED, bank, Shop.limits())
            .respond(Shop::receipt)
            .build();
    IdempotencyKey own = failing.key("acme", "failing");
    assertThatThrownBy(() -> failing.execute(own, "10 EUR"))
        .isInstanceOf(PgBelayException.class)
        .hasCauseInstanceOf(IOException.class);
    assertThat(shop.state(own)).isEqualTo("none");
    assertThat(shop.written(own)).isEmpty();
    assertThat(failing.execute(own, "11 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(shop.written(own)).containsExactly("reserved");
  }

  @Test
  void failureBehindTheCall_keepsTheChargeAndGoesOnFromThere() {
    AtomicInteger runs = new AtomicInteger();
    PaymentOperation<String, String> failing =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, bank, Shop.limits())
            .database(
                Shop.BOOKED,
                (tx, execution) -> {
                  Shop.write(tx, execution, "booked");
                  if (runs.incrementAndGet() == 1) {
                    throw new IllegalStateException("no");
                  }
                  return "ok";
                })
            .respond(Shop::receipt)
            .build();
    IdempotencyKey own = failing.key("acme", "behind");
    assertThatThrownBy(() -> failing.execute(own, "10 EUR")).hasMessage("no");
    assertThat(shop.state(own)).isEqualTo("RUNNING");
    assertThat(shop.written(own)).isEmpty();
    assertThat(failing.execute(own, "10 EUR", java.time.Duration.ofMinutes(1)))
        .isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(bank.calls()).as("its result was kept").hasSize(1);
    assertThat(shop.written(own)).containsExactly("booked");
  }

  @Test
  void cachedAnswer_isOfAFinishedPaymentAndCostsNoTransaction() {
    try (Shop caching = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank, true)) {
      PaymentOperation<String, String> operation = caching.checkout();
      IdempotencyKey own = operation.key("acme", Shop.freshName());
      operation.execute(own, "10 EUR");
      assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.REPLAYED);
      int before = ENDED.transactions.get();
      assertThat(operation.execute(own, "10 EUR")).isEqualTo(Answer.replayed("paid by ch-1"));
      assertThat(operation.execute(own, "11 EUR").outcome())
          .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
      assertThat(ENDED.transactions.get()).isEqualTo(before);
      assertThat(caching.registry.get("pgbelay.idempotency.payment.cache.hits").counter().count())
          .isEqualTo(2);
    }
  }

  @Test
  void openPayment_isNeverCached() {
    try (Shop caching = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank, true)) {
      PaymentOperation<String, String> operation = caching.checkout();
      IdempotencyKey own = operation.key("acme", Shop.freshName());
      bank.then(Bank.timeoutAfterActing());
      assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
      caching.age(own, "1 hour");
      assertThat(operation.execute(own, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
      assertThat(caching.registry.find("pgbelay.idempotency.payment.takeovers").counters())
          .as("it was given back, and nobody crashed")
          .isEmpty();
    }
  }
}
