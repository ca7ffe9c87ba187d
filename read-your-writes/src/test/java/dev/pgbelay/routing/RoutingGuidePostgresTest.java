package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** What the guide shows, run while replicas stand still. */
class RoutingGuidePostgresTest {
  private static Cluster cluster;

  private final ExecutorService pool = Executors.newSingleThreadExecutor();

  @BeforeAll
  static void start() {
    cluster = new Cluster(1);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @AfterEach
  void endTest() {
    pool.shutdown();
    cluster.replica(1).resumeReplay();
    cluster.endTest();
  }

  @Test
  void spring() {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ofMillis(50)));
    cluster.replica(1).pauseReplay();
    String name = "Ada";
    // tag::spring[]
    RoutingDataSource dataSource = RoutingDataSource.of(db); // the only DataSource bean

    var transactions = new DataSourceTransactionManager(dataSource);
    var jdbc = new JdbcTemplate(dataSource);
    var change = new TransactionTemplate(transactions); // @Transactional
    var look = new TransactionTemplate(transactions); // @Transactional(readOnly = true)
    look.setReadOnly(true);

    try (ScopedSession request = ScopedSession.open(db.session())) { // a filter does this
      change.executeWithoutResult(
          status -> jdbc.update("UPDATE profile SET name = ? WHERE id = 1", name));
      String seen =
          look.execute(
              status -> jdbc.queryForObject("SELECT name FROM profile WHERE id = 1", String.class));
      // end::spring[]
      assertThat(seen).isEqualTo("Ada");
      assertThat(request.session().lastDecision()).isPresent();
    }
  }

  @Test
  void jooqAndExecutors() throws Exception {
    ReadYourWrites db = cluster.open(builder -> builder.maxWait(Duration.ofMillis(50)));
    RoutingDataSource dataSource = RoutingDataSource.of(db);
    cluster.replica(1).pauseReplay();
    // tag::jooq[]
    DSLContext writes = DSL.using(dataSource, SQLDialect.POSTGRES);
    DSLContext reads = DSL.using(dataSource.readOnly(), SQLDialect.POSTGRES);
    // end::jooq[]
    // tag::executor[]
    Executor executor = ScopedSession.carrying(pool);

    try (ScopedSession request = ScopedSession.open(db.session())) {
      writes.execute("UPDATE profile SET name = 'Grace' WHERE id = 2");
      CompletableFuture<Object> seen =
          CompletableFuture.supplyAsync(
              () -> reads.fetchValue("SELECT name FROM profile WHERE id = 2"), executor);
      // end::executor[]
      assertThat(seen.get()).isEqualTo("Grace");
      assertThat(request.session().lastDecision()).isPresent();
    }
  }
}
