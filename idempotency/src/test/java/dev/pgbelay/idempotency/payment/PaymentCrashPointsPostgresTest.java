package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.testing.CrashPoints;
import dev.pgbelay.idempotency.testing.CrashReport;
import dev.pgbelay.idempotency.testing.SimulatedProcess;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** A payment of three steps, killed and stopped at every boundary it has. */
class PaymentCrashPointsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final String NAME = "crashed-checkout";

  private final SimulatedBank simulated = new SimulatedBank();

  @Test
  void paymentKilledOrStoppedAtAnyBoundary_chargesOnceBooksOnceAndHasOneAnswer() throws Exception {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl());
    CrashReport report =
        CrashPoints.of(database, this::pay, simulated::charged)
            .consistent((answer, effects) -> answer.startsWith("paid by ") && effects == 1)
            .patience(Duration.ofMinutes(2))
            .stoppedFor(Duration.ofSeconds(1))
            .run();
    System.out.println(report.runs() + " runs at " + report.boundaries());
    report.requireSound();
    assertThat(report.boundaries()).contains("before call charge", "after call charge");
    assertThat(report.boundaries().stream().filter("before the COMMIT"::equals))
        .as("one with the intent, one with the answer")
        .hasSize(2);
    assertThat(count("select count(*) from written group by key having count(*) <> 2"))
        .as("payments that are not reserved once and booked once")
        .isZero();
  }

  private Optional<String> pay(SimulatedProcess process, String key) {
    Transactions transactions = Transactions.of(process.dataSource());
    Payments payments =
        Payments.builder(transactions, process.dataSource()).lease(Duration.ofMillis(300)).build();
    process.atEnd(payments);
    PaymentOperation<String, String> checkout =
        payments
            .operation(NAME, Shop::fingerprint, Codec.text(), Codec.text())
            .attempts(1_000, Duration.ofMillis(1), Duration.ofMillis(10))
            .database(Shop.RESERVED, (tx, execution) -> Shop.write(tx, execution, "reserved"))
            .provider(Shop.CHARGED, simulated.askedBy(process), Shop.limits())
            .database(Shop.BOOKED, (tx, execution) -> Shop.write(tx, execution, "booked"))
            .respond(Shop::receipt)
            .build();
    Answer<String> answer = checkout.execute(checkout.key("shop", key), "one coffee");
    return answer.response();
  }

  private static int count(String query) throws SQLException {
    try (Connection connection = postgres.dataSource().getConnection();
        ResultSet rows = connection.createStatement().executeQuery(query)) {
      int count = 0;
      while (rows.next()) {
        count++;
      }
      return count;
    }
  }
}
