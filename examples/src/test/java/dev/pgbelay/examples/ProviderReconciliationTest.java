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

/** What was lost on the way is found at the provider. */
class ProviderReconciliationTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  @Test
  void lostAnswerIsSettled_andLostPaymentIsFound() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (HikariDataSource leases = new HikariDataSource(config);
        PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
      new ProviderReconciliation(postgres.dataSource(), leases).run(out);
    }
    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "STATE_DIFFERS -> SETTLE_SUCCEEDED",
            "MISSING_HERE -> BOOK",
            "1 matched, whole: true",
            "order-2: paid by ch-2");
  }
}
