package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.testing.PostgresExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a purge leaves. */
class PaymentPurgePostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), new Bank());

  @AfterEach
  void close() {
    shop.close();
  }

  private IdempotencyKey paid(PaymentOperation<String, String> operation, String age) {
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    operation.execute(key, "10 EUR");
    shop.age(key, age);
    return key;
  }

  @Test
  void purge_takesWhatIsOlderThanTheRetention_ofItsOperationAlone() throws Exception {
    PaymentOperation<String, String> operation = shop.checkout();
    PaymentOperation<String, String> other = shop.checkout();
    IdempotencyKey older = paid(operation, "73 hours");
    IdempotencyKey younger = paid(operation, "71 hours");
    IdempotencyKey others = paid(other, "73 hours");
    assertThat(operation.purge().build().run().rows()).isEqualTo(1);
    assertThat(shop.state(older)).isEqualTo("none");
    assertThat(shop.state(younger)).isEqualTo("COMPLETED");
    assertThat(shop.state(others)).isEqualTo("COMPLETED");
    assertThat(other.purge().build().run().rows()).isEqualTo(1);
  }
}
