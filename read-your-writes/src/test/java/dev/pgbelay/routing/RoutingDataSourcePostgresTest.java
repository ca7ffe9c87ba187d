package dev.pgbelay.routing;

import static dev.pgbelay.routing.RoutedJdbc.awaitReplicas;
import static dev.pgbelay.routing.RoutedJdbc.begin;
import static dev.pgbelay.routing.RoutedJdbc.borrowed;
import static dev.pgbelay.routing.RoutedJdbc.inTransaction;
import static dev.pgbelay.routing.RoutedJdbc.isOnReplica;
import static dev.pgbelay.routing.RoutedJdbc.name;
import static dev.pgbelay.routing.RoutedJdbc.node;
import static dev.pgbelay.routing.RoutedJdbc.only;
import static dev.pgbelay.routing.RoutedJdbc.reason;
import static dev.pgbelay.routing.RoutedJdbc.rename;
import static dev.pgbelay.routing.RoutedJdbc.value;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

class RoutingDataSourcePostgresTest {
  private static Cluster cluster;

  private ReadYourWrites db;
  private RoutingDataSource source;
  private Session session;
  private ScopedSession scope;

  @BeforeAll
  static void start() {
    cluster = new Cluster(2);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @BeforeEach
  void open() {
    db = cluster.open(builder -> builder.maxWait(Duration.ofMillis(50)));
    awaitReplicas(db);
    source = RoutingDataSource.of(db);
    session = db.session();
    scope = ScopedSession.open(session);
  }

  private void waitingUpTo(Duration wait) {
    scope.close();
    db = cluster.open(builder -> builder.maxWait(wait));
    awaitReplicas(db);
    source = RoutingDataSource.of(db);
    session = db.session();
    scope = ScopedSession.open(session);
  }

  @AfterEach
  void endTest() {
    scope.close();
    cluster.servers().replicas().forEach(node -> node.resumeReplay());
    try {
      assertThat(borrowed(db)).as("connections that were not given back").isZero();
    } finally {
      cluster.endTest();
    }
  }

  private static void replicasStandStill() {
    cluster.replica(1).pauseReplay();
    cluster.replica(2).pauseReplay();
  }

  @Test
  void readOnlyTransaction_isOnAReplica_andAnyOtherOnThePrimary() throws SQLException {
    assertThat(inTransaction(source, true, RoutedJdbc::isOnReplica)).isTrue();
    assertThat(reason(session)).isEqualTo(Reason.CAUGHT_UP);
    assertThat(inTransaction(source, false, RoutedJdbc::isOnReplica)).isFalse();
    assertThat(node(session)).isEqualTo("primary");
  }

  @Test
  void committedWrite_isSeen_thoughReplicasStandStill() throws SQLException {
    replicasStandStill();

    rename(source, 1, "committed");

    assertThat(name(source, 1)).isEqualTo("committed");
    assertThat(reason(session)).isEqualTo(Reason.PRIMARY_NONE_CAUGHT_UP);
  }

  @Test
  void committedWrite_isReadFromTheReplicaThatHasIt() throws SQLException {
    waitingUpTo(Duration.ofSeconds(20));
    cluster.replica(1).pauseReplay();

    rename(source, 2, "on replica 2");

    for (int i = 0; i < 20; i++) {
      assertThat(name(source, 2)).isEqualTo("on replica 2");
      assertThat(node(session)).isEqualTo("replica2");
    }
  }

  @Test
  void commit_tellsThePositionItself_soThatNoProbeIsWaitedFor() throws SQLException {
    rename(source, 3, "exact");

    assertThat(session.floor().newest()).isNotNull();
    assertThat(session.floor().shown())
        .as("the statement was shown before COMMIT, and is covered by it")
        .isEmpty();
  }

  @Test
  void writeUnderAutocommit_isSeen() throws SQLException {
    replicasStandStill();

    try (Connection connection = source.getConnection()) {
      rename(connection, 4, "by itself");
    }

    assertThat(name(source, 4)).isEqualTo("by itself");
  }

  @Test
  void writeCommittedByText_isSeen() throws SQLException {
    replicasStandStill();

    try (Connection connection = begin(source, false);
        Statement statement = connection.createStatement()) {
      rename(connection, 5, "by text");
      statement.execute("COMMIT");
    }

    assertThat(name(source, 5)).isEqualTo("by text");
  }

  @Test
  void writeCommittedBySettingAutocommit_isSeenAtItsExactPosition() throws SQLException {
    replicasStandStill();

    try (Connection connection = begin(source, false)) {
      rename(connection, 6, "by autocommit");
      connection.setAutoCommit(true);
      assertThat(session.floor().newest()).isNotNull();
      assertThat(name(source, 6)).isEqualTo("by autocommit");
    }
  }

  @Test
  void writeThroughAnUpdatableRow_isSeen() throws SQLException {
    replicasStandStill();

    try (Connection connection = source.getConnection();
        Statement statement =
            connection.createStatement(
                ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
        ResultSet row = statement.executeQuery("SELECT id, name FROM profile WHERE id = 7")) {
      Session other = db.session();
      try (ScopedSession inner = ScopedSession.open(other)) {
        row.next();
        row.updateString("name", "by row");
        row.updateRow();
        assertThat(inner.session()).isSameAs(other);
        assertThat(name(source, 7)).isEqualTo("by row");
      }
      assertThat(row.getStatement()).isSameAs(statement);
    }
  }

  @Test
  void writeThroughTheDriversConnection_isSeenFromTheNextCallOn() throws Exception {
    replicasStandStill();

    try (Connection connection = source.getConnection()) {
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyIn("COPY profile FROM STDIN", new StringReader("501\tby copy\n"));
      assertThatThrownBy(() -> connection.setReadOnly(true))
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("unwrapped");
    }

    assertThat(name(source, 501)).isEqualTo("by copy");
  }

  @Test
  void rolledBackWrite_leavesNothing_andCommitOfAFailedTransactionSaysSo() throws SQLException {
    try (Connection connection = begin(source, false)) {
      rename(connection, 8, "never");
      connection.rollback();
      rename(connection, 8, "never either");
      assertThatThrownBy(() -> value(connection, "SELECT 1/0")).isInstanceOf(SQLException.class);
      assertThatThrownBy(connection::commit)
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25P02"));
      rename(connection, 8, "after all");
      connection.commit();
    }
    assertThat(name(source, 8)).isEqualTo("after all");
  }

  @Test
  void secondRead_neverGoesBackFromReplicaToReplica() throws SQLException {
    waitingUpTo(Duration.ofSeconds(20));
    cluster.replica(1).pauseReplay();
    db.write(db.session(), tx -> ReadYourWritesPostgresTest.rename(tx, 9, "new"));
    cluster.replica(2).awaitCaughtUp();
    Session reader = db.session();
    boolean seen = false;
    while (!seen) {
      reader = db.session();
      try (ScopedSession inner = ScopedSession.open(reader)) {
        assertThat(inner.session()).isNotNull();
        seen = name(source, 9).equals("new");
      }
    }

    for (int i = 0; i < 50; i++) {
      // A token makes the session forget which node it was: only the position is left.
      Session again = db.session(db.token(reader).orElseThrow());
      try (ScopedSession inner = ScopedSession.open(again)) {
        assertThat(inner.session()).isNotNull();
        assertThat(name(source, 9)).isEqualTo("new");
      }
    }
  }

  @Test
  void withoutASession_everythingIsOnThePrimary_unlessStalenessIsAllowed() throws SQLException {
    RoutingDataSource lenient =
        RoutingDataSource.builder(db).replicasWithoutSession(Duration.ofMinutes(1)).build();
    scope.close();

    assertThat(inTransaction(source, true, RoutedJdbc::isOnReplica)).isFalse();
    assertThat(inTransaction(lenient, true, RoutedJdbc::isOnReplica)).isTrue();
    assertThat(inTransaction(lenient, false, RoutedJdbc::isOnReplica)).isFalse();
    replicasStandStill();
    rename(lenient, 10, "seen by sessions only");
    assertThat(name(lenient, 10)).isEqualTo("name 10");
    Session fresh = db.session();
    try (ScopedSession inner = ScopedSession.open(fresh)) {
      rename(lenient, 10, "seen");
      assertThat(name(lenient, 10)).isEqualTo("seen");
      assertThat(inner.session()).isSameAs(fresh);
    }
  }

  @Test
  void readOnlySerializable_isOnThePrimary_whichReplicasRefuse() throws SQLException {
    try (Connection connection = source.getConnection()) {
      connection.setReadOnly(true);
      connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      connection.setAutoCommit(false);
      assertThat(isOnReplica(connection)).isFalse();
      connection.commit();
      connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      assertThat(isOnReplica(connection)).isTrue();
      assertThat(value(connection, "SHOW transaction_isolation")).isEqualTo("repeatable read");
    }
  }

  @Test
  void oneConnection_isRoutedAnewForEachTransaction() throws SQLException {
    waitingUpTo(Duration.ofSeconds(20));
    try (Connection connection = begin(source, true)) {
      assertThat(isOnReplica(connection)).isTrue();
      assertThatThrownBy(() -> connection.setReadOnly(false))
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("inside a transaction");
      connection.commit();
      connection.setReadOnly(false);
      rename(connection, 11, "between reads");
      connection.commit();
      connection.setReadOnly(true);
      assertThat(name(connection, 11)).isEqualTo("between reads");
      assertThat(isOnReplica(connection)).isTrue();
      connection.rollback();
    }
  }

  @Test
  void transaction_staysOnItsNode_andItsSessionsWritesElsewhereAreForTheNextOne()
      throws SQLException {
    try (Connection reading = begin(source, true)) {
      assertThat(name(reading, 12)).isEqualTo("name 12");
      replicasStandStill();
      rename(source, 12, "meanwhile");

      assertThat(name(reading, 12)).isEqualTo("name 12");
      assertThat(isOnReplica(reading)).isTrue();
      reading.commit();
      assertThat(name(reading, 12)).isEqualTo("meanwhile");
      assertThat(isOnReplica(reading)).isFalse();
      reading.rollback();
    }
  }

  @Test
  void statementMadeBeforeAWrite_isRefusedWhereItWouldShowLess() throws SQLException {
    try (Connection reading = source.getConnection()) {
      reading.setReadOnly(true);
      try (PreparedStatement kept =
          reading.prepareStatement("SELECT name FROM profile WHERE id = 13")) {
        assertThat(only(kept)).isEqualTo("name 13");
        replicasStandStill();
        rename(source, 13, "written since");

        assertThatThrownBy(() -> only(kept))
            .isInstanceOfSatisfying(
                SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("40001"))
            .hasMessageContaining("Make it again");
        assertThat(name(reading, 13)).isEqualTo("written since");
      }
    }
  }

  @Test
  void rowsOfTheNodeBefore_canBeReadToTheEnd_butItsStatementsNotRunAgain() throws SQLException {
    try (Connection connection = source.getConnection()) {
      connection.setReadOnly(true);
      try (Statement before = connection.createStatement();
          ResultSet rows = before.executeQuery("SELECT id FROM profile ORDER BY id LIMIT 3")) {
        rows.next();
        connection.setReadOnly(false);
        rename(connection, 14, "while rows are read");
        rows.next();
        rows.next();
        assertThat(rows.getInt(1)).isEqualTo(3);
        assertThatThrownBy(() -> before.executeQuery("SELECT 1"))
            .isInstanceOf(SQLException.class)
            .hasMessageContaining("settings of its connection were changed");
      }
    }
  }

  @Test
  void close_givesBackAlsoTheNodesBefore_whoseStatementsAreOpen() throws SQLException {
    Connection connection = source.getConnection();
    connection.setReadOnly(true);
    Statement before = connection.createStatement();
    connection.setReadOnly(false);
    rename(connection, 14, "while a statement is open");
    assertThat(borrowed(db)).isEqualTo(1);

    connection.close();

    assertThat(borrowed(db)).isZero();
    assertThat(before.isClosed()).isTrue();
  }

  @Test
  void metadataOfANodeThatWasLeft_isRefused() throws SQLException {
    try (Connection connection = source.getConnection()) {
      connection.setReadOnly(true);
      var metaData = connection.getMetaData();
      assertThat(metaData.getConnection()).isSameAs(connection);
      try (ResultSet tables = metaData.getTables(null, "public", "profile", null)) {
        assertThat(tables.next()).isTrue();
      }
      connection.setReadOnly(false);
      rename(connection, 15, "elsewhere");

      assertThatThrownBy(() -> metaData.getTables(null, "public", "profile", null))
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("has left that node");
    }
  }

  @Test
  void transactionOnAReplica_isNotTakenOverByAnotherSession() throws SQLException {
    try (Connection reading = begin(source, true)) {
      assertThat(isOnReplica(reading)).isTrue();
      try (ScopedSession inner = ScopedSession.open(db.session())) {
        assertThat(inner.session()).isNotSameAs(session);
        assertThatThrownBy(() -> isOnReplica(reading))
            .isInstanceOf(SQLException.class)
            .hasMessageContaining("another session");
      }
    }
  }

  @Test
  void allScopesThatRanStatementsOfATransaction_seeItsCommitAfterwards() throws SQLException {
    List<Session> inside = List.of(db.session(), db.session());
    try (Connection connection = begin(source, false)) {
      for (Session each : inside) {
        try (ScopedSession inner = ScopedSession.open(each)) {
          assertThat(inner.session()).isSameAs(each);
          rename(connection, 16, "from inside");
        }
      }
      // Replicas have what the sessions were shown so far, and not the commit.
      cluster.execute("UPDATE profile SET name = name WHERE id = 99");
      inside.forEach(db::token);
      cluster.servers().replicas().forEach(node -> node.awaitCaughtUp());
      replicasStandStill();
      connection.commit();
    }
    for (Session each : inside) {
      try (ScopedSession inner = ScopedSession.open(each)) {
        assertThat(inner.session()).isSameAs(each);
        assertThat(name(source, 16)).isEqualTo("from inside");
      }
    }
    assertThat(name(source, 16)).isEqualTo("from inside");
  }

  @Test
  void savepoint_isRolledBackTo_andTheRestIsCommitted() throws SQLException {
    replicasStandStill();
    inTransaction(
        source,
        false,
        connection -> {
          rename(connection, 17, "kept");
          var savepoint = connection.setSavepoint("nested");
          rename(connection, 18, "undone");
          connection.rollback(savepoint);
          connection.releaseSavepoint(savepoint);
          return savepoint;
        });

    assertThat(name(source, 17)).isEqualTo("kept");
    assertThat(name(source, 18)).isEqualTo("name 18");
  }

  @Test
  void writeWhereReadOnlyWasDeclared_saysWhere() {
    assertThatThrownBy(
            () -> inTransaction(source, true, connection -> rename(connection, 19, "never")))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25006"))
        .hasMessageContaining("declared read-only at")
        .hasMessageContaining("RoutedJdbc.begin(RoutedJdbc.java:")
        .hasMessageContaining("RoutedJdbc.inTransaction(RoutedJdbc.java:");
    RoutingDataSource reads = source.readOnly();
    assertThatThrownBy(
            () -> {
              try (Connection connection = reads.getConnection()) {
                rename(connection, 19, "never");
              }
            })
        .hasMessageContaining("writeWhereReadOnlyWasDeclared_saysWhere");
    RoutingDataSource quiet = RoutingDataSource.builder(db).withoutCallSites().build();
    assertThatThrownBy(
            () -> inTransaction(quiet, true, connection -> rename(connection, 19, "never")))
        .hasMessageContaining("a place that was not kept");
  }
}
