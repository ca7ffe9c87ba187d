package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.testing.PostgresExtension;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(PostgresExtension.class)
class KeysetPaginationExampleTest {

  @Test
  void run_repeatsAndSkipsOrdersNaivelyAndNotSafely(DataSource dataSource) {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();

    new KeysetPaginationExample(dataSource, KeyRing.of("test", new byte[32]))
        .run(new PrintStream(printed, true, StandardCharsets.UTF_8));

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "naive: [12, 11, 10, 9] [10, 9, 8, 7] [3, 2, 1]",
            "safe:  [12, 11, 10, 9] [8, 7, 6, 5] [4, 3, 2, 1]",
            "refused: MALFORMED");
  }
}
