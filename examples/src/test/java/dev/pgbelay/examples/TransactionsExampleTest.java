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
class TransactionsExampleTest {

  @Test
  void run_losesThePaymentNaivelyAndKeepsItSafely(DataSource dataSource) {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();

    new TransactionsExample(dataSource).run(new PrintStream(printed, true, StandardCharsets.UTF_8));

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .satisfiesExactly(
            line -> assertThat(line).isEqualTo("naive: no error, payments stored: 0"),
            line -> assertThat(line).startsWith("refused: "),
            line -> assertThat(line).matches("safe: WROTE at \\d+/\\d+/[0-9A-F]+/[0-9A-F]+"),
            line -> assertThat(line).isEqualTo("payments stored: 1, announced: [1]"));
  }
}
