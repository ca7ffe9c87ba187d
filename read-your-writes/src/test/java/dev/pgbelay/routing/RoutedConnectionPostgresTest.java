package dev.pgbelay.routing;

import static dev.pgbelay.routing.RoutedJdbc.awaitReplicas;
import static dev.pgbelay.routing.RoutedJdbc.begin;
import static dev.pgbelay.routing.RoutedJdbc.borrowed;
import static dev.pgbelay.routing.RoutedJdbc.isOnReplica;
import static dev.pgbelay.routing.RoutedJdbc.name;
import static dev.pgbelay.routing.RoutedJdbc.node;
import static dev.pgbelay.routing.RoutedJdbc.reason;
import static dev.pgbelay.routing.RoutedJdbc.rename;
import static dev.pgbelay.routing.RoutedJdbc.value;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import dev.pgbelay.testing.FaultProxy;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/** Pools, settings and faults of connections that are routed. */
class RoutedConnectionPostgresTest {
  private static Cluster cluster;
  private static FaultProxy proxy;

  private HikariDataSource primaryPool;
  private HikariDataSource replicaPool;
  private ReadYourWrites db;
  private RoutingDataSource source;
  private Session session;
  private ScopedSession scope;

  @BeforeAll
  static void start() {
    cluster = new Cluster(1);
    proxy = FaultProxy.inFrontOf(cluster.primary());
  }

  @AfterAll
  static void stop() {
    proxy.close();
    cluster.close();
  }

  @BeforeEach
  void open() {
    DatabaseNode primary =
        cluster.node(cluster.primary(), proxy.jdbcUrl("postgres"), cluster.primary().jdbcUrl());
    DatabaseNode replica = cluster.node(cluster.replica(1));
    primaryPool = (HikariDataSource) primary.pool();
    replicaPool = (HikariDataSource) replica.pool();
    db =
        cluster.start(
            ReadYourWrites.builder(primary)
                .replica(replica)
                .probeInterval(Duration.ofMillis(20))
                .maxWait(Duration.ofMillis(50)));
    awaitReplicas(db);
    source = RoutingDataSource.of(db);
    session = db.session();
    scope = ScopedSession.open(session);
  }

  @AfterEach
  void endTest() {
    scope.close();
    proxy.heal();
    cluster.replica(1).resumeReplay();
    try {
      assertThat(active()).as("connections that were not given back").isZero();
      assertThat(borrowed(db)).isZero();
    } finally {
      cluster.endTest();
    }
  }

  private int active() {
    return active(primaryPool) + active(replicaPool);
  }

  private static int active(HikariDataSource pool) {
    return pool.getHikariPoolMXBean() == null
        ? 0
        : pool.getHikariPoolMXBean().getActiveConnections();
  }

  @Test
  void connectionWithoutAStatement_holdsNothing() throws SQLException {
    List<Connection> many = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      Connection connection = begin(source, i % 2 == 0);
      connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      connection.setSchema("public");
      connection.setNetworkTimeout(Runnable::run, 1_000);
      assertThat(connection.isValid(1)).isTrue();
      assertThat((Object) connection.getWarnings()).isNull();
      connection.commit();
      connection.rollback();
      many.add(connection);
    }

    assertThat(active()).isZero();
    assertThat(many.get(0).toString())
        .isEqualTo("routed connection, read-only, leading nowhere yet");
    assertThat(value(many.get(0), "SELECT 1")).isEqualTo("1");
    assertThat(active(replicaPool)).isEqualTo(1);
    assertThat(active(primaryPool)).isZero();
    for (Connection connection : many) {
      connection.close();
    }
  }

  @Test
  void settings_areThereOnWhateverNode_andGoneWithTheConnection() throws SQLException {
    try (Connection connection = source.getConnection()) {
      connection.setSchema("pg_catalog");
      connection.setClientInfo("ApplicationName", "of one caller");
      connection.setNetworkTimeout(Runnable::run, 12_000);
      connection.setHoldability(ResultSet.HOLD_CURSORS_OVER_COMMIT);
      connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      for (boolean readOnly : new boolean[] {true, false, true}) {
        connection.setReadOnly(readOnly);
        connection.setAutoCommit(false);
        assertThat(isOnReplica(connection)).isEqualTo(readOnly);
        assertThat(value(connection, "SHOW search_path")).isEqualTo("pg_catalog");
        assertThat(value(connection, "SHOW application_name")).isEqualTo("of one caller");
        assertThat(value(connection, "SHOW transaction_isolation")).isEqualTo("repeatable read");
        assertThat(connection.unwrap(Connection.class)).isSameAs(connection);
        assertThat(connection.getNetworkTimeout()).isEqualTo(12_000);
        assertThat(connection.getHoldability()).isEqualTo(ResultSet.HOLD_CURSORS_OVER_COMMIT);
        assertThat(connection.getSchema()).isEqualTo("pg_catalog");
        connection.commit();
        connection.setAutoCommit(true);
      }
    }
    for (HikariDataSource pool : List.of(primaryPool, replicaPool)) {
      try (Connection connection = pool.getConnection()) {
        assertThat(value(connection, "SHOW search_path")).contains("public");
        assertThat(value(connection, "SHOW application_name")).isNotEqualTo("of one caller");
        assertThat(value(connection, "SHOW transaction_isolation")).isEqualTo("read committed");
        assertThat(connection.getHoldability()).isEqualTo(ResultSet.CLOSE_CURSORS_AT_COMMIT);
        assertThat(connection.getNetworkTimeout()).isZero();
        assertThat(connection.getAutoCommit()).isTrue();
        assertThat(connection.isReadOnly()).isFalse();
      }
    }
  }

  @Test
  void settingInsideATransaction_isOfThatConnectionAtOnce() throws SQLException {
    try (Connection connection = begin(source, false)) {
      rename(connection, 20, "with a schema");
      connection.setSchema("pg_catalog");
      assertThat(value(connection, "SHOW search_path")).isEqualTo("pg_catalog");
      assertThatThrownBy(
              () -> connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE))
          .isInstanceOf(SQLException.class);
      assertThatThrownBy(() -> connection.setTransactionIsolation(Connection.TRANSACTION_NONE))
          .hasMessageContaining("no transaction isolation level 0");
      connection.rollback();
    }
  }

  @Test
  void closedConnection_refusesAll_andClosesTwice() throws SQLException {
    Connection connection = begin(source, true);
    assertThat(isOnReplica(connection)).isTrue();
    connection.close();
    connection.close();

    assertThat(connection.isClosed()).isTrue();
    assertThat(connection.isValid(1)).isFalse();
    assertThatThrownBy(connection::createStatement)
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08003"));
    assertThatThrownBy(() -> connection.setReadOnly(false)).hasMessageContaining("closed");
    assertThat(active()).isZero();
  }

  @Test
  void closeInsideATransaction_rollsBack_alsoWhereThePoolWouldSetAutocommit() throws SQLException {
    try (Connection connection = begin(source, false)) {
      rename(connection, 21, "never");
    }
    assertThat(name(source, 21)).isEqualTo("name 21");
  }

  @Test
  void abort_fromAnotherThread_givesBackWhatWasTaken() throws Exception {
    Connection connection = begin(source, false);
    CompletableFuture<Void> sleeping =
        CompletableFuture.runAsync(
            () -> {
              try {
                String ignored = value(connection, "SELECT pg_sleep(60)");
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              }
            });
    Awaitility.await()
        .until(
            () -> {
              try (Connection look = cluster.primary().connect()) {
                return value(
                        look,
                        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
                            + " AND wait_event = 'PgSleep'")
                    .equals("1");
              }
            });
    connection.abort(Runnable::run);

    assertThatThrownBy(sleeping::get).hasRootCauseInstanceOf(Exception.class);
    assertThat(connection.isClosed()).isTrue();
    connection.close();
    Awaitility.await().until(() -> active() == 0);
    assertThat(name(source, 22)).isEqualTo("name 22");
  }

  @Test
  void abort_ofARead_isTheEndOfIt_forItsNode() throws SQLException {
    Connection connection = begin(source, true);
    assertThat(isOnReplica(connection)).isTrue();
    assertThat(borrowed(db)).isEqualTo(1);

    connection.abort(Runnable::run);
    connection.abort(Runnable::run);
    connection.close();

    assertThat(borrowed(db)).isZero();
  }

  @Test
  void abort_whileItWaitsForThePool_leavesNothingTaken() throws Exception {
    List<Connection> all = new ArrayList<>();
    for (int i = 0; i < primaryPool.getMaximumPoolSize(); i++) {
      all.add(primaryPool.getConnection());
    }
    Connection connection = begin(source, false);
    CompletableFuture<Void> waiting =
        CompletableFuture.runAsync(
            () -> {
              try {
                connection.createStatement().close();
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              }
            });
    Awaitility.await()
        .until(() -> primaryPool.getHikariPoolMXBean().getThreadsAwaitingConnection() > 0);
    connection.abort(Runnable::run);
    for (Connection each : all) {
      each.close();
    }

    assertThatThrownBy(waiting::get).hasStackTraceContaining("has been closed");
    Awaitility.await().until(() -> active() == 0);
  }

  @Test
  void connectionLostInsideATransaction_isNotReplacedBeforeItHasEnded() throws SQLException {
    try (Connection connection = begin(source, false)) {
      rename(connection, 23, "lost");
      proxy.dropConnections();
      assertThatThrownBy(() -> rename(connection, 24, "on its own"))
          .isInstanceOf(SQLException.class);
      assertThat(connection.isClosed()).isTrue();
      assertThatThrownBy(() -> rename(connection, 24, "on its own"))
          .isInstanceOf(SQLException.class);
      assertThatThrownBy(connection::commit)
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.CONNECTION_LOST));
      rename(connection, 24, "in a new one");
      connection.commit();
    }
    assertThat(name(source, 23)).isEqualTo("name 23");
    assertThat(name(source, 24)).isEqualTo("in a new one");
  }

  @Test
  void connectionLostBetweenTransactions_isReplaced() throws SQLException {
    try (Connection connection = begin(source, false)) {
      rename(connection, 25, "one");
      connection.commit();
      proxy.dropConnections();
      Awaitility.await().until(() -> isGone(connection));
      rename(connection, 25, "two");
      connection.commit();
    }
    assertThat(name(source, 25)).isEqualTo("two");
  }

  private static boolean isGone(Connection connection) {
    try {
      return !connection.isValid(1);
    } catch (SQLException e) {
      return true;
    }
  }

  @Test
  void commitWithoutAnswer_keepsTheSessionOnThePrimaryUntilItIsSettled() throws SQLException {
    cluster.replica(1).pauseReplay();
    proxy.cutAfterCommit(1);
    assertThatThrownBy(() -> rename(source, 26, "who knows"))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08007"))
        .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.OUTCOME_UNKNOWN))
        .hasMessageContaining("may or may not");
    assertThat(session.floor().unknown()).as("what may yet be carried out").isNotEmpty();

    assertThat(name(source, 26)).isEqualTo("who knows");
    assertThat(node(session)).isEqualTo("primary");
    cluster.replica(1).resumeReplay();
    Awaitility.await()
        .pollInSameThread()
        .untilAsserted(
            () -> {
              assertThat(name(source, 26)).isEqualTo("who knows");
              assertThat(reason(session)).isIn(Reason.CAUGHT_UP, Reason.AFTER_WAIT);
            });
  }

  @Test
  void statementUnderAutocommitWithoutAnswer_keepsTheSessionOnThePrimary() throws SQLException {
    cluster.replica(1).pauseReplay();
    try (Connection connection = source.getConnection()) {
      assertThat(value(connection, "SELECT 1")).isEqualTo("1");
      proxy.dropConnections();
      assertThatThrownBy(() -> rename(connection, 27, "?")).isInstanceOf(SQLException.class);
    }
    assertThat(session.floor().unknown()).isNotEmpty();
    assertThat(name(source, 27)).isEqualTo("name 27");
    assertThat(node(session)).isEqualTo("primary");
  }

  @Test
  void commit_isOneRoundTrip_asAPlainOneIs() throws SQLException {
    long plain;
    try (Connection connection = primaryPool.getConnection()) {
      connection.setAutoCommit(false);
      rename(connection, 28, "warm");
      connection.commit();
      long before = proxy.counters().roundTrips();
      rename(connection, 28, "plain");
      connection.commit();
      plain = proxy.counters().roundTrips() - before;
    }
    rename(source, 28, "warm");
    long before = proxy.counters().roundTrips();
    rename(source, 28, "routed");

    assertThat(proxy.counters().roundTrips() - before).isEqualTo(plain);
  }

  @Test
  void read_isAsManyRoundTrips_asAPlainOneIs() throws SQLException {
    try (FaultProxy counted = FaultProxy.inFrontOf(cluster.replica(1))) {
      DatabaseNode replica =
          cluster.node(
              cluster.replica(1), counted.jdbcUrl("postgres"), cluster.replica(1).jdbcUrl());
      ReadYourWrites other =
          cluster.start(ReadYourWrites.builder(cluster.node(cluster.primary())).replica(replica));
      RoutingDataSource routed = RoutingDataSource.of(other);
      long[] trips = new long[2];
      for (int i = 0; i < 2; i++) {
        // The first one of each opens its connection.
        for (DataSource each : List.of(replica.pool(), routed)) {
          long before = counted.counters().roundTrips();
          try (ScopedSession inner = ScopedSession.open(other.session())) {
            assertThat(inner.session()).isNotNull();
            assertThat(name(each, 33)).isEqualTo("name 33");
          }
          trips[each == routed ? 1 : 0] = counted.counters().roundTrips() - before;
        }
      }
      assertThat(trips[1]).isEqualTo(trips[0]).isPositive();
    }
  }

  @Test
  void primaryThatIsNotReachable_isToldAsATransientFailureThatRanNothing() throws SQLException {
    proxy.refuseConnections();
    proxy.dropConnections();
    assertThatThrownBy(() -> rename(source, 29, "never")).isInstanceOf(SQLException.class);
    proxy.heal();
    rename(source, 29, "again");
    assertThat(name(source, 29)).isEqualTo("again");
  }

  @Test
  void primaryFullOfReads_isToldByName() throws SQLException {
    ReadYourWrites narrow =
        cluster.open(builder -> builder.primaryReads(1).maxWait(Duration.ofMillis(20)));
    RoutingDataSource tight = RoutingDataSource.of(narrow);
    cluster.replica(1).pauseReplay();
    try (ScopedSession inner = ScopedSession.open(narrow.session())) {
      assertThat(inner.session()).isNotNull();
      rename(tight, 30, "written");
      try (Connection two = begin(tight, true)) {
        try (Connection one = begin(tight, true)) {
          assertThat(name(one, 30)).isEqualTo("written");
          assertThatThrownBy(() -> name(two, 30))
              .isInstanceOf(SQLTransientConnectionException.class)
              .hasCauseInstanceOf(RoutingException.class)
              .hasMessageContaining("nothing was run");
          one.commit();
        }
        assertThat(name(two, 30)).isEqualTo("written");
        two.commit();
      }
    }
    assertThat(borrowed(narrow)).isZero();
  }

  @Test
  void transactionsOfThisLibrary_goThroughIt_butAreNotDeclaredReadOnlyAfterwards() {
    Transactions transactions = Transactions.builder(source).build();
    Transactions reads = Transactions.builder(source.readOnly()).build();
    cluster.replica(1).pauseReplay();

    transactions.run(tx -> ReadYourWritesPostgresTest.rename(tx, 31, "by transactions"));

    TxOptions readOnly = TxOptions.builder().path("reading").readOnly(true).build();
    String read = reads.run(readOnly, tx -> ReadYourWritesPostgresTest.name(tx, 31));
    assertThat(read).isEqualTo("by transactions");
    assertThatThrownBy(
            () -> transactions.run(readOnly, tx -> ReadYourWritesPostgresTest.name(tx, 31)))
        .hasStackTraceContaining("declare it before");
  }

  @Test
  void commit_isRefusedOnceANewerTimelineIsKnown() throws SQLException {
    try (Connection connection = begin(source, false)) {
      rename(connection, 32, "of the past");
      db.fleet().seen(7);
      assertThatThrownBy(connection::commit)
          .hasMessageContaining("not the primary any more")
          .satisfies(e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.CONNECTION_LOST));
    }
    try (Connection look = cluster.primary().connect()) {
      assertThat(name(look, 32)).isEqualTo("name 32");
    }
  }

  @Test
  void dataSource_saysWhatItIs() throws SQLException {
    assertThat(source.isWrapperFor(RoutingDataSource.class)).isTrue();
    assertThat(source.unwrap(RoutingDataSource.class)).isSameAs(source);
    assertThatThrownBy(() -> source.unwrap(HikariDataSource.class))
        .hasMessageContaining("stands for several pools");
    assertThatThrownBy(() -> source.getConnection("a", "b"))
        .isInstanceOf(SQLFeatureNotSupportedException.class);
    try (Connection connection = source.getConnection()) {
      assertThat(connection.isWrapperFor(PGConnection.class)).isTrue();
      assertThat(List.of(connection)).contains(connection);
      assertThat(connection.hashCode()).isEqualTo(connection.hashCode());
      assertThatThrownBy(connection::commit)
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25P01"));
    }
  }
}
