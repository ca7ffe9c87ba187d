package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Idempotency;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Operation;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Keys behind PgBouncer in transaction mode: three server connections for eight clients. */
class PaymentPgBouncerTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final Duration LONG = Duration.ofMinutes(2);
  private static final int KEYS = 10;
  private static final int CALLS = 3;

  private final ExecutorService threads = Executors.newFixedThreadPool(8);
  private @Nullable PgBouncer bouncer;
  private @Nullable HikariDataSource pool;
  private String url = "";

  @BeforeEach
  void startPooler() {
    PgBouncer started = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 3);
    bouncer = started;
    url = started.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0";
    pool = Shop.pool(url, 8);
  }

  @AfterEach
  void stopPooler() throws InterruptedException {
    threads.shutdownNow();
    assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
    if (pool != null) {
      pool.close();
    }
    if (bouncer != null) {
      bouncer.close();
    }
  }

  private HikariDataSource pool() {
    return Objects.requireNonNull(pool);
  }

  private List<Answer<String>> all(List<Callable<Answer<String>>> calls) throws Exception {
    List<Answer<String>> answers = new ArrayList<>();
    for (Future<Answer<String>> call : threads.invokeAll(calls, 5, TimeUnit.MINUTES)) {
      answers.add(call.get());
    }
    return answers;
  }

  private static Answer<String> untilAnswered(Callable<Answer<String>> call) {
    return Awaitility.await().atMost(LONG).until(call, answer -> answer.response().isPresent());
  }

  @Test
  void paymentsAndTheirDuplicates_chargeOnceAndLeaveNoSettingBehind() throws Exception {
    Bank bank = new Bank();
    try (Shop shop = new Shop(pool(), url, bank, Duration.ofSeconds(1))) {
      ProviderCall<String, String> guarded =
          ProviderCall.of(
              (execution, key) -> {
                shop.transactions.execute(execution::guard);
                return bank.call(execution, key);
              },
              (execution, key) -> bank.find(execution, key));
      PaymentOperation<String, String> checkout =
          shop.bare(Shop.freshName())
              .attempts(1_000, Duration.ofMillis(1), Duration.ofMillis(10))
              .database(Shop.RESERVED, (tx, execution) -> Shop.write(tx, execution, "reserved"))
              .provider(Shop.CHARGED, guarded, Shop.limits())
              .database(Shop.BOOKED, (tx, execution) -> Shop.write(tx, execution, "booked"))
              .respond(Shop::receipt)
              .build();
      bank.then(Bank.timeoutAfterActing()).then(Bank.timeoutBeforeActing());
      bank.then(
          (it, execution, key) -> {
            String before = leaseUntil(shop, execution.key());
            Awaitility.await()
                .atMost(LONG)
                .until(() -> !leaseUntil(shop, execution.key()).equals(before));
            return ProviderReply.succeeded(it.charge(key));
          });
      List<Callable<Answer<String>>> calls = new ArrayList<>();
      for (int i = 0; i < KEYS * CALLS; i++) {
        IdempotencyKey key = checkout.key("acme", "k" + i / CALLS);
        calls.add(
            () -> untilAnswered(() -> checkout.execute(key, "10 EUR", Duration.ofSeconds(1))));
      }
      List<Answer<String>> answers = all(calls);
      for (int i = 0; i < KEYS; i++) {
        assertThat(answers.subList(i * CALLS, (i + 1) * CALLS))
            .extracting(answer -> answer.response().orElseThrow())
            .containsOnly(answers.get(i * CALLS).response().orElseThrow());
        assertThat(shop.written(checkout.key("acme", "k" + i)))
            .containsExactly("reserved", "booked");
      }
      assertThat(bank.charged()).isEqualTo(KEYS);
      assertNothingIsLeftOnTheSessions(shop);
    }
  }

  private static String leaseUntil(Shop shop, IdempotencyKey key) {
    return shop.dsl
        .fetchSingle(
            "select lease_until::text from pgbelay.payment where operation = ? and key = ?",
            key.operation(),
            key.key())
        .get(0, String.class);
  }

  private static void assertNothingIsLeftOnTheSessions(Shop shop) {
    for (int i = 0; i < 20; i++) {
      assertThat(
              shop.dsl
                  .fetchSingle("select current_setting('idle_in_transaction_session_timeout')")
                  .get(0, String.class))
          .isEqualTo("0");
    }
    assertThat(
            shop.dsl
                .fetchSingle("select count(*) from pg_locks where locktype = 'advisory'")
                .get(0, Integer.class))
        .isZero();
  }

  @Test
  void simpleOperationsAndTheirDuplicates_workOnce() throws Exception {
    String name = Shop.freshName();
    Operation<String, String> place =
        Idempotency.builder(Transactions.of(pool()), pool())
            .build()
            .operation(name, Shop::fingerprint, Codec.text())
            .build();
    List<Callable<Answer<String>>> calls = new ArrayList<>();
    for (int i = 0; i < KEYS * CALLS; i++) {
      String text = name + "-k" + i / CALLS;
      IdempotencyKey key = place.key("acme", text);
      calls.add(
          () ->
              place.execute(
                  key,
                  text,
                  LONG,
                  tx -> {
                    tx.dsl().execute("insert into written (key, what) values (?, 'placed')", text);
                    return "placed " + text;
                  }));
    }
    List<Answer<String>> answers = all(calls);
    for (int i = 0; i < calls.size(); i++) {
      assertThat(answers.get(i).response()).contains("placed " + name + "-k" + i / CALLS);
    }
    int written =
        Transactions.of(pool())
            .run(
                tx ->
                    tx.dsl()
                        .fetchSingle("select count(*) from written where what = 'placed'")
                        .get(0, Integer.class));
    assertThat(written).isEqualTo(KEYS);
  }
}
