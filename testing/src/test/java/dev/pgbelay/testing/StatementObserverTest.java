package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.core.observe.TransactionEvent.Outcome;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.OptionalLong;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.platform.testkit.engine.EngineTestKit;
import org.postgresql.PGConnection;

class StatementObserverTest {
  private static final RecordingObserver observer = new RecordingObserver("");

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withObserver(observer);

  @BeforeAll
  static void createTable(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute("create table item(id int primary key)");
    }
  }

  @Test
  void statements_areSeenWithOutcomeCountAndCallSite(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      int pid = connection.unwrap(PGConnection.class).getBackendPID();
      try (PreparedStatement insert =
          connection.prepareStatement("insert into item(id) values (?)")) {
        for (int id = 1; id <= 3; id++) {
          insert.setInt(1, id);
          insert.addBatch();
        }
        insert.executeBatch();
        insert.setInt(1, 1);
        assertThatThrownBy(insert::executeUpdate).isInstanceOf(SQLException.class);
      }
      assertThat(observer.statements).hasSize(2);
      StatementEvent batch = observer.statements.get(0);
      assertThat(batch.session()).isEqualTo(pid);
      assertThat(batch.sql()).isEqualTo("insert into item(id) values (?)");
      assertThat(batch.batchSize()).isEqualTo(3);
      assertThat(batch.values().sets()).isEqualTo(3);
      assertThat(batch.values().get(2, 1)).isEqualTo(3);
      assertThat(batch.toString()).contains("BoundValues[1, 1, 1]");
      assertThat(batch.autoCommit()).isTrue();
      assertThat(batch.updateCount()).isEqualTo(OptionalLong.of(3));
      assertThat(batch.failure()).isNull();
      assertThat(batch.callSite().toString())
          .contains("statements_areSeenWithOutcomeCountAndCallSite");
      StatementEvent failed = observer.statements.get(1);
      assertThat(failed.failure()).isInstanceOf(SQLException.class);
      assertThat(observer.ends).isEmpty();
    }
  }

  @Test
  void endsOfTransactions_areSeenByCallAndByText(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("select 1");
      connection.commit();
      statement.execute("select 2");
      connection.rollback();
      statement.execute("select pg_current_xact_id_if_assigned(); commit; select 3");
      connection.rollback(); // nothing is open, so this ends nothing
      statement.execute("select 4");
    }
    assertThat(observer.ends)
        .extracting(TransactionEvent::outcome)
        .containsExactly(
            Outcome.COMMITTED, Outcome.ROLLED_BACK, Outcome.COMMITTED, Outcome.ABANDONED);
  }

  @Test
  void savepoints_areSeenByName(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("select 1");
      Savepoint unnamed = connection.setSavepoint();
      Savepoint named = connection.setSavepoint("named");
      connection.rollback(named);
      connection.releaseSavepoint(unnamed);
      connection.rollback();
    }
    assertThat(observer.savepoints)
        .extracting(event -> event.action() + " " + event.name())
        .hasSize(4)
        .satisfies(
            seen -> {
              assertThat(seen.get(0)).startsWith("SET JDBC_SAVEPOINT_");
              assertThat(seen.get(1)).isEqualTo("SET named");
              assertThat(seen.get(2)).isEqualTo("ROLLED_BACK_TO named");
              assertThat(seen.get(3)).isEqualTo(seen.get(0).replace("SET", "RELEASED"));
            });
  }

  @Test
  void observer_isGivenAWayPastItself() throws SQLException {
    try (Connection connection = observer.unobserved().getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute("select id from item");
    }
    assertThat(observer.statements).isEmpty();
  }

  @Test
  void loadedObservers_areCalledToo(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute("select 'loaded'");
    }
    assertThat(RecordingObserver.loaded)
        .anySatisfy(
            loaded ->
                assertThat(loaded.statements)
                    .anySatisfy(event -> assertThat(event.sql()).isEqualTo("select 'loaded'")));
  }

  @Test
  void strictObserver_failsTheTest() {
    EngineTestKit.engine("junit-jupiter")
        .selectors(selectClass(ForbiddenFixture.class))
        .execute()
        .testEvents()
        .assertStatistics(statistics -> statistics.started(2).succeeded(1).failed(1))
        .failed()
        .assertThatEvents()
        .allSatisfy(
            event ->
                assertThat(event.getPayload().orElseThrow().toString())
                    .contains("lock table item")
                    .contains("ForbiddenFixture.locks"));
  }

  static class ForbiddenFixture {
    @RegisterExtension
    static final PostgresExtension own =
        PostgresExtension.create().withObserver(new RecordingObserver("lock table"));

    @Test
    void locks(DataSource dataSource) throws SQLException {
      try (Connection connection = dataSource.getConnection();
          Statement statement = connection.createStatement()) {
        statement.execute("begin; create table item(id int); lock table item; commit");
      }
    }

    @Test
    void locksNothing(DataSource dataSource) throws SQLException {
      try (Connection connection = dataSource.getConnection();
          Statement statement = connection.createStatement()) {
        statement.execute("select 1");
      }
    }
  }
}
