package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.testing.FaultProxy.Direction;
import java.net.ConnectException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FaultProxyTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource -> {
                try (Connection connection = dataSource.getConnection();
                    Statement statement = connection.createStatement()) {
                  statement.execute("create table item(id int primary key, note text)");
                }
              });

  private FaultProxy proxy;

  @BeforeEach
  void openProxy() throws SQLException {
    proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
    try (Connection connection = postgres.database().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("truncate item");
    }
  }

  @AfterEach
  void closeProxy() {
    proxy.close();
  }

  private Connection connect(String parameters) throws SQLException {
    return DriverManager.getConnection(
        proxy.jdbcUrl(postgres.database().name()) + "&sslmode=prefer" + parameters);
  }

  private static void insert(Connection connection, int id) throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement("insert into item(id) values (?)")) {
      insert.setInt(1, id);
      insert.executeUpdate();
    }
  }

  private long rows() throws SQLException {
    try (Connection connection = postgres.database().connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("select count(*) from item")) {
      rows.next();
      return rows.getLong(1);
    }
  }

  /** The cut session's own end decides: as long as it lives, its rows may still appear. */
  private long rowsAfterSessionsEnded() {
    await()
        .pollInterval(Duration.ofMillis(5))
        .untilAsserted(
            () -> {
              try (Connection connection = postgres.database().connect();
                  Statement statement = connection.createStatement();
                  ResultSet rows =
                      statement.executeQuery(
                          "select count(*) from pg_stat_activity where application_name = 'cut'"
                              + " and datname = current_database()")) {
                rows.next();
                assertThat(rows.getInt(1)).isZero();
              }
            });
    try {
      return rows();
    } catch (SQLException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"simple", "extended"})
  void cutBeforeCommit_leavesNoRow(String queryMode) throws SQLException {
    try (Connection connection = connect("&ApplicationName=cut&preferQueryMode=" + queryMode)) {
      connection.setAutoCommit(false);
      insert(connection, 1);
      proxy.cutBeforeCommit(1);
      assertThatThrownBy(connection::commit)
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08006"));
    }
    assertThat(rowsAfterSessionsEnded()).isZero();
    assertThat(proxy.counters().cutsBeforeCommit()).isEqualTo(1);
    assertThat(proxy.counters().commits()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"simple", "extended"})
  void cutAfterCommit_leavesTheRowAndNoAnswer(String queryMode) throws SQLException {
    try (Connection connection = connect("&ApplicationName=cut&preferQueryMode=" + queryMode)) {
      connection.setAutoCommit(false);
      insert(connection, 1);
      proxy.cutAfterCommit(1);
      assertThatThrownBy(connection::commit)
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08006"));
      assertThat(rows()).isEqualTo(1);
    }
    assertThat(proxy.counters().cutsAfterCommit()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({
    "extended,0,true", "extended,0,false", "extended,1,true", "extended,1,false",
    "extended,5,true", "extended,5,false", "simple,5,true", "simple,5,false"
  })
  void commitBetweenStatementsOfOnePipeline_isCutExactlyThere(
      String queryMode, int prepareThreshold, boolean before) throws SQLException {
    String end =
        "select pg_current_xact_id_if_assigned(); commit; select pg_current_wal_insert_lsn()";
    try (Connection connection =
        connect(
            "&ApplicationName=cut&preferQueryMode="
                + queryMode
                + "&prepareThreshold="
                + prepareThreshold)) {
      connection.setAutoCommit(false);
      try (PreparedStatement commit = connection.prepareStatement(end)) {
        for (int id = 1; id <= 12; id++) {
          insert(connection, id);
          commit.execute();
        }
        assertThat(rows()).isEqualTo(12);
        insert(connection, 13);
        if (before) {
          proxy.cutBeforeCommit(1);
        } else {
          proxy.cutAfterCommit(1);
        }
        assertThatThrownBy(commit::execute).isInstanceOf(SQLException.class);
      }
    }
    assertThat(rowsAfterSessionsEnded()).isEqualTo(before ? 12 : 13);
    assertThat(proxy.counters().commits()).isEqualTo(13);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void pipelineOf15Statements_withCommitInTheMiddle(boolean before) throws SQLException {
    StringBuilder sql = new StringBuilder();
    for (int id = 1; id <= 7; id++) {
      sql.append("insert into item(id, note) values (").append(id).append(", '; commit');");
    }
    sql.append("commit;");
    for (int id = 8; id <= 14; id++) {
      sql.append("insert into item(id) values (").append(id).append(");");
    }
    try (Connection connection = connect("&ApplicationName=cut")) {
      connection.setAutoCommit(false);
      try (PreparedStatement pipeline = connection.prepareStatement(sql.toString())) {
        if (before) {
          proxy.cutBeforeCommit(1);
        } else {
          proxy.cutAfterCommit(1);
        }
        assertThatThrownBy(pipeline::execute).isInstanceOf(SQLException.class);
      }
    }
    // What follows COMMIT in the pipeline is a transaction that Sync ends: it reached the server.
    assertThat(rowsAfterSessionsEnded()).isEqualTo(before ? 0 : 14);
  }

  @Test
  void nthCommitOverAllConnections_isTheOneThatIsCut() throws SQLException {
    proxy.cutBeforeCommit(3);
    try (Connection first = connect("");
        Connection second = connect("")) {
      first.setAutoCommit(false);
      second.setAutoCommit(false);
      insert(first, 1);
      first.commit();
      insert(second, 2);
      second.commit();
      insert(first, 3);
      assertThatThrownBy(first::commit).isInstanceOf(SQLException.class);
      insert(second, 4);
      second.commit();
    }
    assertThat(rowsAfterSessionsEnded()).isEqualTo(3);
  }

  @Test
  void refusedCommit_isWithheldToo() throws SQLException {
    try (Connection connection = connect("&ApplicationName=cut")) {
      connection.setAutoCommit(false);
      insert(connection, 1);
      assertThatThrownBy(() -> insert(connection, 1)).isInstanceOf(SQLException.class);
      proxy.cutAfterCommit(1);
      assertThatThrownBy(connection::commit)
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08006"));
    }
    assertThat(rowsAfterSessionsEnded()).isZero();
  }

  @Test
  void randomCuts_neverDisagreeWithWhatTheServerHas() throws SQLException {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("randomCuts_neverDisagreeWithWhatTheServerHas: -Dpgbelay.seed=" + seed);
    proxy.cutCommitsAtRandom(seed, 0.2, 0.2);
    int lost = 0;
    int known = 0;
    for (int id = 1; id <= 200; id++) {
      try (Connection connection = connect("&ApplicationName=cut")) {
        connection.setAutoCommit(false);
        insert(connection, id);
        connection.commit();
        known++;
      } catch (SQLException e) {
        lost++;
      }
    }
    FaultProxy.Counters counters = proxy.counters();
    assertThat(counters.commits()).isEqualTo(200);
    assertThat(counters.cutsBeforeCommit() + counters.cutsAfterCommit()).isEqualTo(lost);
    assertThat(counters.cutsBeforeCommit()).isPositive();
    assertThat(counters.cutsAfterCommit()).isPositive();
    assertThat(rowsAfterSessionsEnded()).isEqualTo(known + counters.cutsAfterCommit());
  }

  @Test
  void cutAtRandomByte_leavesAllOrNothingOfThePipeline() throws SQLException {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("cutAtRandomByte_leavesAllOrNothingOfThePipeline: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 60; round++) {
      Direction direction = random.nextBoolean() ? Direction.TO_SERVER : Direction.TO_CLIENT;
      int offset = random.nextInt(200);
      int id = round * 2;
      try (Connection connection = connect("&ApplicationName=cut");
          PreparedStatement pipeline =
              connection.prepareStatement(
                  "insert into item(id) values ("
                      + id
                      + "); insert into item(id) values ("
                      + (id + 1)
                      + ")")) {
        long before = bytes(direction);
        proxy.cutAfterBytes(direction, offset);
        try {
          pipeline.execute();
          assertThat(bytes(direction) - before).isLessThanOrEqualTo(offset);
        } catch (SQLException e) {
          assertThat(bytes(direction) - before).isEqualTo(offset);
        }
      } finally {
        proxy.heal();
      }
      assertThat(rowsAfterSessionsEnded() % 2).isZero();
    }
    assertThat(proxy.counters().cutsAtByte()).isPositive();
  }

  private long bytes(Direction direction) {
    FaultProxy.Counters counters = proxy.counters();
    return direction == Direction.TO_SERVER ? counters.bytesToServer() : counters.bytesToClient();
  }

  @ParameterizedTest
  @CsvSource({"TO_SERVER", "TO_CLIENT"})
  void frozenDirection_endsBySocketTimeout(Direction direction) throws SQLException {
    try (Connection connection = connect("");
        Statement statement = connection.createStatement()) {
      statement.execute("select 1");
      connection.setNetworkTimeout(Runnable::run, 1_000);
      proxy.freeze(direction);
      long start = System.nanoTime();
      assertThatThrownBy(() -> statement.execute("select 2"))
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08006"));
      assertThat(Duration.ofNanos(System.nanoTime() - start))
          .isBetween(Duration.ofMillis(900), Duration.ofSeconds(20));
    }
  }

  @Test
  void thawedConnection_goesOnWhereItStood() throws Exception {
    try (Connection connection = connect("");
        Statement statement = connection.createStatement()) {
      statement.execute("select 1");
      proxy.freeze();
      long sent = proxy.counters().roundTrips();
      Thread thaw =
          new Thread(
              () -> {
                await().until(() -> proxy.counters().roundTrips() > sent);
                proxy.thaw();
              });
      thaw.start();
      assertThat(statement.execute("select 2")).isTrue();
      thaw.join();
    }
  }

  @Test
  void delay_isAddedToEachRoundTrip() throws SQLException {
    try (Connection connection = connect("");
        Statement statement = connection.createStatement()) {
      statement.execute("select 1");
      proxy.delay(Duration.ofMillis(100));
      Duration best = Duration.ofDays(1);
      for (int attempt = 0; attempt < 5; attempt++) {
        long start = System.nanoTime();
        statement.execute("select 2; select 3; select 4");
        Duration took = Duration.ofNanos(System.nanoTime() - start);
        assertThat(took).isGreaterThanOrEqualTo(Duration.ofMillis(100));
        best = took.compareTo(best) < 0 ? took : best;
      }
      assertThat(best).as("once for the three statements").isLessThan(Duration.ofMillis(200));
      proxy.delay(Duration.ZERO);
      statement.execute("select 5");
    }
  }

  @Test
  void roundTrips_areCounted() throws SQLException {
    try (Connection connection = connect("");
        Statement statement = connection.createStatement()) {
      long before = proxy.counters().roundTrips();
      statement.execute("select 1; select 2");
      assertThat(proxy.counters().roundTrips() - before).isEqualTo(1);
    }
  }

  @Test
  void droppedConnections_failAndNewOnesWork() throws SQLException {
    try (Connection connection = connect("");
        Statement statement = connection.createStatement()) {
      assertThat(proxy.counters().open()).isEqualTo(1);
      proxy.dropConnections();
      assertThatThrownBy(() -> statement.execute("select 1")).isInstanceOf(SQLException.class);
    }
    connect("").close();
    assertThat(proxy.counters().accepted()).isEqualTo(2);
  }

  @Test
  void refusedConnections_areRefusedByTheOperatingSystem() throws SQLException {
    try (Connection existing = connect("");
        Statement statement = existing.createStatement()) {
      for (int round = 0; round < 50; round++) {
        proxy.refuseConnections();
        assertThatThrownBy(() -> connect(""))
            .isInstanceOfSatisfying(
                SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08001"))
            .hasRootCauseInstanceOf(ConnectException.class);
        statement.execute("select 1");
        proxy.acceptConnections();
        connect("").close();
      }
    }
  }

  @Test
  void largeResultsAndCopies_passUnchanged() throws SQLException {
    try (Connection connection = connect("");
        Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery(
                "select sum(length(t)), count(*) from (select repeat('x', 100000) t"
                    + " from generate_series(1, 100)) s")) {
      rows.next();
      assertThat(rows.getLong(1)).isEqualTo(10_000_000);
    }
    try (Connection connection = connect("");
        Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery("select repeat('x', 100000) from generate_series(1, 100)")) {
      int count = 0;
      while (rows.next()) {
        assertThat(rows.getString(1)).hasSize(100_000);
        count++;
      }
      assertThat(count).isEqualTo(100);
    }
  }
}
