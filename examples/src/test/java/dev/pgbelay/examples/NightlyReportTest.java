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
class NightlyReportTest {

  @Test
  void run_makesOneReportForANightThatNobodySaw(DataSource dataSource) throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();

    new NightlyReport(dataSource).run(new PrintStream(printed, true, StandardCharsets.UTF_8));

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "naive: 3 reports of one night by 3 processes",
            "safe:  1 report of 2000 cents, the next one at 02:30 in Europe/Berlin",
            "watch: UP");
  }
}
