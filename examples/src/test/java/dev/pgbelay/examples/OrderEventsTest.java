package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.PostgresExtension;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** From an order to its invoice, through a real broker. */
class OrderEventsTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  @Test
  @Timeout(value = 3, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void everyOrderIsBilledOnce_thoughItsEventComesTwice(@TempDir Path folder) throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (KafkaBroker broker = KafkaBroker.start(folder);
        HikariDataSource heartbeats = new HikariDataSource(config);
        PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
      broker.createTopic("purchases", 4);
      new OrderEvents(postgres.dataSource(), heartbeats, broker.bootstrap()).run(out);
    }
    List<String> lines = printed.toString(StandardCharsets.UTF_8).lines().toList();
    assertThat(lines.get(0)).isEqualTo("a second order-1 is refused");
    // Their keys may be of two partitions, which have no order between them.
    assertThat(lines.subList(1, 3))
        .containsExactlyInAnyOrder("order-1 is billed: PROCESSED", "order-2 is billed: PROCESSED");
    assertThat(lines.subList(3, 5))
        .containsExactlyInAnyOrder("order-1 is billed: DUPLICATE", "order-2 is billed: DUPLICATE");
    assertThat(lines.subList(5, lines.size())).containsExactly("2 invoices");
  }
}
