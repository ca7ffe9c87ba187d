package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.Plans;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jooq.Table;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * In a table that was never analysed, as on the first day and behind a TRUNCATE, one payment is
 * looked up by its key, and what is open or old is found by the index on it.
 */
class PaymentPlansPostgresTest {
  private static final Plans PLANS = new Plans();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Shop.SCHEMA).withObserver(PLANS);

  @BeforeAll
  static void manyPayments() {
    Plans.withoutStatistics(postgres.dataSource(), "payment");
  }

  /** A thousandth of them open. */
  private static void fill(Shop shop, String operation) {
    shop.dsl.execute(
        """
        insert into pgbelay.payment
          (tenant, operation, key, fingerprint_version, fingerprint, request, claimant,
           claim_number, steps_version, done, results, state, response, created_at,
           finished_at, due_at, lease_until)
        select 'acme', ?, 'k' || n, 1, sha256('x'), 'x', gen_random_uuid(), n, 1,
               '{charge}', array['x'::bytea],
               case when n % 1000 = 0 then 'RUNNING' else 'COMPLETED' end,
               case when n % 1000 = 0 then null else 'x'::bytea end, t,
               case when n % 1000 = 0 then 'infinity' else t end, 'infinity', '-infinity'
          from (select n, clock_timestamp() - n * interval '1 s' as t
                  from generate_series(1, 5000) as n) as made
        """,
        operation);
  }

  /** A plan that was made when there was hardly a row is kept, until statistics come. */
  @Test
  void withoutStatistics_onePaymentIsFoundByItsKeyAndOpenOnesByTheTime() throws Exception {
    Bank bank = new Bank();
    try (Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank)) {
      PaymentOperation<String, String> checkout = shop.checkout();
      useEachStatement(shop, bank, checkout);
      List<String> byTime =
          PLANS.about("payment").stream()
              .filter(statement -> statement.contains("finished_at = 'infinity'"))
              .toList();
      List<String> byKey =
          PLANS.about("payment").stream()
              .filter(statement -> !byTime.contains(statement))
              .filter(statement -> statement.contains("key = "))
              .toList();
      assertThat(byKey)
          .anyMatch(statement -> statement.startsWith("SELECT"))
          .anyMatch(statement -> statement.contains("SET steps_version"))
          .anyMatch(statement -> statement.contains("FOR UPDATE"))
          .anyMatch(statement -> statement.contains("FOR KEY SHARE"))
          .anyMatch(statement -> statement.contains("SET contradiction"))
          .anyMatch(statement -> statement.contains("FOR NO KEY UPDATE OF p"))
          .anyMatch(statement -> statement.contains("p.key = k.key"));
      assertThat(byTime)
          .anyMatch(statement -> statement.contains("steps_version <="))
          .anyMatch(statement -> statement.contains("NOT escalated"))
          .anyMatch(statement -> statement.contains("count(*) FILTER"));
      shop.dsl.execute("truncate pgbelay.payment");
      assertPlans(
          byKey.stream().filter(statement -> statement.contains("key = ?")).toList(),
          "payment_pkey",
          "payment_finished");
      fill(shop, checkout.name());
      assertPlans(byKey, "payment_pkey", "payment_finished");
      assertPlans(byTime, "payment_finished", "Seq Scan");
      Plans.assertNone(shop.dsl, "payment");
    }
  }

  private static void assertPlans(List<String> statements, String with, String without)
      throws SQLException {
    List<String> wrong = new ArrayList<>();
    for (String statement : statements) {
      String plan = String.join("\n", Plans.of(postgres.dataSource(), "payment", statement));
      if (!plan.contains(with) || plan.contains(without) || plan.contains("Seq Scan on payment")) {
        wrong.add(statement + "\n" + plan);
      }
    }
    assertThat(String.join("\n\n", wrong)).isEmpty();
  }

  private static void useEachStatement(
      Shop shop, Bank bank, PaymentOperation<String, String> checkout) throws Exception {
    IdempotencyKey paid = checkout.key("acme", "paid");
    assertThat(checkout.execute(paid, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(checkout.execute(paid, "10 EUR").outcome()).isEqualTo(Outcome.REPLAYED);
    IdempotencyKey lost = checkout.key("acme", "lost");
    bank.then(Bank.timeoutAfterActing());
    assertThat(checkout.execute(lost, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    shop.age(lost, "1 hour");
    try (Completer completer = shop.completer()) {
      completer.runOnce();
    }
    assertThat(shop.state(lost)).isEqualTo("COMPLETED");
    shop.transactions.run(
        tx -> checkout.settle(tx, lost, Shop.CHARGED, ProviderReply.succeeded("another charge")));
    assertThat(shop.payments.contradicted(10)).hasSize(1);
    shop.payments.open(OpenPayment.State.UNKNOWN, 10);
    PaymentOperation<String, String> guarded =
        shop.bare(Shop.freshName())
            .provider(
                Shop.CHARGED,
                (execution, key) -> {
                  shop.transactions.execute(execution::guard);
                  return ProviderReply.succeeded("charge");
                },
                Shop.limits())
            .respond(Shop::receipt)
            .build();
    guarded.execute(guarded.key("acme", "guarded"), "10 EUR");
    renewAndRead(checkout.key("acme", "k1000"), shop);
  }

  private static void renewAndRead(IdempotencyKey key, Shop shop) throws SQLException {
    try (Connection connection = postgres.dataSource().getConnection()) {
      Table<?> table = shop.payments.sql().table();
      new LedgerSql(table).byKey(connection, key.operation(), List.of(key));
      new ClaimSql(table)
          .renewAll(
              connection,
              List.of(key),
              List.of(shop.payments.claimant().next()),
              Duration.ofMinutes(1));
    }
  }
}
