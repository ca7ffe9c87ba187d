package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresCluster;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;

/** A server that crashes before it has flushed chunks which it said were committed. */
@DisabledIfSystemProperty(
    named = "pgbelay.postgres.mode",
    matches = "docker|external",
    disabledReason = "crashes servers")
class PropagationCrashTest {
  private static final int MOST_CRASHES = 20;

  @Test
  void chunksThatACrashTakesBack_areTakenBackWithTheirUndoAndDoneAgain() throws Exception {
    try (PostgresCluster cluster =
        PostgresCluster.builder()
            .serverConfig("synchronous_commit", "on")
            .serverConfig("wal_writer_delay", "10s")
            .start()) {
      try (HikariDataSource database = pool(cluster)) {
        ShopFixture.SCHEMA.initialize(database);
      }
      int lost = 0;
      int crashes = 0;
      for (; lost == 0 && crashes < MOST_CRASHES; crashes++) {
        lost = takenBackByACrash(cluster);
      }
      System.out.printf("%d children of chunks taken back in crash %d%n", lost, crashes);
      assertThat(lost).isPositive();
    }
  }

  private static HikariDataSource pool(PostgresCluster cluster) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(cluster.primary().jdbcUrl());
    config.setMaximumPoolSize(2);
    return new HikariDataSource(config);
  }

  /** How many children had been treated for those who asked, and then had not. */
  private static int takenBackByACrash(PostgresCluster cluster) {
    int treated;
    PropagationStorm storm;
    try (HikariDataSource database = pool(cluster)) {
      ShopFixture shop = new ShopFixture(database);
      storm = new PropagationStorm(shop, "crash");
      storm.begin(4);
      shop.dsl.execute("delete from customers where id <= 30");
      Propagation worker = PropagationStorm.worker(shop.transactions).build();
      for (int chunk = 0; chunk < 20; chunk++) {
        assertThat(worker.runOnce().work()).isPositive();
      }
      treated = shop.count("select count(*) from pgbelay.reconcile_undo");
      cluster.primary().crash();
    }
    cluster.primary().restart();
    try (HikariDataSource database = pool(cluster)) {
      ShopFixture shop = ShopFixture.as(database);
      int kept = shop.count("select count(*) from pgbelay.reconcile_undo");
      Propagation worker = PropagationStorm.worker(shop.transactions).build();
      Drain.within(100_000, worker);
      storm.over(shop).assertWhole();
      return treated - kept;
    }
  }
}
