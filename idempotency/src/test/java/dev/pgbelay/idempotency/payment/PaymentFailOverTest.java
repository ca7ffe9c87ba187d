package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** Servers that crash, or are replaced by one that does not know of a payment. */
class PaymentFailOverTest {
  private static final Duration LONG = Duration.ofMinutes(2);

  private static String bothNodes(PostgresCluster cluster) {
    String first = hostAndPort(cluster.primary().jdbcUrl());
    String second = hostAndPort(cluster.replica().jdbcUrl());
    return cluster.primary().jdbcUrl().replace(first, first + "," + second)
        + "&targetServerType=primary";
  }

  private static String hostAndPort(String url) {
    String behind = url.substring(url.indexOf("//") + 2);
    return behind.substring(0, behind.indexOf('/'));
  }

  /** The same call until the database is there again and the payment has its answer. */
  private static Answer<String> again(
      PaymentOperation<String, String> operation, IdempotencyKey key) {
    return Awaitility.await()
        .atMost(LONG)
        .pollInterval(Duration.ofMillis(50))
        .ignoreExceptions()
        .until(() -> operation.execute(key, "10 EUR"), answer -> answer.response().isPresent());
  }

  /** The provider acted, its answer was lost, and so was the payment itself. */
  @Test
  void failOverThatLostTheClaim_meetsTheProvidersMemoryUnderTheSameKey() throws Exception {
    Bank bank = new Bank();
    try (PostgresCluster cluster =
            PostgresCluster.builder().replicas(1).replicasThroughProxy().start();
        HikariDataSource work = Shop.pool(bothNodes(cluster), 3)) {
      Shop.SCHEMA.initialize(work);
      try (Shop shop = new Shop(work, bothNodes(cluster), bank)) {
        PaymentOperation<String, String> checkout = shop.checkout();
        IdempotencyKey key = checkout.key("acme", "k");
        cluster.replica().awaitCaughtUp();
        FaultProxy stream = cluster.replica().upstreamProxy().orElseThrow();
        stream.refuseConnections();
        stream.dropConnections();
        bank.then(Bank.timeoutAfterActing());
        assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
        cluster.primary().crash();
        cluster.replica().promote();
        assertThat(again(checkout, key).response()).contains("paid by ch-1");
        assertThat(bank.calls()).hasSize(2).containsOnly(checkout.providerKey(key, Shop.CHARGED));
        assertThat(bank.charged()).isEqualTo(1);
        assertThat(shop.written(key)).containsExactly("reserved", "booked");
      }
    }
  }

  @Test
  void serverThatCrashesDuringTheCall_knowsTheIntentAndThePaymentGoesOn() throws Exception {
    Bank bank = new Bank();
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource work = Shop.pool(cluster.primary().jdbcUrl(), 3)) {
      Shop.SCHEMA.initialize(work);
      try (Shop shop = new Shop(work, cluster.primary().jdbcUrl(), bank, Duration.ofSeconds(2))) {
        PaymentOperation<String, String> checkout = shop.checkout();
        IdempotencyKey key = checkout.key("acme", "k");
        bank.then(
            (provider, execution, providerKey) -> {
              String charge = provider.charge(providerKey);
              cluster.primary().crash();
              cluster.primary().restart();
              return ProviderReply.succeeded(charge);
            });
        assertThat(again(checkout, key).response()).contains("paid by ch-1");
        assertThat(bank.charged()).isEqualTo(1);
        assertThat(shop.written(key)).containsExactly("reserved", "booked");
      }
    }
  }
}
