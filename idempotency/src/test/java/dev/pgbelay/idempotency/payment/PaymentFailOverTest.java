package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
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

  /** What is looked at behind a fail-over. */
  @FunctionalInterface
  private interface Behind {
    void look(Shop shop, PaymentOperation<String, String> checkout, IdempotencyKey key)
        throws Exception;
  }

  /** The provider acted, its answer was lost, and so was the payment itself. */
  private static void behindAFailOverThatLostTheClaim(Bank bank, Behind behind) throws Exception {
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
        behind.look(shop, checkout, key);
      }
    }
  }

  @Test
  void failOverThatLostTheClaim_meetsTheProvidersMemoryUnderTheSameKey() throws Exception {
    Bank bank = new Bank();
    behindAFailOverThatLostTheClaim(
        bank,
        (shop, checkout, key) -> {
          assertThat(again(checkout, key).response()).contains("paid by ch-1");
          assertThat(bank.calls()).hasSize(2).containsOnly(checkout.providerKey(key, Shop.CHARGED));
          assertThat(bank.charged()).isEqualTo(1);
          assertThat(shop.written(key)).containsExactly("reserved", "booked");
        });
  }

  private static void awaitSynchronousStandby(PostgresCluster cluster) {
    try (HikariDataSource asking = Shop.pool(cluster.primary().jdbcUrl(), 1)) {
      DSLContext dsl = DSL.using(asking, SQLDialect.POSTGRES);
      Awaitility.await()
          .atMost(LONG)
          .until(
              () ->
                  dsl.fetchSingle(
                          "select count(*) > 0 from pg_stat_replication where sync_state = 'sync'")
                      .get(0, Boolean.class));
    }
  }

  /** What was committed before the provider was asked is on the standby that takes over. */
  @Test
  void failOverToASynchronousStandby_knowsTheIntentAndResumesIt() throws Exception {
    Bank bank = new Bank();
    try (PostgresCluster cluster = PostgresCluster.builder().replicas(1).start();
        HikariDataSource work = Shop.pool(bothNodes(cluster), 3)) {
      Shop.SCHEMA.initialize(work);
      PostgresNode standby = cluster.replica();
      standby.awaitCaughtUp();
      cluster.primary().configure("synchronous_standby_names", "*");
      awaitSynchronousStandby(cluster);
      try (Shop shop = new Shop(work, bothNodes(cluster), bank, Duration.ofSeconds(2))) {
        PaymentOperation<String, String> checkout = shop.checkout();
        IdempotencyKey key = checkout.key("acme", "k");
        bank.then(
            (provider, execution, providerKey) -> {
              provider.charge(providerKey);
              cluster.primary().crash();
              standby.promote();
              throw new IOException("the process is cut off from the provider as well");
            });
        assertThat(outcomeIfAny(checkout, key)).isNotEqualTo(Optional.of(Outcome.EXECUTED));
        assertThat(intent(shop, key)).isEqualTo("charge");
        assertThat(shop.written(key)).containsExactly("reserved");
        assertThat(again(checkout, key).response()).contains("paid by ch-1");
        assertThat(bank.calls()).as("resumed by the status query").hasSize(1);
        assertThat(bank.charged()).isEqualTo(1);
        assertThat(shop.written(key)).containsExactly("reserved", "booked");
      }
    }
  }

  /** Empty if what is known behind the call could not be written at once. */
  private static Optional<Outcome> outcomeIfAny(
      PaymentOperation<String, String> operation, IdempotencyKey key) {
    try {
      return Optional.of(operation.execute(key, "10 EUR").outcome());
    } catch (RuntimeException e) {
      return Optional.empty();
    }
  }

  /** Whom the payment has an intent for, as the new primary has it. */
  private static String intent(Shop shop, IdempotencyKey key) {
    return Awaitility.await()
        .atMost(LONG)
        .ignoreExceptions()
        .until(
            () ->
                shop.dsl
                    .fetchSingle("select asked from pgbelay.payment where key = ?", key.key())
                    .get(0, String.class),
            asked -> true);
  }

  /** The standby's disk is full, say: nobody is asked for what it does not have. */
  @Test
  void intentThatTheSynchronousStandbyDoesNotGet_asksNobody() throws Exception {
    Bank bank = new Bank();
    try (PostgresCluster cluster =
            PostgresCluster.builder().replicas(1).replicasThroughProxy().start();
        HikariDataSource work = Shop.pool(cluster.primary().jdbcUrl(), 3)) {
      Shop.SCHEMA.initialize(work);
      cluster.replica().awaitCaughtUp();
      cluster.primary().configure("synchronous_standby_names", "*");
      awaitSynchronousStandby(cluster);
      FaultProxy stream = cluster.replica().upstreamProxy().orElseThrow();
      stream.freeze();
      try (Shop shop = new Shop(work, cluster.primary().jdbcUrl(), bank)) {
        PaymentOperation<String, String> checkout = shop.checkout();
        IdempotencyKey key = checkout.key("acme", "k");
        CompletableFuture<Answer<String>> waiting =
            CompletableFuture.supplyAsync(() -> checkout.execute(key, "10 EUR"));
        Awaitility.await()
            .atMost(LONG)
            .until(
                () ->
                    shop.dsl
                        .fetchSingle(
                            "select count(*) > 0 from pg_stat_activity"
                                + " where wait_event = 'SyncRep'"
                                + " and backend_type = 'client backend'")
                        .get(0, Boolean.class));
        assertThat(bank.calls()).isEmpty();
        stream.thaw();
        assertThat(waiting.get(LONG.toSeconds(), TimeUnit.SECONDS).response())
            .contains("paid by ch-1");
        assertThat(bank.calls()).hasSize(1);
      } finally {
        cluster.primary().configure("synchronous_standby_names", "");
      }
    }
  }

  /** Without a memory of keys at the provider nothing is left that could prevent it. */
  @Test
  void failOverThatLostTheClaim_isPreventedByTheProvidersKeysAlone() throws Exception {
    Bank bank = new Bank();
    behindAFailOverThatLostTheClaim(
        bank,
        (shop, checkout, key) -> {
          bank.then(
              (provider, execution, providerKey) ->
                  ProviderReply.succeeded(provider.chargeAgain(providerKey)));
          assertThat(again(checkout, key).response()).contains("paid by ch-2");
          assertThat(bank.charged()).as("the guide says so").isEqualTo(2);
        });
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
