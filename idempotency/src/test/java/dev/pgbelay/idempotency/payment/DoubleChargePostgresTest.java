package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** How money is taken twice, forced; and that it is not, with what is there against it. */
class DoubleChargePostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource -> {
                Shop.SCHEMA.initialize(dataSource);
                StormShop.TABLES.initialize(dataSource);
              });

  private static final Duration LONG = Duration.ofMinutes(2);
  private static final ProviderLimits NO_KEYS =
      ProviderLimits.builder("keyless", Duration.ZERO, Duration.ofMinutes(10))
          .attempts(1, Duration.ofMillis(1))
          .build();

  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final List<String> first = new CopyOnWriteArrayList<>();
  private final List<String> second = new CopyOnWriteArrayList<>();
  private final CountDownLatch stalledIsAtFirst = new CountDownLatch(1);
  private final CountDownLatch successorIsAtSecond = new CountDownLatch(1);
  private final CountDownLatch stalledWakes = new CountDownLatch(1);
  private final CountDownLatch successorGoesOn = new CountDownLatch(1);

  @AfterEach
  void close() throws InterruptedException {
    stalledWakes.countDown();
    successorGoesOn.countDown();
    threads.shutdownNow();
    assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
  }

  /** Two charges by a provider without keys; each holder stands still at one of them. */
  private PaymentOperation<String, String> twoCharges(Shop shop) {
    return shop.bare("two-charges")
        .provider(
            Shop.CHARGED,
            ProviderCall.of(
                (execution, key) -> {
                  first.add(key);
                  stalledIsAtFirst.countDown();
                  stalledWakes.await();
                  return ProviderReply.succeeded("ch-" + first.size());
                },
                (execution, key) -> ProviderReply.succeeded("ch-1")),
            NO_KEYS)
        .provider(
            Shop.SHIPPED,
            (execution, key) -> {
              second.add(key);
              if (second.size() == 1) {
                successorIsAtSecond.countDown();
                successorGoesOn.await();
              }
              return ProviderReply.succeeded("sh-" + second.size());
            },
            NO_KEYS)
        .respond(Shop::receipt)
        .build();
  }

  /** The holder wakes when its successor is just being charged for the second step. */
  private Answer<String> wakeBehindASuccessor(DataSource dataSource, String key) throws Exception {
    try (Shop stalled = new Shop(dataSource, postgres.jdbcUrl(), new Bank());
        Shop successor = new Shop(dataSource, postgres.jdbcUrl(), new Bank())) {
      PaymentOperation<String, String> ours = twoCharges(stalled);
      PaymentOperation<String, String> theirs = twoCharges(successor);
      IdempotencyKey same = ours.key("acme", key);
      Future<Answer<String>> before = threads.submit(() -> ours.execute(same, "10 EUR"));
      assertThat(stalledIsAtFirst.await(60, TimeUnit.SECONDS)).isTrue();
      stalled.stall();
      stalled.age(same, "1 hour");
      Future<Answer<String>> after = threads.submit(() -> theirs.execute(same, "10 EUR"));
      assertThat(successorIsAtSecond.await(60, TimeUnit.SECONDS)).isTrue();
      stalledWakes.countDown();
      Answer<String> answer = before.get(60, TimeUnit.SECONDS);
      successorGoesOn.countDown();
      assertThat(after.get(60, TimeUnit.SECONDS).response()).isPresent();
      return answer;
    }
  }

  @Test
  void stalledHolderWithTheFence_isToldThatAnotherHasThePaymentAndChargesNothing()
      throws Exception {
    Answer<String> answer = wakeBehindASuccessor(postgres.dataSource(), Shop.freshName());
    assertThat(answer.outcome()).isEqualTo(Outcome.IN_PROGRESS);
    assertThat(first).hasSize(1);
    assertThat(second).hasSize(1);
  }

  @Test
  void stalledHolderWithoutTheFence_chargesASecondTime() throws Exception {
    UnfencedDataSource unfenced = new UnfencedDataSource(StormProcess.driver(postgres.jdbcUrl()));
    try (HikariDataSource pool = StormProcess.pool(unfenced, 4)) {
      Answer<String> answer = wakeBehindASuccessor(pool, Shop.freshName());
      assertThat(unfenced.removed()).isPositive();
      assertThat(answer.outcome()).isEqualTo(Outcome.EXECUTED);
      assertThat(second).as("charges for one step of one key").hasSize(2);
    }
  }

  /** Between the intent and the call; the successor was charged, and the provider has forgotten. */
  @Test
  void holderThatStoodStillBetweenIntentAndCall_doesNotSendWhatItsSuccessorSent() throws Exception {
    Duration lease = Duration.ofMillis(100);
    AtomicBoolean stands = new AtomicBoolean();
    Bank bank = new Bank().then((it, execution, key) -> ProviderReply.succeeded(it.charge(key)));
    bank.then((it, execution, key) -> ProviderReply.succeeded(it.chargeAgain(key)));
    try (Shop stalled = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank, lease);
        Shop successor = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank, lease)) {
      String name = Shop.freshName();
      PaymentOperation<String, String> ours =
          stalled
              .bare(name)
              .database(
                  Shop.RESERVED,
                  (tx, execution) -> {
                    tx.afterCommit(
                        commit -> {
                          stands.set(true);
                          awaitUninterruptibly(stalledWakes);
                        });
                    return "reserved";
                  })
              .provider(Shop.CHARGED, bank, Shop.limits())
              .respond(Shop::receipt)
              .build();
      PaymentOperation<String, String> theirs =
          successor
              .bare(name)
              .database(Shop.RESERVED, (tx, execution) -> "reserved")
              .provider(Shop.CHARGED, bank, Shop.limits())
              .respond(Shop::receipt)
              .build();
      IdempotencyKey key = ours.key("acme", "k");
      Future<Answer<String>> before = threads.submit(() -> ours.execute(key, "10 EUR"));
      Awaitility.await().atMost(LONG).until(stands::get);
      Awaitility.await()
          .atMost(LONG)
          .until(() -> theirs.execute(key, "10 EUR").response().isPresent());
      stalledWakes.countDown();
      assertThat(before.get(60, TimeUnit.SECONDS)).isEqualTo(Answer.replayed("paid by ch-1"));
      assertThat(bank.calls()).hasSize(1);
      assertThat(bank.charged()).isEqualTo(1);
    }
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void lostAnswerOfAKeylessProvider_isChargedTwiceByWhoFreesTheKeyAndOnceByAPayment()
      throws Exception {
    String key = Shop.freshName();
    try (FakeProvider provider =
            FakeProvider.builder(InstantSource.system()).withoutKeys().start();
        HikariDataSource keepAlive = Shop.pool(postgres.jdbcUrl(), 1);
        StormShop shop =
            new StormShop(
                postgres.dataSource(), keepAlive, Map.of(StormRegime.KEYLESS, provider.uri()))) {
      NaiveShop naive = naive(StormRegime.KEYLESS, provider);
      provider.next(ProviderFault.DROP_AFTER_ACTING);
      assertThatThrownBy(() -> naive.call(StormRegime.KEYLESS, key))
          .isInstanceOf(IOException.class);
      assertThat(naive.call(StormRegime.KEYLESS, key)).isPresent();
      assertThat(charges(provider, StormRegime.KEYLESS, key)).isEqualTo(2);

      String other = Shop.freshName();
      provider.next(ProviderFault.DROP_AFTER_ACTING);
      assertThat(shop.call(StormRegime.KEYLESS, other, Duration.ZERO).outcome())
          .isEqualTo(Outcome.UNKNOWN_OUTCOME);
      Awaitility.await()
          .atMost(LONG)
          .until(() -> shop.call(StormRegime.KEYLESS, other, Duration.ZERO).response().isPresent());
      assertThat(charges(provider, StormRegime.KEYLESS, other)).isEqualTo(1);
    }
  }

  /** What a provider's memory hides while it lasts. */
  @Test
  void keyFreedOnAnException_chargesTwiceOnceTheProviderHasForgottenItsKey() throws Exception {
    String key = Shop.freshName();
    try (FakeProvider provider = FakeProvider.start(InstantSource.system())) {
      NaiveShop naive = naive(StormRegime.KEYED, provider);
      provider.next(ProviderFault.DROP_AFTER_ACTING, ProviderFault.DROP_AFTER_ACTING);
      for (int i = 0; i < 2; i++) {
        assertThatThrownBy(() -> naive.call(StormRegime.KEYED, key))
            .isInstanceOf(IOException.class);
      }
      assertThat(charges(provider, StormRegime.KEYED, key)).as("within its window").isEqualTo(1);
      provider.forgetKeys();
      assertThat(naive.call(StormRegime.KEYED, key)).isPresent();
      assertThat(charges(provider, StormRegime.KEYED, key)).isEqualTo(2);
    }
  }

  private static NaiveShop naive(StormRegime regime, FakeProvider provider) {
    return new NaiveShop(
        postgres.dataSource(),
        StormShop.banks(Map.of(regime, provider.uri()), Duration.ofMinutes(1)),
        "naive");
  }

  private static int charges(FakeProvider provider, StormRegime regime, String key) {
    return provider.effects(StormBank.reference(regime, key, StormBank.CHARGE));
  }
}
