package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.PostgresCluster;
import org.junit.jupiter.api.Test;

/** A service that was pointed at a replica by mistake. */
class PaymentReplicaTest {
  @Test
  void keyReadFromAReplicaThatLags_isMissingThereAndNobodyIsAsked() throws Exception {
    Bank bank = new Bank();
    try (PostgresCluster cluster = PostgresCluster.builder().replicas(1).start();
        HikariDataSource primary = Shop.pool(cluster.primary().jdbcUrl(), 2);
        HikariDataSource replica = Shop.pool(cluster.replica().jdbcUrl(), 2)) {
      Shop.SCHEMA.initialize(primary);
      cluster.replica().awaitCaughtUp();
      cluster.replica().pauseReplay();
      try (Shop shop = new Shop(primary, cluster.primary().jdbcUrl(), bank);
          Shop astray = new Shop(replica, cluster.primary().jdbcUrl(), bank)) {
        String name = Shop.freshName();
        PaymentOperation<String, String> checkout = shop.checkout(name, Shop.limits()).build();
        PaymentOperation<String, String> there = astray.checkout(name, Shop.limits()).build();
        IdempotencyKey key = checkout.key("acme", "k");
        assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
        assertThat(there.find(key)).as("not replayed there yet").isEmpty();
        assertThatThrownBy(() -> there.execute(key, "10 EUR"))
            .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.READ_ONLY));
        assertThat(bank.calls()).hasSize(1);
        cluster.replica().resumeReplay();
        cluster.replica().awaitCaughtUp();
        assertThat(there.find(key).map(Answer::outcome)).contains(Outcome.REPLAYED);
        assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.REPLAYED);
      }
    }
  }
}
