package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(PostgresExtension.class)
class OrderRulesTest {

  @Test
  void run_findsWhatWasNeglected_repairsIt_andKeepsTheRulesFromThenOn(DataSource dataSource) {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();

    new OrderRules(dataSource).run(new PrintStream(printed, true, StandardCharsets.UTF_8));

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "nobody looks, and every query answers",
            "order-customer: FINDINGS, 2",
            "order-total: FINDINGS, 1",
            "order-status: FINDINGS, 9",
            "repaired order-customer: 2",
            "repaired order-total: 1",
            "repaired order-status: 9",
            "order-customer: CLEAN, 0",
            "order-total: CLEAN, 0",
            "order-status: CLEAN, 0",
            "guard: an order of a customer who is not there is refused",
            "deletes: customer 1 is gone, and has 0 orders");
  }
}
