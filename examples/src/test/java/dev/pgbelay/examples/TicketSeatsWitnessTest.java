package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.lock.witness.LockFinding;
import dev.pgbelay.lock.witness.LockWitness;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Nobody waits for anybody here, and one booking is enough: the mistake shows in its order. */
@ExtendWith(PostgresExtension.class)
class TicketSeatsWitnessTest {

  // tag::witness[]
  @Test
  void seatsLockedAsListed_areReportedThoughNothingDeadlocks(DataSource dataSource)
      throws SQLException {
    createSeats(dataSource);
    try (LockWitness witness = LockWitness.builder().build()) {
      DataSource watched = witness.observe(dataSource);
      TicketSeats seats = new TicketSeats(watched);

      Transactions.of(watched)
          .run(tx -> seats.bookAsListed(tx, "Bo", List.of(12, 11), new CyclicBarrier(1)));

      assertThat(witness.findings())
          .singleElement()
          .satisfies(
              finding -> {
                assertThat(finding.kind()).isEqualTo(LockFinding.Kind.ROW_ORDER);
                assertThat(finding.toString())
                    .contains("locks rows of seat in descending order of their keys")
                    .contains("TicketSeats.bookAsListed");
              });
    }
  }

  // end::witness[]

  @Test
  void seatsLockedInOneOrder_areNotReported(DataSource dataSource) throws SQLException {
    createSeats(dataSource);
    try (LockWitness witness = LockWitness.builder().build()) {
      DataSource watched = witness.observe(dataSource);
      TicketSeats seats = new TicketSeats(watched);

      String answer = Transactions.of(watched).run(tx -> seats.book(tx, "Bo", List.of(12, 11)));

      assertThat(answer).isEqualTo("booked");
      assertThat(witness.findings()).isEmpty();
    }
  }

  private static void createSeats(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(
          """
          drop table if exists seat;
          create table seat(number int primary key, taken_by text);
          insert into seat(number) values (11), (12)
          """);
    }
  }
}
