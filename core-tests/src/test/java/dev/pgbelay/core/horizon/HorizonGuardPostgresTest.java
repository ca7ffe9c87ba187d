package dev.pgbelay.core.horizon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresCluster;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.util.List;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Each of those that hold the horizon is named; on a server of its own, where nobody else does. */
class HorizonGuardPostgresTest {
  private static PostgresCluster cluster;

  private final HorizonGuard guard = HorizonGuard.after(Duration.ofSeconds(1));

  @BeforeAll
  static void start() {
    cluster =
        PostgresCluster.builder()
            .serverConfig("max_prepared_transactions", "5")
            .serverConfig("wal_level", "logical")
            .start();
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  private static Connection connect() throws Exception {
    return DriverManager.getConnection(cluster.primary().jdbcUrl());
  }

  private HorizonPin awaitPin(DSLContext dsl, HorizonPin.Holder holder) {
    return Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> guard.look(dsl).stream().filter(pin -> pin.holder() == holder).findFirst(),
            java.util.Optional::isPresent)
        .orElseThrow();
  }

  private void awaitNone(DSLContext dsl) {
    Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> guard.look(dsl).isEmpty());
  }

  @Test
  void sessionPreparedTransactionAndSlot_areNamedWithTheirAge() throws Exception {
    try (Connection watching = connect();
        Connection holding = connect();
        Connection writing = connect()) {
      DSLContext dsl = DSL.using(watching, SQLDialect.POSTGRES);
      assertThat(guard.look(dsl)).isEmpty();

      holding.setAutoCommit(false);
      holding.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      DSLContext held = DSL.using(holding, SQLDialect.POSTGRES);
      int pid = held.fetchSingle("select pg_backend_pid()").get(0, Integer.class);
      DSLContext writer = DSL.using(writing, SQLDialect.POSTGRES);
      for (int i = 0; i < 3; i++) {
        writer.fetch("select pg_current_xact_id()");
      }
      HorizonPin session = awaitPin(dsl, HorizonPin.Holder.SESSION);
      assertThat(session.name()).startsWith(pid + ", ").contains("idle in transaction");
      assertThat(session.transactions()).isGreaterThanOrEqualTo(3);
      assertThat(session.held()).isGreaterThanOrEqualTo(Duration.ofSeconds(1));
      assertThat(session.toString()).startsWith("session " + pid).contains("transactions back");
      holding.rollback();
      awaitNone(dsl);

      holding.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
      held.execute("create table t (n int)");
      held.execute("prepare transaction 'left-behind'");
      HorizonPin prepared = awaitPin(dsl, HorizonPin.Holder.PREPARED_TRANSACTION);
      assertThat(prepared.name()).isEqualTo("left-behind");
      assertThat(prepared.held()).isGreaterThanOrEqualTo(Duration.ofSeconds(1));
      writer.execute("rollback prepared 'left-behind'");
      awaitNone(dsl);

      writer.fetch("select pg_create_logical_replication_slot('forgotten', 'pgoutput')");
      HorizonPin slot = awaitPin(dsl, HorizonPin.Holder.REPLICATION_SLOT);
      assertThat(slot.name()).isEqualTo("forgotten, not in use");
      assertThat(slot.held()).as("since it was seen first").isPositive();
      writer.fetch("select pg_drop_replication_slot('forgotten')");
      awaitNone(dsl);
    }
  }

  /** A query on a standby; where it has a slot, the slot holds the horizon for it. */
  @Test
  void standbyWithFeedback_isNamed() throws Exception {
    try (PostgresCluster pair =
            PostgresCluster.builder()
                .replicas(1)
                .serverConfig("hot_standby_feedback", "on")
                .serverConfig("wal_receiver_status_interval", "1s")
                .start();
        Connection watching = DriverManager.getConnection(pair.primary().jdbcUrl());
        Connection reading = DriverManager.getConnection(pair.replicas().get(0).jdbcUrl())) {
      DSLContext dsl = DSL.using(watching, SQLDialect.POSTGRES);
      reading.setAutoCommit(false);
      reading.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      DSL.using(reading, SQLDialect.POSTGRES).fetch("select count(*) from pg_class");
      String replica = pair.replicas().get(0).name();
      Awaitility.await()
          .atMost(Duration.ofSeconds(60))
          .until(
              () -> {
                dsl.fetch("select pg_current_xact_id()");
                return guard.look(dsl).stream()
                    .anyMatch(pin -> pin.name().startsWith(replica) && pin.transactions() > 1);
              });
      reading.rollback();
    }
  }

  @Test
  void youngTransaction_isNoPin() throws Exception {
    HorizonGuard patient = HorizonGuard.after(Duration.ofHours(1));
    try (Connection watching = connect();
        Connection holding = connect()) {
      holding.setAutoCommit(false);
      DSL.using(holding, SQLDialect.POSTGRES).fetch("select pg_current_xact_id()");
      List<HorizonPin> pins = patient.look(DSL.using(watching, SQLDialect.POSTGRES));
      assertThat(pins).isEmpty();
      holding.rollback();
    }
  }
}
