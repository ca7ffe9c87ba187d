package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.PgBelayException;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PostgresClusterTest {
  private static final String WAITING =
      "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  private static final String CONFLICTS =
      "SELECT confl_snapshot FROM pg_stat_database_conflicts WHERE datname = 'postgres'";

  private static PostgresCluster cluster;

  @BeforeAll
  static void start() throws SQLException {
    cluster = PostgresCluster.builder().replicas(1).replicasThroughProxy().start();
    execute(cluster.primary(), "create table item(id int primary key)");
  }

  @AfterAll
  static void close() {
    cluster.close();
  }

  private static void execute(PostgresNode node, String sql) throws SQLException {
    try (Connection connection = node.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static String ask(PostgresNode node, String sql) throws SQLException {
    try (Connection connection = node.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    }
  }

  @Test
  void questionThatStoodInTheWayOfReplay_isAskedAgain() throws Exception {
    PostgresNode replica = cluster.replica();
    execute(cluster.primary(), "insert into item select g from generate_series(1000, 2000) g");
    replica.awaitCaughtUp();
    replica.configure("hot_standby_feedback", "off");
    replica.configure("max_standby_streaming_delay", "0");
    ExecutorService threads = Executors.newSingleThreadExecutor();
    NodeQuestions questions = new NodeQuestions(replica);
    try {
      Future<String> asked;
      try (Connection holder = replica.connect();
          Statement statement = holder.createStatement()) {
        statement.execute("SELECT pg_advisory_lock(4711)");
        asked = threads.submit(() -> questions.ask("SELECT 'yes' FROM pg_advisory_lock(4711)"));
        await().until(() -> questions.ask(WAITING).equals("1"));
        execute(cluster.primary(), "delete from item where id >= 1000");
        execute(cluster.primary(), "vacuum item");
        await().until(() -> !questions.ask(CONFLICTS).equals("0"));
        assertThat(asked.isDone()).isFalse();
      }
      assertThat(asked.get(1, TimeUnit.MINUTES)).isEqualTo("yes");
    } finally {
      threads.shutdownNow();
      replica.configure("max_standby_streaming_delay", "30s");
      replica.configure("hot_standby_feedback", "on");
    }
  }

  @Test
  void warmStart_takesLessThanThreeSeconds() {
    // The best of a few: a machine busy with other builds says nothing about one start.
    Duration best = Duration.ofDays(1);
    for (int attempt = 0; attempt < 5 && best.compareTo(Duration.ofSeconds(3)) >= 0; attempt++) {
      long start = System.nanoTime();
      try (PostgresCluster other = PostgresCluster.builder().start()) {
        assertThat(other.primary().isReplica()).isFalse();
        Duration took = Duration.ofNanos(System.nanoTime() - start);
        best = took.compareTo(best) < 0 ? took : best;
      }
    }
    System.out.println("warm start to first query: " + best.toMillis() + " ms");
    assertThat(best).isLessThan(Duration.ofSeconds(3));
  }

  @Test
  void replica_followsAndRefusesWrites() throws SQLException {
    PostgresNode replica = cluster.replica();
    execute(cluster.primary(), "insert into item values (1)");
    replica.awaitCaughtUp();
    assertThat(ask(replica, "select count(*) from item where id = 1")).isEqualTo("1");
    assertThat(replica.isReplica()).isTrue();
    assertThatThrownBy(() -> execute(replica, "insert into item values (2)"))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("25006"));
  }

  @Test
  void pausedReplay_hidesNewRowsUntilResumed() throws SQLException {
    PostgresNode replica = cluster.replica();
    replica.pauseReplay();
    try {
      execute(cluster.primary(), "insert into item values (10)");
      assertThat(ask(replica, "select count(*) from item where id = 10")).isEqualTo("0");
      String written = ask(cluster.primary(), "select pg_current_wal_flush_lsn()");
      await()
          .untilAsserted(
              () ->
                  assertThat(ask(replica, "select pg_last_wal_receive_lsn() >= '" + written + "'"))
                      .isEqualTo("t"));
      assertThat(ask(replica, "select count(*) from item where id = 10")).isEqualTo("0");
    } finally {
      replica.resumeReplay();
    }
    replica.awaitCaughtUp();
    assertThat(ask(replica, "select count(*) from item where id = 10")).isEqualTo("1");
  }

  @Test
  void laggingReplica_appliesCommitsLater() throws SQLException {
    PostgresNode replica = cluster.replica();
    replica.lag(Duration.ofMillis(700));
    try {
      execute(cluster.primary(), "insert into item values (20)");
      long committed = System.nanoTime();
      replica.awaitCaughtUp();
      assertThat(Duration.ofNanos(System.nanoTime() - committed))
          .isGreaterThan(Duration.ofMillis(500));
    } finally {
      replica.lag(Duration.ZERO);
    }
  }

  @Test
  void frozenReplicationLink_isALag() throws SQLException {
    PostgresNode replica = cluster.replica();
    FaultProxy link = replica.upstreamProxy().orElseThrow();
    link.freeze();
    try {
      execute(cluster.primary(), "insert into item values (30)");
      assertThat(ask(replica, "select count(*) from item where id = 30")).isEqualTo("0");
    } finally {
      link.thaw();
    }
    replica.awaitCaughtUp();
    assertThat(ask(replica, "select count(*) from item where id = 30")).isEqualTo("1");
    link.dropConnections();
    execute(cluster.primary(), "insert into item values (31)");
    replica.awaitCaughtUp();
    assertThat(ask(replica, "select count(*) from item where id = 31")).isEqualTo("1");
  }

  @Test
  void awaitCaughtUp_endsOnAnIdlePrimaryBehindAPageHeader() throws SQLException {
    for (int i = 0; i < 5; i++) {
      ask(cluster.primary(), "select pg_switch_wal()");
      cluster.replica().awaitCaughtUp();
    }
  }

  @Test
  void synchronousStandby_isWaitedFor() throws SQLException {
    PostgresNode primary = cluster.primary();
    primary.configure("synchronous_standby_names", "replica1");
    try {
      await()
          .until(
              () -> "sync".equals(ask(primary, "select max(sync_state) from pg_stat_replication")));
      try (Connection connection = primary.connect();
          Statement statement = connection.createStatement()) {
        statement.execute("set synchronous_commit = remote_apply");
        statement.execute("insert into item values (40)");
      }
      assertThat(ask(cluster.replica(), "select count(*) from item where id = 40")).isEqualTo("1");
    } finally {
      primary.configure("synchronous_standby_names", "");
    }
  }

  @Test
  void settingThatNeedsARestart_isRefusedByName() {
    assertThatThrownBy(() -> cluster.replica().configure("shared_buffers", "64MB"))
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("shared_buffers")
        .hasMessageContaining("restart");
  }

  @Test
  void crashedServer_comesBackWithWhatWasCommitted() throws SQLException {
    try (PostgresCluster own = PostgresCluster.builder().start()) {
      PostgresNode node = own.primary();
      execute(node, "create table item(id int primary key)");
      try (Connection connection = node.connect();
          Statement statement = connection.createStatement()) {
        statement.execute("insert into item values (1)");
        connection.setAutoCommit(false);
        statement.execute("insert into item values (2)");
        String url = node.jdbcUrl();
        node.crash();
        assertThatThrownBy(() -> statement.execute("select 1")).isInstanceOf(SQLException.class);
        assertThatThrownBy(() -> DriverManager.getConnection(url)).isInstanceOf(SQLException.class);
        node.restart();
        assertThat(node.jdbcUrl()).isEqualTo(url);
      }
      assertThat(ask(node, "select string_agg(id::text, ',') from item")).isEqualTo("1");
      assertThat(node.logTail(50)).contains("was not properly shut down");
      node.stop();
      node.restart();
      assertThat(ask(node, "select count(*) from item")).isEqualTo("1");
    }
  }

  @Test
  void crashedServerWhosePortIsStillHeld_comesBackWhenItIsFree() throws Exception {
    ExecutorService threads = Executors.newSingleThreadExecutor();
    try (PostgresCluster own = PostgresCluster.builder().start()) {
      PostgresNode node = own.primary();
      node.crash();
      Future<?> restart;
      try (ServerSocket holder = new ServerSocket()) {
        holder.bind(node.address());
        restart = threads.submit(node::restart);
        await().until(() -> node.logTail(20).contains("could not bind"));
        assertThat(restart.isDone()).isFalse();
      }
      restart.get(1, TimeUnit.MINUTES);
      assertThat(ask(node, "select 1")).isEqualTo("1");
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void clusterWhoseServerCrashed_leavesNoSharedMemoryBehind() throws Exception {
    Path segments = Path.of("/proc/sysvipc/shm");
    assumeThat(segments).exists();
    String[] keyAndId;
    try (PostgresCluster own = PostgresCluster.builder().start()) {
      Path folder = Path.of(ask(own.primary(), "show data_directory"));
      keyAndId = Files.readAllLines(folder.resolve("postmaster.pid")).get(6).trim().split("\\s+");
      own.primary().crash();
      assertThat(segmentsOf(segments, keyAndId)).as("what a crash leaves").hasSize(1);
    }
    assertThat(segmentsOf(segments, keyAndId)).isEmpty();
  }

  private static List<String> segmentsOf(Path segments, String[] keyAndId) throws IOException {
    try (Stream<String> lines = Files.lines(segments)) {
      return lines
          .filter(line -> line.trim().matches(keyAndId[0] + "\\s+" + keyAndId[1] + "\\s.*"))
          .toList();
    }
  }

  @Test
  void promotedReplica_writesTheNextTimelineWithoutWhatWasNotReplicated() throws SQLException {
    try (PostgresCluster own =
        PostgresCluster.builder().replicas(1).replicasThroughProxy().start()) {
      PostgresNode old = own.primary();
      execute(old, "create table item(id int primary key)");
      own.replica().awaitCaughtUp();
      int timeline = old.timeline();
      execute(old, "insert into item values (1)");
      own.replica().awaitCaughtUp();
      own.replica().upstreamProxy().orElseThrow().freeze();
      execute(old, "insert into item values (7)");
      old.crash();
      own.replica().promote();
      assertThat(own.primary()).isSameAs(own.replica());
      execute(own.primary(), "insert into item values (2)");
      assertThat(own.primary().timeline()).isEqualTo(timeline + 1);
      assertThat(ask(own.primary(), "select string_agg(id::text, ',' order by id) from item"))
          .as("7 was never replicated")
          .isEqualTo("1,2");
    }
  }

  @Test
  void suspendedServer_answersAfterItIsResumed() throws SQLException {
    try (PostgresCluster own = PostgresCluster.builder().start();
        Connection connection = own.primary().connect();
        Statement statement = connection.createStatement()) {
      connection.setNetworkTimeout(Runnable::run, 1_000);
      own.primary().suspend();
      assertThatThrownBy(() -> statement.execute("select 1")).isInstanceOf(SQLException.class);
      own.primary().resume();
      assertThat(own.primary().isReplica()).isFalse();
    }
  }

  @Test
  void terminatedSession_isGoneOnReturn() throws SQLException {
    PostgresNode node = cluster.primary();
    try (Connection connection =
            DriverManager.getConnection(node.jdbcUrl() + "&ApplicationName=victim");
        Statement statement = connection.createStatement()) {
      assertThat(node.terminate("victim")).isEqualTo(1);
      assertThat(ask(node, "select count(*) from pg_stat_activity where application_name='victim'"))
          .isEqualTo("0");
      assertThatThrownBy(() -> statement.execute("select 1")).isInstanceOf(SQLException.class);
    }
    assertThat(node.terminate("victim")).isZero();
  }

  @Test
  void sessionTerminatedByItsProcess_isGoneOnReturn() throws SQLException {
    PostgresNode node = cluster.primary();
    try (HeldTransaction held = node.holdTransaction("postgres", "select 1")) {
      int pid = held.pid();
      assertThat(node.terminate(pid)).isEqualTo(PostgresNode.Termination.ENDED);
      assertThat(ask(node, "select count(*) from pg_stat_activity where pid = " + pid))
          .isEqualTo("0");
      assertThat(node.terminate(pid)).isEqualTo(PostgresNode.Termination.NO_SUCH_SESSION);
    }
  }

  @Test
  void databaseMadeByATest_isItsOwnUntilClosed() throws SQLException {
    PostgresDatabase database = cluster.createDatabase("apart");
    String exists = "select count(*) from pg_database where datname = '" + database.name() + "'";
    try (database;
        Connection connection = database.dataSource().getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute("create table t(id int)");
      try (ResultSet zone = statement.executeQuery("show timezone")) {
        zone.next();
        assertThat(zone.getString(1)).isEqualTo("America/St_Johns");
      }
      assertThat(ask(cluster.primary(), exists)).isEqualTo("1");
    }
    assertThat(ask(cluster.primary(), exists)).isEqualTo("0");
  }

  @Test
  void heldTransaction_holdsSnapshotAndLocksUntilClosed() throws SQLException {
    PostgresNode node = cluster.primary();
    execute(node, "create table held(id int primary key)");
    try (HeldTransaction held = node.holdTransaction("postgres", "lock table held in share mode")) {
      assertThat(
              ask(
                  node,
                  "select backend_xmin is not null from pg_stat_activity where pid = "
                      + held.pid()))
          .isEqualTo("t");
      assertThatThrownBy(
              () -> execute(node, "set lock_timeout = '50ms'; insert into held values (1)"))
          .isInstanceOfSatisfying(
              SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("55P03"));
    }
    execute(node, "insert into held values (1)");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "1x", "a b", "fsync = off #"})
  void settingsName_isCheckedBeforeItReachesAFile(String name) {
    assertThatThrownBy(() -> PostgresCluster.builder().serverConfig(name, "on"))
        .isInstanceOf(PgBelayException.class);
  }

  @Test
  void sharedServer_cannotBeClosed() {
    assertThatThrownBy(() -> PostgresCluster.shared().close())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("shared");
  }

  @Test
  void killedJvm_leavesNoServerAndNoData() throws Exception {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Djava.io.tmpdir=" + System.getProperty("java.io.tmpdir"),
                "-Duser.name=" + System.getProperty("user.name"),
                "-cp",
                System.getProperty("java.class.path"),
                SleepingJvm.class.getName())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    List<String> said = jvm.inputReader().lines().takeWhile(line -> !line.equals("ready")).toList();
    Path folder = ServerFolder.base().resolve("run");
    List<Path> ownedByJvm;
    try (Stream<Path> runs = Files.list(folder)) {
      ownedByJvm =
          runs.filter(run -> run.getFileName().toString().startsWith(jvm.pid() + "-")).toList();
    }
    assertThat(ownedByJvm).as("said: %s", said).hasSize(1);
    long postmaster =
        Long.parseLong(
            Files.readAllLines(
                    ownedByJvm.get(0).resolve(Path.of("c1", "primary", "data", "postmaster.pid")))
                .get(0));
    assertThat(ProcessHandle.of(postmaster)).isPresent();
    jvm.destroyForcibly().waitFor();
    await()
        .atMost(Duration.ofSeconds(20))
        .untilAsserted(
            () -> {
              assertThat(ProcessHandle.of(postmaster).map(ProcessHandle::isAlive).orElse(false))
                  .isFalse();
              assertThat(ownedByJvm.get(0)).doesNotExist();
            });
  }
}
