package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Commits that a crash would forget are refused wherever a payment is written. */
class PaymentDurabilityPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final TxOptions OFF =
      TxOptions.builder().setting("synchronous_commit", "off").build();

  private final Bank bank = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final Shop careless = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);

  @AfterEach
  void close() {
    shop.close();
    careless.close();
  }

  private static String switchOff(Tx tx, Execution<String> execution) {
    tx.dsl().execute("set local synchronous_commit = off");
    return "off";
  }

  /** Of a payment of which nobody knows what the provider did. */
  private IdempotencyKey unknown(String name) {
    PaymentOperation<String, String> operation = shop.checkout(name, Shop.limits()).build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    bank.then(Bank.timeoutAfterActing());
    assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    shop.age(key, "1 hour");
    return key;
  }

  private String claim(IdempotencyKey key) {
    return shop.dsl
        .fetchSingle(
            "select claimant || '/' || claim_number from pgbelay.payment where key = ?", key.key())
        .get(0, String.class);
  }

  @Test
  void completerUnderSynchronousCommitOff_takesNothing() {
    String name = Shop.freshName();
    careless.checkout(name, Shop.limits()).options(OFF).build();
    IdempotencyKey key = unknown(name);
    String before = claim(key);
    Completer completer = careless.completer();
    assertThatThrownBy(completer::runOnce)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("synchronous_commit is off");
    assertThat(shop.state(key)).isEqualTo("UNKNOWN");
    assertThat(claim(key)).isEqualTo(before);
  }

  @Test
  void settlementUnderSynchronousCommitOff_isRefused() {
    String name = Shop.freshName();
    PaymentOperation<String, String> hasty =
        careless.checkout(name, Shop.limits()).options(OFF).build();
    IdempotencyKey key = unknown(name);
    assertThatThrownBy(() -> hasty.settle(key, Shop.CHARGED, ProviderReply.succeeded("ch-1")))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("synchronous_commit is off");
    assertThat(shop.state(key)).isEqualTo("UNKNOWN");
    assertThat(hasty.find(key).map(Answer::outcome)).contains(Outcome.IN_PROGRESS);
  }

  @Test
  void stepThatSwitchesItOff_losesItsTransactionAndNobodyIsAsked() {
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .database(Shop.RESERVED, PaymentDurabilityPostgresTest::switchOff)
            .provider(Shop.CHARGED, bank, Shop.limits())
            .respond(Shop::receipt)
            .build();
    IdempotencyKey key = operation.key("acme", "k");
    assertThatThrownBy(() -> operation.execute(key, "10 EUR"))
        .hasMessageContaining("synchronous_commit is off");
    assertThat(bank.calls()).isEmpty();
    assertThat(shop.state(key)).isEqualTo("none");
  }

  @Test
  void stepBehindTheCallThatSwitchesItOff_doesNotFinishThePayment() {
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, bank, Shop.limits())
            .database(Shop.BOOKED, PaymentDurabilityPostgresTest::switchOff)
            .respond(Shop::receipt)
            .build();
    IdempotencyKey key = operation.key("acme", "k");
    assertThatThrownBy(() -> operation.execute(key, "10 EUR"))
        .hasMessageContaining("synchronous_commit is off");
    assertThat(shop.state(key)).isEqualTo("RUNNING");
  }

  /** The intent of the second call would be the one that is forgotten. */
  @Test
  void stepBetweenTwoCallsThatSwitchesItOff_letsNobodyBeAskedTheSecondTime() {
    Bank second = new Bank();
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, bank, Shop.limits())
            .database(Shop.BOOKED, PaymentDurabilityPostgresTest::switchOff)
            .provider(Shop.SHIPPED, second, Shop.limits())
            .respond(Shop::receipt)
            .build();
    IdempotencyKey key = operation.key("acme", "k");
    assertThatThrownBy(() -> operation.execute(key, "10 EUR"))
        .hasMessageContaining("synchronous_commit is off");
    assertThat(bank.calls()).hasSize(1);
    assertThat(second.calls()).isEmpty();
    assertThat(shop.state(key)).isEqualTo("RUNNING");
  }

  /** No standby is needed: under {@code local} nobody waits for one. */
  @Test
  void localCommitWhereThereAreSynchronousStandbys_isRefused() throws Exception {
    try (PostgresCluster cluster =
            PostgresCluster.builder()
                .serverConfig("synchronous_standby_names", "standby")
                .serverConfig("synchronous_commit", "local")
                .start();
        HikariDataSource work = Shop.pool(cluster.primary().jdbcUrl(), 2)) {
      Shop.SCHEMA.initialize(work);
      try (Shop there = new Shop(work, cluster.primary().jdbcUrl(), bank)) {
        PaymentOperation<String, String> operation = there.checkout();
        IdempotencyKey key = operation.key("acme", "k");
        assertThatThrownBy(() -> operation.execute(key, "10 EUR"))
            .isInstanceOf(PgBelayException.class)
            .hasMessageContaining("local where there are synchronous standbys");
        assertThat(bank.calls()).isEmpty();
        assertThat(there.state(key)).isEqualTo("none");
      }
    }
  }

  @Test
  void localCommitWithoutStandbys_isAsDurableAsOn() {
    PaymentOperation<String, String> operation =
        shop.checkout(
            options ->
                options.options(
                    TxOptions.builder().setting("synchronous_commit", "local").build()));
    assertThat(operation.execute(operation.key("acme", "k"), "10 EUR").outcome())
        .isEqualTo(Outcome.EXECUTED);
  }

  /** Whether somebody was asked is said by the mark, and not by how long that was ago. */
  @Test
  void clockOfTheServerSetBack_doesNotLetAProviderWithoutKeysBeAskedAgain() {
    bank.knowsNothing().then(Bank.timeoutAfterActing());
    ProviderLimits noKeys =
        ProviderLimits.builder("bank", Duration.ZERO, Duration.ofSeconds(60))
            .attempts(1, Duration.ofMillis(1))
            .build();
    PaymentOperation<String, String> operation = shop.checkout(Shop.freshName(), noKeys).build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    operation.execute(key, "10 EUR");
    shop.age(key, "1 hour");
    shop.dsl.execute(
        "update pgbelay.payment set asked_at = clock_timestamp() + interval '1 hour'"
            + " where key = ?",
        key.key());
    assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(bank.calls()).hasSize(1);
  }

  private static PaymentOperation<String, String> newer(Shop there, String name, boolean accepts) {
    return there
        .payments
        .operation(
            name,
            (String request) -> {
              Fingerprint now = Fingerprint.of(2, (request + "!").getBytes(StandardCharsets.UTF_8));
              return accepts ? now.accepting(Shop.fingerprint(request)) : now;
            },
            Codec.text(),
            Codec.text())
        .attempts(3, Duration.ofMillis(1), Duration.ofMillis(2))
        .database(Shop.RESERVED, (tx, execution) -> Shop.write(tx, execution, "reserved"))
        .provider(Shop.CHARGED, there.bank, Shop.limits())
        .database(Shop.BOOKED, (tx, execution) -> Shop.write(tx, execution, "booked"))
        .respond(Shop::receipt)
        .build();
  }

  @Test
  void paymentOfAnotherVersionsFingerprint_isCarriedOnOnlyForARequestThatIsKnownToBeTheSame() {
    String name = Shop.freshName();
    IdempotencyKey key = unknown(name);
    PaymentOperation<String, String> newer = newer(careless, name, false);
    assertThatThrownBy(() -> newer.execute(key, "another"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("with a fingerprint of version 1");
    assertThat(shop.state(key)).isEqualTo("UNKNOWN");
    try (Shop third = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank, true)) {
      PaymentOperation<String, String> accepting = newer(third, name, true);
      assertThat(accepting.execute(key, "another").outcome())
          .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
      assertThat(accepting.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
      assertThat(accepting.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.REPLAYED);
      assertThat(accepting.execute(key, "another").outcome())
          .as("from the cache")
          .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    }
    assertThat(bank.calls()).hasSize(1);
  }
}
