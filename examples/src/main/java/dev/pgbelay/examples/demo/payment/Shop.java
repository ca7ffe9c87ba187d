package dev.pgbelay.examples.demo.payment;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.examples.cards.CardCharge;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.payment.Completer;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.StepKey;
import java.sql.SQLException;
import java.time.Duration;

/** A service whose checkout is a payment operation, with the completer that asks the provider. */
final class Shop implements AutoCloseable {
  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());

  private final HikariDataSource leases;
  private final Payments payments;
  private final Completer completer;
  private final PaymentOperation<String, String> checkout;

  Shop(DemoContext context, Cards cards) throws SQLException {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(context.dataSource().unwrap(HikariDataSource.class).getJdbcUrl());
    config.setMaximumPoolSize(1);
    this.leases = new HikariDataSource(config);
    this.payments = Payments.builder(context.transactions(), leases).build();
    ProviderLimits limits =
        ProviderLimits.builder("cards", Duration.ofHours(24), Cards.PATIENCE.multipliedBy(2))
            .attempts(1, Duration.ofMillis(10))
            .build();
    this.checkout =
        payments
            .operation(
                "demo-checkout",
                (String order) -> Fingerprint.of(1, order.getBytes(UTF_8)),
                Codec.text(),
                Codec.text())
            .provider(
                CHARGED, new CardCharge<>(cards.client(), order -> order, order -> 1_990), limits)
            .attempts(10, Duration.ofMillis(50), Duration.ofMillis(200))
            .respond((tx, execution) -> "receipt of " + execution.result(CHARGED))
            .build();
    this.completer =
        Completer.builder(payments)
            .idlePause(Duration.ofMillis(20), Duration.ofMillis(100))
            .build();
    completer.start();
  }

  PaymentOperation<String, String> checkout() {
    return checkout;
  }

  @Override
  public void close() {
    completer.close();
    payments.close();
    leases.close();
  }
}
