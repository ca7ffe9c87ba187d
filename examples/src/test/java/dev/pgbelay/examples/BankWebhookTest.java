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

/** An event that comes twice settles a payment once. */
class BankWebhookTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  @Test
  void lostAnswer_isFoundByTheWebhook() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (HikariDataSource leases = new HikariDataSource(config);
        PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
      new BankWebhook(postgres.dataSource(), leases).run(out);
    }
    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "UNKNOWN_OUTCOME", "delivered: 200", "again: 200", "paid by ch-1", "charges: 1");
  }
}
