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
class TicketSeatsTest {

  @Test
  void run_deadlocksNaivelyAndWaitsSafely(DataSource dataSource) {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();

    new TicketSeats(dataSource).run(new PrintStream(printed, true, StandardCharsets.UTF_8));

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly("naive: [DEADLOCK, booked]", "safe:  [booked, sold out]");
  }
}
