package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.testing.PostgresCluster;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;

/** Replicas, asynchronous commits and what a fail-over takes with it. The last test promotes. */
@Timeout(120)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@DisabledIfSystemProperty(
    named = "pgbelay.postgres.mode",
    matches = "external|docker",
    disabledReason = "needs a replica and promotes it")
class TransactionsReplicaTest {
  private static PostgresCluster cluster;
  private static HikariDataSource primaryPool;
  private static HikariDataSource replicaPool;

  @BeforeAll
  static void start() {
    cluster = PostgresCluster.builder().replicas(1).replicasThroughProxy().start();
    cluster.replica().configure("hot_standby_feedback", "off");
    cluster.replica().configure("max_standby_streaming_delay", "0");
    primaryPool = Pools.pool(cluster.primary().jdbcUrl(), 3);
    replicaPool = Pools.pool(cluster.replica().jdbcUrl(), 3);
    Transactions.of(primaryPool)
        .execute(
            tx -> {
              tx.dsl()
                  .execute(
                      "create table item (id int primary key, claimant uuid, claim_number bigint)");
              tx.dsl().execute("create sequence ticket");
            });
    cluster.replica().awaitCaughtUp();
  }

  @AfterAll
  static void stop() {
    replicaPool.close();
    primaryPool.close();
    cluster.close();
  }

  @Test
  @Order(1)
  void readOnAReplica_saysWhatItHasSeen() {
    Commit<Integer> written =
        Transactions.of(primaryPool)
            .commit(TxOptions.defaults(), tx -> tx.dsl().execute("insert into item values (1)"));
    cluster.replica().awaitCaughtUp();

    Commit<Integer> read =
        Transactions.of(replicaPool)
            .commit(
                TxOptions.builder().readOnly(true).build(),
                tx -> tx.dsl().fetchCount(org.jooq.impl.DSL.table("item")));

    assertThat(read.effect()).isEqualTo(Commit.Effect.READ_ONLY);
    assertThat(read.value()).isEqualTo(1);
    assertThat(read.position().orElseThrow().covers(written.position().orElseThrow())).isTrue();
  }

  @Test
  @Order(2)
  void positionOfAnAsynchronousCommit_isNotOlderThanTheCommit() {
    Transactions transactions = Transactions.of(primaryPool);
    TxOptions asynchronous = TxOptions.builder().setting("synchronous_commit", "off").build();
    for (int i = 0; i < 20; i++) {
      int id = 100 + i;
      cluster.replica().pauseReplay();
      Commit<Integer> commit =
          transactions.commit(
              asynchronous, tx -> tx.dsl().execute("insert into item values (?)", id));
      Commit<Integer> seen =
          Transactions.of(replicaPool)
              .commit(
                  TxOptions.builder().readOnly(true).build(),
                  tx ->
                      tx.dsl()
                          .fetchOne("select count(*) from item where id = ?", id)
                          .get(0, Integer.class));
      // Replay stands still before the commit: a position that it covers would be too old.
      assertThat(seen.value()).isZero();
      assertThat(seen.position().orElseThrow().covers(commit.position().orElseThrow())).isFalse();
      cluster.replica().resumeReplay();
    }
  }

  @Test
  @Order(3)
  void writeOnAReplica_isReadOnlyAndNotRetried() {
    AtomicInteger runs = new AtomicInteger();
    Throwable failure =
        catchThrowable(
            () ->
                Transactions.of(replicaPool)
                    .execute(
                        tx -> {
                          runs.incrementAndGet();
                          tx.dsl().execute("insert into item values (7)");
                        }));
    assertThat(Failures.classify(failure)).isEqualTo(FailureKind.READ_ONLY);
    assertThat(runs).hasValue(1);
  }

  @Test
  @Order(4)
  void replayThatNeedsWhatAQueryHolds_isARecoveryConflictAndRetried() {
    AtomicInteger runs = new AtomicInteger();
    Commit<Integer> read =
        Transactions.of(replicaPool)
            .commit(
                TxOptions.builder().isolation(TxOptions.Isolation.REPEATABLE_READ).build(),
                tx -> {
                  int count = tx.dsl().fetchCount(org.jooq.impl.DSL.table("item"));
                  if (runs.incrementAndGet() == 1) {
                    Transactions.of(primaryPool)
                        .execute(
                            TxOptions.builder().nesting(TxOptions.Nesting.INDEPENDENT).build(),
                            other ->
                                other
                                    .dsl()
                                    .execute(
                                        "alter table item add column if not exists note text"));
                    cluster.replica().awaitCaughtUp();
                    return tx.dsl().fetchCount(org.jooq.impl.DSL.table("item"));
                  }
                  return count;
                });
    assertThat(read.attempts()).isEqualTo(2);
  }

  private static int update(Connection connection, Fence fence, String set) throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement(
            "UPDATE item SET " + set + " WHERE id = 1 AND claimant = ? AND claim_number = ?")) {
      fence.bind(update, 1);
      return update.executeUpdate();
    }
  }

  private static void claim(Connection connection, Fence fence) throws SQLException {
    try (PreparedStatement claim =
        connection.prepareStatement(
            "UPDATE item SET claimant = ?, claim_number = ? WHERE id = 1")) {
      fence.bind(claim, 1);
      assertThat(claim.executeUpdate()).isEqualTo(1);
    }
  }

  private static long ticket(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT nextval('ticket')")) {
      row.next();
      return row.getLong(1);
    }
  }

  @Test
  @Order(5)
  void failOverThatSetsASequenceBack_doesNotBringAFenceBack() throws SQLException {
    var replica = cluster.replica();
    Claimant stale = Claimant.random();
    Claimant current = Claimant.random();
    Fence lost;
    long lostTicket = 0;
    try (Connection old = primaryPool.getConnection()) {
      ticket(old);
      replica.awaitCaughtUp();
      replica.upstreamProxy().orElseThrow().freeze();
      // Sequences are logged 32 numbers ahead, so it takes more to be set back.
      for (int i = 0; i < 100; i++) {
        lostTicket = ticket(old);
      }
      lost = stale.next();
      claim(old, lost);
    }
    cluster.primary().crash();
    replica.promote();
    try (Connection promoted = replicaPool.getConnection()) {
      long reused = 0;
      while (reused < lostTicket) {
        reused = ticket(promoted);
      }
      // What a bare sequence gives out twice:
      assertThat(reused).isEqualTo(lostTicket);
      Fence held = current.next();
      assertThat(held.number()).isEqualTo(lost.number());
      claim(promoted, held);

      assertThat(update(promoted, lost, "note = 'stale'")).isZero();
      assertThat(update(promoted, held, "note = 'current'")).isEqualTo(1);
    }
  }
}
