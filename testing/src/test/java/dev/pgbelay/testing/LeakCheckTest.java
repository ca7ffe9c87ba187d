package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CountDownLatch;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.platform.testkit.engine.EngineExecutionResults;
import org.junit.platform.testkit.engine.EngineTestKit;
import org.junit.platform.testkit.engine.Event;

/** Runs classes that leave something behind and sees them fail. */
class LeakCheckTest {
  private static EngineExecutionResults run(Class<?> testClass) {
    return EngineTestKit.engine("junit-jupiter").selectors(selectClass(testClass)).execute();
  }

  private static String failureOfClass(Class<?> testClass) {
    EngineExecutionResults results = run(testClass);
    results.testEvents().assertStatistics(statistics -> statistics.succeeded(1).failed(0));
    return results.containerEvents().failed().stream()
        .map(Event::getPayload)
        .map(payload -> payload.orElseThrow().toString())
        .findFirst()
        .orElseThrow(() -> new AssertionError(testClass + " did not fail"));
  }

  @Test
  void openTransactionInThePool_failsTheClass() {
    assertThat(failureOfClass(LeavesTransactionOpenFixture.class))
        .contains("open transaction (idle in transaction")
        .contains("not given back")
        .contains("application_name \"LeavesTransactionOpenFixture\"")
        .contains("select 'left open'");
  }

  @ExtendWith(PostgresExtension.class)
  static class LeavesTransactionOpenFixture {
    @Test
    @SuppressWarnings("resource")
    void leaks(DataSource dataSource) throws SQLException {
      Connection connection = dataSource.getConnection();
      connection.setAutoCommit(false);
      connection.createStatement().execute("select 'left open'");
    }
  }

  @Test
  void connectionOutsideThePool_failsTheClass() {
    assertThat(failureOfClass(LeavesConnectionOpenFixture.class))
        .contains("connection not closed: application_name \"stray\"")
        .contains("select 'stray query'");
  }

  @ExtendWith(PostgresExtension.class)
  static class LeavesConnectionOpenFixture {
    @Test
    @SuppressWarnings("resource")
    void leaks(PostgresDatabase database) throws SQLException {
      DriverManager.getConnection(database.jdbcUrl() + "&ApplicationName=stray")
          .createStatement()
          .execute("select 'stray query'");
    }
  }

  @Test
  void preparedTransaction_failsTheClass() {
    assertThat(failureOfClass(LeavesPreparedTransactionFixture.class))
        .contains("prepared transaction \"left prepared\"");
  }

  @ExtendWith(PostgresExtension.class)
  static class LeavesPreparedTransactionFixture {
    @Test
    void leaks(DataSource dataSource) throws SQLException {
      try (Connection connection = dataSource.getConnection();
          Statement statement = connection.createStatement()) {
        statement.execute("begin; create table t(id int)");
        statement.execute("prepare transaction 'left prepared'");
      }
    }
  }

  @Test
  void replicationSlot_failsTheClass() {
    assertThat(failureOfClass(LeavesReplicationSlotFixture.class))
        .contains("replication slot \"left_slot\"");
  }

  @ExtendWith(PostgresExtension.class)
  static class LeavesReplicationSlotFixture {
    @Test
    void leaks(DataSource dataSource) throws SQLException {
      try (Connection connection = dataSource.getConnection();
          Statement statement = connection.createStatement()) {
        statement.execute("select pg_create_logical_replication_slot('left_slot', 'pgoutput')");
      }
    }
  }

  private static final CountDownLatch endOfThread = new CountDownLatch(1);

  @Test
  void nonDaemonThread_failsTheClass() {
    try {
      assertThat(failureOfClass(LeavesThreadFixture.class))
          .contains("non-daemon thread \"left-running\"")
          .contains("CountDownLatch");
    } finally {
      endOfThread.countDown();
    }
  }

  @ExtendWith(PostgresExtension.class)
  static class LeavesThreadFixture {
    @Test
    void leaks() {
      new Thread(
              () -> {
                try {
                  endOfThread.await();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              },
              "left-running")
          .start();
    }
  }

  @Test
  void cleanClass_passes() {
    run(CleanFixture.class)
        .allEvents()
        .assertStatistics(statistics -> statistics.failed(0).skipped(0).aborted(0));
  }

  @ExtendWith(PostgresExtension.class)
  static class CleanFixture {
    @Test
    void usesEverything(DataSource dataSource, PostgresDatabase database) throws SQLException {
      try (Connection pooled = dataSource.getConnection();
          Connection single = database.connect();
          HeldTransaction held = database.holdTransaction("select 1")) {
        assertThat(pooled.isValid(1)).isTrue();
        assertThat(single.isValid(1)).isTrue();
        assertThat(held.pid()).isPositive();
      }
    }
  }

  @Test
  void classThatLeaksOnPurpose_passes() {
    run(LeaksOnPurposeFixture.class)
        .allEvents()
        .assertStatistics(statistics -> statistics.failed(0));
  }

  static class LeaksOnPurposeFixture {
    @RegisterExtension
    static final PostgresExtension postgres = PostgresExtension.create().withoutLeakChecks();

    @Test
    @SuppressWarnings("resource")
    void leaks(DataSource dataSource) throws SQLException {
      dataSource.getConnection().setAutoCommit(false);
    }
  }

  @Test
  void failedTest_showsTheServersLog() {
    EngineExecutionResults results = run(FailsFixture.class);
    Throwable failure =
        results.testEvents().failed().stream()
            .findFirst()
            .orElseThrow()
            .getRequiredPayload(org.junit.platform.engine.TestExecutionResult.class)
            .getThrowable()
            .orElseThrow();
    assertThat(failure.getSuppressed())
        .anySatisfy(log -> assertThat(log).hasMessageContaining("relation \"nowhere\" does not"));
  }

  @ExtendWith(PostgresExtension.class)
  static class FailsFixture {
    @Test
    void fails(DataSource dataSource) throws SQLException {
      try (Connection connection = dataSource.getConnection();
          Statement statement = connection.createStatement()) {
        statement.execute("select * from nowhere");
      }
    }
  }
}
