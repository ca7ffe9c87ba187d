package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Statement;
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

  /** By two-phase commit: it goes on without its session, under another name in the locks. */
  @Test
  void transactionThatIsPrepared_isStillWaitedFor() throws Exception {
    try (Connection open = postgres.dataSource().getConnection()) {
      open.setAutoCommit(false);
      long low = fixture.append(open, "a", "1");
      assertThat(decided()).isLessThan(low);
      try (var statement = open.createStatement()) {
        statement.execute("prepare transaction 'append'");
      }
      open.rollback();
      for (int i = 0; i < 5; i++) {
        assertThat(decided()).isLessThan(low);
      }
      open.setAutoCommit(true);
      try (var statement = open.createStatement()) {
        statement.execute("commit prepared 'append'");
      }
      RelayFixture.await(() -> decided() >= low);
    }
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

  /** A server that comes back knows prepared transactions by another name. */
  @Test
  void transactionThatIsPreparedAcrossARestart_isStillWaitedFor() throws Exception {
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource pool = RelayFixture.pool(cluster.primary().jdbcUrl(), 2)) {
      RelayFixture.SCHEMA.initialize(pool);
      Transactions transactions = Transactions.of(pool);
      SafeMark ofThat = new SafeMark(new MarkSql("pgbelay"), 0);
      transactions.execute(tx -> Routes.create().add(tx, "t", "d"));
      try (Connection open = pool.getConnection();
          Statement statement = open.createStatement()) {
        open.setAutoCommit(false);
        statement.execute(
            "insert into pgbelay.outbox_message (destination, lane, message_id, topic, payload)"
                + " values (1, 0, 'm', 't', '')");
        assertThat(ofThat.decided(transactions)).isZero();
        statement.execute("prepare transaction 'append'");
      }
      cluster.primary().stop();
      cluster.primary().restart();
      pool.getHikariPoolMXBean().softEvictConnections();
      for (int i = 0; i < 5; i++) {
        assertThat(ofThat.decided(transactions)).isZero();
      }
      try (Connection open = pool.getConnection();
          Statement statement = open.createStatement()) {
        statement.execute("commit prepared 'append'");
      }
      RelayFixture.await(() -> ofThat.decided(transactions) >= 1);
    }
  }

  /**
   * What a transaction has drawn that a crash ends is drawn again, by others. The log is not
   * written to disk meanwhile, as it may be for a moment on any server.
   */
  @Test
  void idsThatACrashTakesBack_areNotDecided() throws Exception {
    try (PostgresCluster cluster =
            PostgresCluster.builder()
                .serverConfig("bgwriter_lru_maxpages", "0")
                .serverConfig("autovacuum", "off")
                .start();
        HikariDataSource pool = RelayFixture.pool(cluster.primary().jdbcUrl(), 2)) {
      RelayFixture.SCHEMA.initialize(pool);
      Transactions transactions = Transactions.of(pool);
      SafeMark before = new SafeMark(new MarkSql("pgbelay"), 0);
      SafeMark across = new SafeMark(new MarkSql("pgbelay"), 0);
      transactions.execute(tx -> Routes.create().add(tx, "t", "d"));
      assertThat(draw(transactions, "1")).isEqualTo(1);
      stopWritingTheLog(transactions);
      long high;
      try (Connection open = pool.getConnection();
          Statement statement = open.createStatement()) {
        open.setAutoCommit(false);
        // The log of a sequence is written 32 values ahead.
        statement.execute(
            "insert into pgbelay.outbox_message (destination, lane, message_id, topic, payload)"
                + " select 1, 0, 'm' || n, 't', '' from generate_series(2, 60) as n");
        assertThat(across.decided(transactions)).isLessThan(60);
        statement.execute("rollback");
        for (int i = 0; i < 3; i++) {
          before.decided(transactions);
        }
        high = before.decided(transactions);
      }
      cluster.primary().crash();
      cluster.primary().restart();
      pool.getHikariPoolMXBean().softEvictConnections();
      // The new log soon reaches further than the one that was lost.
      transactions.execute(tx -> tx.dsl().execute("select pg_switch_wal()"));
      long highAcross = 0;
      for (int i = 0; i < 3; i++) {
        highAcross = across.decided(transactions);
      }
      long again = draw(transactions, "2");
      assertThat(again).as("the crash has taken ids back").isLessThan(60);
      assertThat(high).as("decided before the crash").isLessThan(again);
      assertThat(highAcross).as("drawn before the crash, decided behind it").isLessThan(again);
      RelayFixture.await(() -> before.decided(transactions) >= again);
      RelayFixture.await(() -> across.decided(transactions) >= again);
    }
  }

  /** But for commits. */
  private static void stopWritingTheLog(Transactions transactions) throws Exception {
    String pid =
        transactions.run(
            tx ->
                String.valueOf(
                    tx.dsl()
                        .fetchValue(
                            "select pid from pg_stat_activity where backend_type = 'walwriter'")));
    assertThat(new ProcessBuilder("kill", "-STOP", pid).start().waitFor()).isZero();
  }

  private static long draw(Transactions transactions, String messageId) {
    return transactions.run(
        tx ->
            tx.dsl()
                .fetchSingle(
                    "insert into pgbelay.outbox_message"
                        + " (destination, lane, message_id, topic, payload)"
                        + " values (1, 0, ?, 't', '') returning id",
                    messageId)
                .get(0, Long.class));
  }
}
