package dev.pgbelay.core.background;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.PostgresCluster;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;

@DisabledIfSystemProperty(
    named = "pgbelay.postgres.mode",
    matches = "external",
    disabledReason = "crashes and restarts the server, which an address alone does not allow")
class BackgroundLoopPostgresTest {
  private static PostgresCluster cluster;
  private static HikariDataSource pool;

  @BeforeAll
  static void start() throws SQLException {
    cluster = PostgresCluster.builder().start();
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(cluster.primary().jdbcUrl());
    config.setMaximumPoolSize(2);
    config.setConnectionTimeout(500);
    pool = new HikariDataSource(config);
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE tick (n bigint)");
    }
  }

  @AfterAll
  static void stop() {
    pool.close();
    cluster.close();
  }

  private static BackgroundLoop ticking(DataSource dataSource, AtomicInteger ticks) {
    return BackgroundLoop.builder(
            "ticker",
            () -> {
              try (Connection connection = dataSource.getConnection();
                  PreparedStatement insert =
                      connection.prepareStatement("INSERT INTO tick VALUES (1)")) {
                insert.executeUpdate();
              }
              ticks.incrementAndGet();
              return Pass.idle();
            })
        .idlePause(Duration.ofMillis(10), Duration.ofMillis(20))
        .failurePause(Duration.ofMillis(20), Duration.ofMillis(200))
        .build();
  }

  private static void awaitMore(AtomicInteger ticks) {
    int seen = ticks.get();
    await().atMost(Duration.ofSeconds(30)).until(() -> ticks.get() > seen + 1);
  }

  @Test
  void crashAndRestartOfPostgres_areSurvived() {
    AtomicInteger ticks = new AtomicInteger();
    try (BackgroundLoop loop = ticking(pool, ticks)) {
      loop.start();
      awaitMore(ticks);
      for (int round = 0; round < 2; round++) {
        cluster.primary().crash();
        await().atMost(Duration.ofSeconds(10)).until(() -> loop.consecutiveFailures() >= 2);
        assertThat(loop.sinceLastSuccess()).isPositive();
        cluster.primary().restart();
        await().atMost(Duration.ofSeconds(20)).until(() -> loop.consecutiveFailures() == 0);
        awaitMore(ticks);
      }
      assertThat(loop.stop(Duration.ofSeconds(5))).isEqualTo(BackgroundLoop.StopOutcome.FINISHED);
    }
  }

  @Test
  void exhaustedPool_isSurvived() throws SQLException {
    AtomicInteger ticks = new AtomicInteger();
    try (BackgroundLoop loop = ticking(pool, ticks)) {
      loop.start();
      awaitMore(ticks);
      try (Connection one = pool.getConnection();
          Connection two = pool.getConnection()) {
        await().atMost(Duration.ofSeconds(10)).until(() -> loop.consecutiveFailures() >= 2);
        assertThat(one.isValid(1) && two.isValid(1)).isTrue();
      }
      awaitMore(ticks);
      assertThat(loop.isRunning()).isTrue();
    }
  }
}
