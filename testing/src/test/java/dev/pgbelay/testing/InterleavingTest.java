package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.testing.Interleaving.Session;
import dev.pgbelay.testing.Interleaving.Step;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(PostgresExtension.class)
class InterleavingTest {
  @BeforeEach
  void fill(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute("create table if not exists account(id int primary key, amount int)");
      statement.execute("truncate account");
      statement.execute("insert into account values (1, 0), (2, 0)");
    }
  }

  private static int add(Connection connection, int id) throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement("update account set amount = amount + 1 where id = ?")) {
      update.setInt(1, id);
      return update.executeUpdate();
    }
  }

  @Test
  void blockedStep_goesOnAfterTheOtherCommits(DataSource dataSource) throws Exception {
    try (Interleaving script = Interleaving.of(dataSource)) {
      Session a = script.session("a");
      Session b = script.session("b");
      a.run(c -> add(c, 1));
      a.awaitIdleInTransaction();
      Step<Integer> waiting = b.start("b takes row 1", c -> add(c, 1));
      waiting.awaitBlockedBy(a);
      assertThat(waiting.isDone()).isFalse();
      a.commit();
      assertThat(waiting.get()).isEqualTo(1);
      b.commit();
    }
    assertThat(amount(dataSource, 1)).isEqualTo(2);
  }

  @Test
  void crossedOrder_deadlocksEachTime(DataSource dataSource) throws Exception {
    for (int round = 0; round < 2; round++) {
      try (Interleaving script = Interleaving.of(dataSource)) {
        Session a = script.session("a");
        Session b = script.session("b");
        a.run(c -> c.createStatement().execute("set local deadlock_timeout = '10s'"));
        a.run(c -> add(c, 1));
        b.run(c -> c.createStatement().execute("set local deadlock_timeout = '100ms'"));
        b.run(c -> add(c, 2));
        Step<Integer> waiting = a.start("a takes row 2", c -> add(c, 2));
        waiting.awaitBlockedBy(b);
        Step<Integer> victim = b.start("b takes row 1", c -> add(c, 1));
        assertThat(victim.failure())
            .isInstanceOfSatisfying(
                SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("40P01"));
        b.rollback();
        assertThat(waiting.get()).isEqualTo(1);
        a.rollback();
      }
    }
  }

  @Test
  void codeWithItsOwnConnections_isSeenToBlock(DataSource dataSource) throws Exception {
    try (Interleaving script = Interleaving.of(dataSource)) {
      Session a = script.session("a");
      Session b = script.session("b");
      a.run(c -> add(c, 1));
      Step<Integer> waiting =
          b.startOwn(
              "b opens a connection and takes row 1",
              () -> {
                try (Connection connection = b.dataSource().getConnection()) {
                  return add(connection, 1);
                }
              });
      waiting.awaitBlocked();
      a.rollback();
      assertThat(waiting.get()).isEqualTo(1);
    }
  }

  @Test
  void stepThatDoesNotBlock_failsTheScriptAtOnce(DataSource dataSource) throws Exception {
    try (Interleaving script = Interleaving.of(dataSource)) {
      Session a = script.session("a");
      Step<Integer> free = a.start("a takes a free row", c -> add(c, 1));
      assertThatThrownBy(free::awaitBlocked)
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("a takes a free row")
          .hasMessageContaining("returned 1");
      assertThatThrownBy(free::failure)
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("expected to fail");
    }
  }

  @Test
  void stepThatIsOnlyBusy_isNotTakenForBlocked(DataSource dataSource) throws Exception {
    try (Interleaving script = Interleaving.of(dataSource).withLimit(Duration.ofSeconds(2))) {
      Session a = script.session("a");
      a.run(c -> add(c, 1));
      Session b = script.session("b");
      Step<Integer> busy =
          b.start(
              "b is busy",
              c -> {
                c.createStatement().execute("select pg_sleep(0.5)");
                return 5;
              });
      assertThatThrownBy(busy::awaitBlocked)
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("returned 5");
      Step<Integer> waiting = b.start("b takes row 1", c -> add(c, 1));
      assertThatThrownBy(() -> waiting.awaitBlockedBy(script.session("nobody")))
          .as("blocked, but by somebody else")
          .isInstanceOf(AssertionError.class);
    }
  }

  @Test
  void endOfPatience_tellsWhatEverySessionDoes(DataSource dataSource) throws Exception {
    try (Interleaving script = Interleaving.of(dataSource).withLimit(Duration.ofMillis(300))) {
      Session a = script.session("a");
      Session b = script.session("b");
      a.run(c -> add(c, 1));
      Step<Integer> waiting = b.start("b takes row 1", c -> add(c, 1));
      waiting.awaitBlocked();
      assertThatThrownBy(waiting::get)
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("b takes row 1")
          .hasMessageContaining("waits for")
          .hasMessageContaining("update account");
    }
  }

  @Test
  void close_cancelsWhatIsStillBlockedAndRollsBack(DataSource dataSource) throws Exception {
    Step<Integer> waiting;
    try (Interleaving script = Interleaving.of(dataSource)) {
      Session a = script.session("a");
      a.run(c -> add(c, 1));
      waiting = script.session("b").start("b takes row 1", c -> add(c, 1));
      waiting.awaitBlocked();
    }
    assertThat(waiting.isDone()).isTrue();
    assertThat(amount(dataSource, 1)).isZero();
  }

  private static int amount(DataSource dataSource, int id) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("select amount from account where id = " + id)) {
      rows.next();
      return rows.getInt(1);
    }
  }
}
