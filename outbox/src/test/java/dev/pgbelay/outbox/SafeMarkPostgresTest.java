package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Up to which id nothing can appear any more. */
class SafeMarkPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final SafeMark mark = new SafeMark(new MarkSql("pgbelay"), 0);

  private long decided() throws Exception {
    return mark.decided(fixture.transactions);
  }

  @Test
  void idsOfAnOpenTransaction_areNotDecided() throws Exception {
    try (Connection open = postgres.dataSource().getConnection()) {
      open.setAutoCommit(false);
      long low = fixture.append(open, "a", "1");
      fixture.append("b", "2");
      for (int i = 0; i < 5; i++) {
        assertThat(decided()).isLessThan(low);
      }
      open.commit();
    }
    long high = fixture.append("b", "3");
    RelayFixture.await(() -> decided() >= high);
  }

  @Test
  void sequenceFromWhichNothingWasDrawn_decidesNothing() throws Exception {
    fixture.dsl.execute("select setval('pgbelay.outbox_message_id_seq', 1000000, false)");
    RelayFixture.await(() -> decided() >= 1);
    assertThat(decided()).isLessThan(1_000_000);
    assertThat(fixture.append("a", "1")).isEqualTo(1_000_000);
  }

  /** Transactions without the lock on the table, whatever else they do, hold nothing up. */
  @Test
  void otherTransactions_doNotHoldTheMark() throws Exception {
    try (Connection open = postgres.dataSource().getConnection()) {
      open.setAutoCommit(false);
      try (var statement = open.createStatement()) {
        statement.execute("select pg_current_xact_id()");
        statement.execute("select count(*) from pgbelay.outbox_message");
      }
      long id = fixture.append("b", "2");
      RelayFixture.await(() -> decided() >= id);
      open.rollback();
    }
  }
}
