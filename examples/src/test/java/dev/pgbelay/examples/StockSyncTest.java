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
class StockSyncTest {

  @Test
  void run_tellsOfManyChangesOnce(DataSource dataSource) throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();

    new StockSync(dataSource).run(new PrintStream(printed, true, StandardCharsets.UTF_8));

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "naive: 5 calls for 5 changes of one item", "safe:  1 call for 5 changes of one item");
  }
}
