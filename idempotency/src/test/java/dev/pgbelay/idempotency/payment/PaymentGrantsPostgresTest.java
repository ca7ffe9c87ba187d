package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide are enough for payments, and none of them too many. */
class PaymentGrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private interface AsRole {
    void run(Shop shop, Bank bank) throws Exception;
  }

  private static void withGrants(String privileges, AsRole test) throws Exception {
    DSLContext owner = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    String role = "r" + UUID.randomUUID().toString().replace("-", "");
    owner.execute("create role " + role + " login");
    try {
      owner.execute("grant usage on schema pgbelay to " + role);
      owner.execute("grant " + privileges + " on pgbelay.payment to " + role);
      owner.execute("grant select, insert on written to " + role);
      owner.execute("grant usage on sequence written_n_seq to " + role);
      HikariConfig config = new HikariConfig();
      config.setJdbcUrl(postgres.jdbcUrl());
      config.setMaximumPoolSize(2);
      config.setConnectionInitSql("set role " + role);
      Bank bank = new Bank();
      try (HikariDataSource pool = new HikariDataSource(config);
          Shop shop = new Shop(pool, postgres.jdbcUrl(), bank)) {
        test.run(shop, bank);
      }
    } finally {
      owner.execute("drop owned by " + role);
      owner.execute("drop role " + role);
    }
  }

  @Test
  void paymentsCompleterAndSettlements_needSelectInsertUpdate() throws Exception {
    withGrants(
        "select, insert, update",
        (shop, bank) -> {
          Duration slowly = Duration.ofMinutes(30);
          PaymentOperation<String, String> operation =
              shop.checkout(options -> options.attempts(3, slowly, slowly));
          IdempotencyKey key = operation.key("acme", "k");
          bank.then(Bank.timeoutAfterActing());
          operation.execute(key, "10 EUR");
          operation.settle(key, Shop.CHARGED, ProviderReply.succeeded("ch-1"));
          assertThat(shop.completer().runOnce()).isEqualTo(1);
          assertThat(operation.execute(key, "10 EUR").response()).contains("paid by ch-1");
          assertThat(shop.payments.open(OpenPayment.State.UNKNOWN, 10)).isEmpty();
        });
  }

  @Test
  void withoutOneOfThem_thePaymentIsRefused() throws Exception {
    for (String less : List.of("select, insert", "select, update", "insert, update")) {
      withGrants(
          less,
          (shop, bank) -> {
            PaymentOperation<String, String> operation = shop.checkout();
            assertThatThrownBy(() -> operation.execute(operation.key("acme", "k"), "10 EUR"))
                .satisfies(
                    e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.NOT_PERMITTED));
          });
    }
  }
}
