package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jooq.Record;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Those who meet in a payment, and find it other than they left it. */
class PaymentHazardsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final Duration LONG = Duration.ofMinutes(2);

  private final Bank bank = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final ExecutorService threads = Executors.newCachedThreadPool();

  @AfterEach
  void close() {
    threads.shutdownNow();
    shop.close();
  }

  private static <T> T get(Future<T> future) throws Exception {
    return future.get(LONG.toSeconds(), TimeUnit.SECONDS);
  }

  private Record row(IdempotencyKey key) {
    return shop.dsl.fetchSingle(
        "select claimant, claim_number, lease_until from pgbelay.payment where key = ?", key.key());
  }

  @Test
  void renewalOfAStalledHolder_doesNotProlongTheClaimOfItsSuccessor() throws Exception {
    PaymentOperation<String, String> checkout = shop.checkout();
    IdempotencyKey key = checkout.key("acme", Shop.freshName());
    CountDownLatch firstCalled = new CountDownLatch(1);
    CountDownLatch secondCalled = new CountDownLatch(1);
    CountDownLatch firstGoes = new CountDownLatch(1);
    CountDownLatch secondGoes = new CountDownLatch(1);
    bank.knowsNothing()
        .then(holding(firstCalled, firstGoes))
        .then(holding(secondCalled, secondGoes));
    Future<Answer<String>> first = threads.submit(() -> checkout.execute(key, "10 EUR"));
    assertThat(firstCalled.await(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
    shop.stall();
    Record stalled = row(key);
    shop.age(key, "1 hour");
    Future<Answer<String>> second = threads.submit(() -> checkout.execute(key, "10 EUR"));
    assertThat(secondCalled.await(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
    OffsetDateTime successors = row(key).get("lease_until", OffsetDateTime.class);
    renew(
        key,
        new Fence(stalled.get("claimant", UUID.class), stalled.get("claim_number", Long.class)));
    assertThat(row(key).get("lease_until", OffsetDateTime.class)).isEqualTo(successors);
    Record now = row(key);
    renew(key, new Fence(now.get("claimant", UUID.class), now.get("claim_number", Long.class)));
    assertThat(row(key).get("lease_until", OffsetDateTime.class))
        .as("the holder's own does")
        .isAfter(successors.plusMinutes(30));
    secondGoes.countDown();
    assertThat(get(second)).isEqualTo(Answer.executed("paid by ch-1"));
    firstGoes.countDown();
    assertThat(get(first)).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
  }

  private static Bank.Turn holding(CountDownLatch called, CountDownLatch goes) {
    return (bank, execution, providerKey) -> {
      String charge = bank.charge(providerKey);
      called.countDown();
      goes.await();
      return ProviderReply.succeeded(charge);
    };
  }

  private void renew(IdempotencyKey key, Fence fence) throws SQLException {
    try (Connection connection = postgres.dataSource().getConnection()) {
      new ClaimSql(shop.payments.sql().table())
          .renewAll(connection, List.of(key), List.of(fence), Duration.ofHours(1));
      if (!connection.getAutoCommit()) {
        connection.commit();
      }
    }
  }

  @Test
  void duplicatesAndCompletersAtOnce_chargeAndBookOnce() throws Exception {
    PaymentOperation<String, String> checkout = shop.checkout();
    for (int round = 0; round < 5; round++) {
      IdempotencyKey key = checkout.key("acme", Shop.freshName());
      int before = bank.charged();
      bank.then(Bank.timeoutAfterActing());
      assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
      shop.age(key, "1 hour");
      CyclicBarrier together = new CyclicBarrier(4);
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        all.add(
            threads.submit(
                () -> {
                  together.await();
                  return checkout.execute(key, "10 EUR", LONG);
                }));
        all.add(
            threads.submit(
                () -> {
                  Completer completer = shop.completer();
                  together.await();
                  return completer.runOnce();
                }));
      }
      for (Future<?> each : all) {
        get(each);
      }
      assertThat(checkout.execute(key, "10 EUR", LONG).response()).isPresent();
      assertThat(bank.charged()).isEqualTo(before + 1);
      assertThat(shop.written(key)).containsExactly("reserved", "booked");
    }
  }

  /** The row is deleted by a transaction that has not committed yet. */
  @Test
  void retryWhileItsRowIsPurged_isExpired_andNewOnlyBehindThePurge() throws Exception {
    PaymentOperation<String, String> checkout = shop.checkout();
    IdempotencyKey key = checkout.key("acme", Shop.freshName());
    checkout.execute(key, "10 EUR");
    shop.age(key, "4 days");
    shop.transactions.execute(
        tx -> {
          tx.dsl().execute("delete from pgbelay.payment where key = ?", key.key());
          Future<Answer<String>> retry = threads.submit(() -> checkout.execute(key, "10 EUR"));
          assertThat(get(retry).outcome()).isEqualTo(Outcome.EXPIRED);
        });
    assertThat(bank.calls()).hasSize(1);
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(bank.calls()).hasSize(2);
    assertThat(bank.charged()).as("a provider that still knows the key").isEqualTo(1);
  }

  @Test
  void stepThatChangesItsRequest_changesNeitherTheFingerprintNorWhatIsCarriedOn() throws Exception {
    List<String> seen = new ArrayList<>();
    PaymentOperation<StringBuilder, String> operation =
        shop.payments
            .operation(
                Shop.freshName(),
                (StringBuilder request) -> Shop.fingerprint(request.toString()),
                new Builders(),
                Codec.text())
            .attempts(3, Duration.ofMillis(1), Duration.ofMillis(2))
            .database(
                Shop.RESERVED,
                (tx, execution) -> execution.request().append(" and more").toString())
            .provider(
                Shop.CHARGED,
                ProviderCall.of(
                    (execution, providerKey) -> {
                      throw new java.io.IOException("timeout");
                    },
                    (execution, providerKey) -> {
                      seen.add(execution.request().toString());
                      return ProviderReply.succeeded("ch-1");
                    }),
                Shop.limits())
            .respond((tx, execution) -> execution.request().toString())
            .build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(key, new StringBuilder("10 EUR")).outcome())
        .isEqualTo(Outcome.UNKNOWN_OUTCOME);
    shop.age(key, "1 hour");
    assertThat(operation.execute(key, new StringBuilder("10 EUR and more")).outcome())
        .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    assertThat(shop.completer().runOnce()).isEqualTo(1);
    assertThat(seen).containsExactly("10 EUR");
    assertThat(operation.execute(key, new StringBuilder("10 EUR")))
        .isEqualTo(Answer.replayed("10 EUR"));
  }

  /** Requests that can be changed. */
  private static final class Builders implements Codec<StringBuilder> {
    @Override
    public byte[] encode(StringBuilder value) {
      return value.toString().getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public StringBuilder decode(byte[] bytes) {
      return new StringBuilder(new String(bytes, StandardCharsets.UTF_8));
    }
  }
}
