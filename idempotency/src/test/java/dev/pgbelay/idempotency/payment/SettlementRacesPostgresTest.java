package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A webhook, an operator, two completers and a client are at one unknown payment. */
class SettlementRacesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final Duration LONG = Duration.ofMinutes(2);
  private static final ProviderReply<String> DONE = ProviderReply.succeeded("ch-1");
  private static final ProviderReply<String> NEVER = ProviderReply.refused("never came");

  private final Bank bank = new Bank().knowsNothing().then(Bank.timeoutAfterActing());
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final Shop other = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final PaymentOperation<String, String> checkout = checkout(shop, Shop.freshName());
  private final PaymentOperation<String, String> sameThere = checkout(other, checkout.name());
  private final IdempotencyKey key = checkout.key("acme", Shop.freshName());
  private final ExecutorService actors = Executors.newCachedThreadPool();

  /** Asked once: what the second call finds out would be another story. */
  private static PaymentOperation<String, String> checkout(Shop at, String name) {
    ProviderLimits once =
        ProviderLimits.builder("bank", Duration.ZERO, Duration.ofSeconds(60))
            .attempts(1, Duration.ofMillis(1))
            .build();
    return at.checkout(name, once).foundByProviderKey().build();
  }

  @BeforeEach
  void makeUnknown() {
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    shop.age(key, "1 hour");
  }

  @AfterEach
  void close() {
    actors.shutdownNow();
    shop.close();
    other.close();
  }

  private Settlement webhook() {
    return shop.transactions.run(
        tx ->
            checkout.settleByProviderKey(
                tx, checkout.providerKey(key, Shop.CHARGED), Shop.CHARGED, DONE));
  }

  private void awaitWaiting(int sessions) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () ->
                shop.dsl
                        .fetchSingle(
                            "select count(*) from pg_stat_activity"
                                + " where datname = current_database() and wait_event_type = 'Lock'")
                        .get(0, Integer.class)
                    == sessions);
  }

  /** Both wait for the payment's row, in this order; completers and clients wait for nobody. */
  private List<Settlement> settle(Callable<Settlement> first, Callable<Settlement> second)
      throws Exception {
    Future<Settlement> one;
    Future<Settlement> two;
    try (Connection holder = postgres.dataSource().getConnection()) {
      holder.setAutoCommit(false);
      DSL.using(holder, SQLDialect.POSTGRES)
          .fetch("select 1 from pgbelay.payment where key = ? for update", key.key());
      one = actors.submit(first);
      awaitWaiting(1);
      two = actors.submit(second);
      awaitWaiting(2);
      assertThat(shop.completer().runOnce()).isZero();
      assertThat(other.completer().runOnce()).isZero();
      assertThat(sameThere.execute(key, "10 EUR").outcome())
          .isIn(Outcome.UNKNOWN_OUTCOME, Outcome.IN_PROGRESS);
      holder.rollback();
    }
    return List.of(one.get(60, TimeUnit.SECONDS), two.get(60, TimeUnit.SECONDS));
  }

  private Answer<String> carriedOnByAll() throws Exception {
    Future<Integer> here = actors.submit(() -> shop.completer().runOnce());
    Future<Integer> there = actors.submit(() -> other.completer().runOnce());
    Answer<String> answer = sameThere.execute(key, "10 EUR", LONG);
    assertThat(here.get(60, TimeUnit.SECONDS) + there.get(60, TimeUnit.SECONDS))
        .isLessThanOrEqualTo(1);
    assertThat(bank.calls()).hasSize(1);
    assertThat(checkout.execute(key, "10 EUR").response()).isEqualTo(answer.response());
    return answer;
  }

  private boolean isContradicted() {
    return shop.payments.contradicted(100).stream().anyMatch(each -> each.key().equals(key));
  }

  @Test
  void webhookAndOperatorWhoAgree_settleOnce() throws Exception {
    assertThat(settle(this::webhook, () -> sameThere.settle(key, Shop.CHARGED, DONE)))
        .containsExactly(Settlement.SETTLED, Settlement.ALREADY_KNOWN);
    assertThat(carriedOnByAll().response()).contains("paid by ch-1");
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
    assertThat(isContradicted()).isFalse();
  }

  @Test
  void operatorWhoIsFirstAndWrong_countsAndIsContradicted() throws Exception {
    assertThat(settle(() -> sameThere.settle(key, Shop.CHARGED, NEVER), this::webhook))
        .containsExactly(Settlement.SETTLED, Settlement.CONTRADICTED);
    assertThat(carriedOnByAll().response()).contains("refused: never came");
    assertThat(shop.written(key)).containsExactly("reserved");
    assertThat(isContradicted()).isTrue();
  }

  @Test
  void operatorWhoIsSecondAndWrong_changesNothingAndIsNoted() throws Exception {
    assertThat(settle(this::webhook, () -> sameThere.settle(key, Shop.CHARGED, NEVER)))
        .containsExactly(Settlement.SETTLED, Settlement.CONTRADICTED);
    assertThat(carriedOnByAll().response()).contains("paid by ch-1");
    assertThat(shop.written(key)).containsExactly("reserved", "booked");
    assertThat(isContradicted()).isTrue();
  }
}
