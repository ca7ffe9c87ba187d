package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;

/**
 * The server forgets a transaction whose id it then gives to another one, which commits: whoever
 * asks for the status of the id alone is told that the lost one was committed.
 */
@Timeout(120)
@DisabledIfSystemProperty(
    named = "pgbelay.postgres.mode",
    matches = "external|docker",
    disabledReason = "crashes and promotes servers")
class LostHistoryTest {
  private static final TxOptions RESOLVING =
      TxOptions.builder()
          .path("payment")
          .resolveOutcome(Duration.ofSeconds(2))
          .retry(TxOptions.Retry.none())
          .build();

  private static String text(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** Lets other transactions commit until one of them has had the id. */
  private static String reuse(long transactionId, Connection connection) throws SQLException {
    execute(connection, "CREATE TABLE IF NOT EXISTS other (n int)");
    for (long id = 0; id < transactionId; ) {
      execute(connection, "INSERT INTO other VALUES (1)");
      id = Long.parseLong(text(connection, "SELECT pg_current_xact_id()::text"));
    }
    return text(connection, "SELECT pg_xact_status('" + transactionId + "'::xid8)");
  }

  /** What the server goes through between a COMMIT that was cut and the question about it. */
  private interface Meanwhile {
    /** Returns the node that will be asked. */
    Connection happens() throws SQLException;
  }

  /** One payment whose COMMIT is cut, and whose id is given away before anybody asks for it. */
  private static final class LostPayment {
    private final AtomicLong transactionId = new AtomicLong();
    private final AtomicReference<String> statusOfTheId = new AtomicReference<>("");
    private final Transactions transactions;

    LostPayment(RoutedDataSource routed, Meanwhile meanwhile) {
      transactions = Transactions.of(routed);
      transactions.execute(tx -> tx.dsl().execute("create table payment (id int primary key)"));
      routed.before(
          number -> {
            if (number == 2) {
              try (Connection asked = meanwhile.happens()) {
                statusOfTheId.set(reuse(transactionId.get(), asked));
              }
            }
          });
    }

    @Nullable Throwable pay() {
      return catchThrowable(
          () ->
              transactions.execute(
                  RESOLVING,
                  tx -> {
                    tx.dsl().execute("insert into payment values (1)");
                    transactionId.set(
                        Long.parseLong(text(tx.connection(), "SELECT pg_current_xact_id()::text")));
                  }));
    }
  }

  @Test
  void failOverThatLostTheCommit_isNeverTakenForCommitted() throws SQLException {
    try (PostgresCluster cluster =
            PostgresCluster.builder().replicas(1).replicasThroughProxy().start();
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary());
        HikariDataSource before = Pools.pool(proxy.jdbcUrl("postgres"), 2);
        HikariDataSource after = Pools.pool(cluster.replica().jdbcUrl(), 2)) {
      RoutedDataSource routed = new RoutedDataSource(before);
      var replica = cluster.replica();
      LostPayment lost =
          new LostPayment(
              routed,
              () -> {
                cluster.primary().crash();
                replica.promote();
                routed.route(after);
                return replica.connect();
              });
      replica.awaitCaughtUp();
      replica.upstreamProxy().orElseThrow().freeze();
      proxy.cutAfterCommit(1);

      Throwable failure = lost.pay();

      assertThat(lost.statusOfTheId).hasValue("committed");
      assertThat(proxy.counters().cutsAfterCommit()).isEqualTo(1);
      assertThat(failure)
          .isInstanceOfSatisfying(
              OutcomeUnknownException.class,
              unknown ->
                  assertThat(unknown.transactionId())
                      .contains(Long.toString(lost.transactionId.get())))
          .hasMessageContaining("other history");
      try (Connection connection = after.getConnection()) {
        assertThat(text(connection, "SELECT count(*) FROM payment")).isEqualTo("0");
      }
    }
  }

  private interface OnOneServer {
    void happens(PostgresCluster cluster) throws SQLException;
  }

  private record Observed(
      @Nullable Throwable failure, String statusOfTheId, String paymentsThere) {}

  private static Observed cutAndThen(boolean commitArrives, OnOneServer meanwhile)
      throws SQLException {
    try (PostgresCluster cluster =
            PostgresCluster.builder()
                // Nothing is flushed but by a commit: what a crash finds unflushed is then certain.
                .serverConfig("wal_writer_delay", "10s")
                .serverConfig("wal_writer_flush_after", "1GB")
                .start();
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary());
        HikariDataSource pool = Pools.pool(proxy.jdbcUrl("postgres"), 2)) {
      LostPayment lost =
          new LostPayment(
              new RoutedDataSource(pool),
              () -> {
                meanwhile.happens(cluster);
                return cluster.primary().connect();
              });
      if (commitArrives) {
        proxy.cutAfterCommit(1);
      } else {
        proxy.cutBeforeCommit(1);
      }
      Throwable failure = lost.pay();
      try (Connection connection = pool.getConnection()) {
        return new Observed(
            failure,
            String.valueOf(lost.statusOfTheId.get()),
            text(connection, "SELECT count(*) FROM payment"));
      }
    }
  }

  private static void crashAndRestart(PostgresCluster cluster) {
    cluster.primary().crash();
    cluster.primary().restart();
  }

  /** The postmaster lives on and starts everything anew. */
  private static void crashInPlace(PostgresCluster cluster) throws SQLException {
    try (Connection victim = cluster.primary().connect()) {
      long pid = Long.parseLong(text(victim, "SELECT pg_backend_pid()"));
      assertThat(ProcessHandle.of(pid).orElseThrow().destroyForcibly()).isTrue();
      assertThat(catchThrowable(() -> text(victim, "SELECT 1"))).isNotNull();
    }
    await()
        .atMost(Duration.ofSeconds(20))
        .ignoreExceptions()
        .until(() -> !cluster.primary().isReplica());
  }

  @Test
  void crashThatLostTheCommit_isNeverTakenForCommitted() throws SQLException {
    Observed observed = cutAndThen(false, cluster -> crashAndRestart(cluster));

    assertThat(observed.statusOfTheId()).isEqualTo("committed");
    assertThat(observed.paymentsThere()).isEqualTo("0");
    assertThat(observed.failure())
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("after a crash");
  }

  @Test
  void crashInPlaceThatLostTheCommit_isNeverTakenForCommitted() throws SQLException {
    Observed observed = cutAndThen(false, cluster -> crashInPlace(cluster));

    assertThat(observed.statusOfTheId()).isEqualTo("committed");
    assertThat(observed.paymentsThere()).isEqualTo("0");
    assertThat(observed.failure())
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("after a crash");
  }

  @Test
  void crashAfterTheCommit_leavesTheOutcomeUnknownRatherThanGuessed() throws SQLException {
    Observed observed = cutAndThen(true, cluster -> crashAndRestart(cluster));

    assertThat(observed.paymentsThere()).isEqualTo("1");
    assertThat(observed.failure()).isInstanceOf(OutcomeUnknownException.class);
  }

  @Test
  void orderlyRestart_leavesTheOutcomeKnown() throws SQLException {
    Observed committed =
        cutAndThen(
            true,
            cluster -> {
              cluster.primary().stop();
              cluster.primary().restart();
            });

    assertThat(committed.failure()).isNull();
    assertThat(committed.paymentsThere()).isEqualTo("1");
  }
}
