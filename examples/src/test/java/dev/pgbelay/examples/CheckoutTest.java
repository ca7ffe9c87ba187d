package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.PostgresExtension;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two clicks are one charge. */
class CheckoutTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  @Test
  void naiveCheckoutChargesTwice_paymentOperationOnce() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (HikariDataSource leases = new HikariDataSource(config);
        PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
      new Checkout(postgres.dataSource(), leases).run(out);
    }
    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .hasSize(6)
        .contains(
            "naive: timeout, then ch-2",
            "naive: 2 charges",
            "safe:  UNKNOWN_OUTCOME",
            "safe:  1 charges",
            "safe:  1 ledger entries")
        .anyMatch(line -> line.matches("safe:  (EXECUTED|REPLAYED) ch-1"));
  }
}
