package dev.pgbelay.routing;

import static dev.pgbelay.routing.RoutedJdbc.awaitReplicas;
import static dev.pgbelay.routing.RoutedJdbc.borrowed;
import static dev.pgbelay.routing.RoutedJdbc.node;
import static dev.pgbelay.routing.RoutedJdbc.reason;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Tx;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

/** What {@code @Transactional} does, by the templates that it is made of; and plain jOOQ. */
class SpringRoutingPostgresTest {
  private static Cluster cluster;

  private ReadYourWrites db;
  private RoutingDataSource source;
  private JdbcTemplate jdbc;
  private TransactionTemplate writing;
  private TransactionTemplate reading;
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
    jdbc = new JdbcTemplate(source);
    PlatformTransactionManager transactions = new DataSourceTransactionManager(source);
    writing = new TransactionTemplate(transactions);
    reading = new TransactionTemplate(transactions);
    reading.setReadOnly(true);
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

  private TransactionTemplate anew(boolean readOnly) {
    TransactionTemplate template =
        new TransactionTemplate(Objects.requireNonNull(writing.getTransactionManager()));
    template.setReadOnly(readOnly);
    template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
    return template;
  }

  private int rename(int id, String name) {
    return jdbc.update("UPDATE profile SET name = ? WHERE id = ?", name, id);
  }

  private String name(int id) {
    return String.valueOf(
        jdbc.queryForObject("SELECT name FROM profile WHERE id = ?", String.class, id));
  }

  private boolean onReplica() {
    return Boolean.TRUE.equals(jdbc.queryForObject("SELECT pg_is_in_recovery()", Boolean.class));
  }

  private boolean isOnReplica(TransactionTemplate template) {
    return Boolean.TRUE.equals(template.execute(status -> onReplica()));
  }

  private String read(int id) {
    return Objects.requireNonNull(reading.execute(status -> name(id)));
  }

  @Test
  void readOnlyTransaction_isOnAReplica_untilItsSessionWrites() {
    assertThat(isOnReplica(reading)).isTrue();
    replicasStandStill();

    writing.executeWithoutResult(status -> rename(1, "by spring"));

    assertThat(read(1)).isEqualTo("by spring");
    assertThat(reason(session)).isEqualTo(Reason.PRIMARY_NONE_CAUGHT_UP);
  }

  @Test
  void withoutATransaction_allIsOnThePrimary_andSeenAfterwards() {
    replicasStandStill();
    rename(2, "by itself");
    assertThat(onReplica()).isFalse();
    assertThat(read(2)).isEqualTo("by itself");
  }

  @Test
  void requiresNew_insideAReadOnlyTransaction_writesOnThePrimary_andTheOuterOneStays() {
    String[] seen = new String[2];
    reading.executeWithoutResult(
        status -> {
          seen[0] = name(3);
          replicasStandStill();
          anew(false).executeWithoutResult(inner -> rename(3, "inside"));
          seen[1] = name(3);
          assertThat(onReplica()).isTrue();
        });

    assertThat(seen).containsExactly("name 3", "name 3");
    assertThat(read(3)).isEqualTo("inside");
  }

  @Test
  void requiresNew_readOnlyInsideAWrite_doesNotSeeWhatIsNotCommitted() {
    writing.executeWithoutResult(
        status -> {
          rename(4, "not yet");
          assertThat(anew(true).<String>execute(suspended -> name(4))).isEqualTo("name 4");
        });
    assertThat(read(4)).isEqualTo("not yet");
  }

  @Test
  void committedRequiresNew_isSeen_thoughTheOuterTransactionRollsBack() {
    replicasStandStill();
    writing.executeWithoutResult(
        status -> {
          rename(5, "rolled back");
          anew(false).executeWithoutResult(inner -> rename(6, "kept"));
          status.setRollbackOnly();
        });
    assertThat(read(5)).isEqualTo("name 5");
    assertThat(read(6)).isEqualTo("kept");
  }

  @Test
  void nested_isASavepointOfTheSameNode() {
    replicasStandStill();
    TransactionTemplate nested =
        new TransactionTemplate(Objects.requireNonNull(writing.getTransactionManager()));
    nested.setPropagationBehavior(TransactionDefinition.PROPAGATION_NESTED);
    writing.executeWithoutResult(
        status -> {
          rename(7, "outer");
          nested.executeWithoutResult(
              inner -> {
                rename(8, "undone");
                inner.setRollbackOnly();
              });
        });
    assertThat(read(7)).isEqualTo("outer");
    assertThat(read(8)).isEqualTo("name 8");
  }

  @Test
  void transactionThatJoins_isWhereTheOuterOneIs() {
    writing.executeWithoutResult(
        status -> {
          rename(9, "joined");
          String inner = reading.execute(joined -> onReplica() + name(9));
          assertThat(inner).isEqualTo("falsejoined");
        });
    assertThatThrownBy(
            () ->
                reading.executeWithoutResult(
                    status -> writing.executeWithoutResult(inner -> rename(9, "never"))))
        .isInstanceOf(DataAccessException.class)
        .hasStackTraceContaining("declared read-only at")
        .hasStackTraceContaining("SpringRoutingPostgresTest.transactionThatJoins");
    assertThat(read(9)).isEqualTo("joined");
  }

  @Test
  void isolationAndTimeout_areTheTransactions_andGoneAfterwards() {
    TransactionTemplate strict = anew(true);
    strict.setIsolationLevel(TransactionDefinition.ISOLATION_REPEATABLE_READ);
    String isolation =
        strict.execute(status -> jdbc.queryForObject("SHOW transaction_isolation", String.class));
    assertThat(isolation).isEqualTo("repeatable read");
    strict.setIsolationLevel(TransactionDefinition.ISOLATION_SERIALIZABLE);
    assertThat(isOnReplica(strict)).isFalse();
    String after =
        reading.execute(
            status ->
                onReplica() + jdbc.queryForObject("SHOW transaction_isolation", String.class));
    assertThat(after).isEqualTo("trueread committed");
  }

  @Test
  void anotherThread_readsForTheSessionThatIsCarriedToIt() throws Exception {
    replicasStandStill();
    writing.executeWithoutResult(status -> rename(10, "for another thread"));
    ExecutorService pool = Executors.newSingleThreadExecutor();
    try {
      assertThat(CompletableFuture.supplyAsync(() -> read(10), ScopedSession.carrying(pool)).get())
          .isEqualTo("for another thread");
      assertThat(node(session)).isEqualTo("primary");
      CompletableFuture.runAsync(
              () -> writing.executeWithoutResult(status -> rename(11, "by another thread")),
              ScopedSession.carrying(pool))
          .get();
    } finally {
      pool.shutdown();
    }
    assertThat(read(11)).isEqualTo("by another thread");
  }

  @Test
  void transactionOfSpring_isJoinedByThisLibrary() {
    replicasStandStill();
    writing.executeWithoutResult(
        status -> {
          Tx tx = Tx.join(DataSourceUtils.getConnection(source));
          ReadYourWritesPostgresTest.rename(tx, 12, "joined by tx");
        });
    assertThat(read(12)).isEqualTo("joined by tx");
  }

  @Test
  void plainJooq_readsThroughTheReadOnlyView_whatItWroteThroughTheOther() {
    DSLContext writes = DSL.using(source, SQLDialect.POSTGRES);
    DSLContext reads = DSL.using(source.readOnly(), SQLDialect.POSTGRES);
    assertThat(text(reads, "SELECT pg_is_in_recovery()")).isEqualTo("true");
    replicasStandStill();

    writes.transaction(
        inner -> inner.dsl().execute("UPDATE profile SET name = 'by jooq' WHERE id = 13"));
    writes.execute("UPDATE profile SET name = 'by jooq alone' WHERE id = 14");

    assertThat(text(reads, "SELECT name FROM profile WHERE id = 13")).isEqualTo("by jooq");
    assertThat(text(reads, "SELECT name FROM profile WHERE id = 14")).isEqualTo("by jooq alone");
    String inTransaction =
        reads.transactionResult(
            inner -> text(inner.dsl(), "SELECT name FROM profile WHERE id = 14"));
    assertThat(inTransaction).isEqualTo("by jooq alone");
  }

  private static String text(DSLContext dsl, String sql) {
    return String.valueOf(dsl.fetchValue(sql));
  }

  @Test
  void plainJooq_writeOnTheReadOnlyView_saysWhereThatWasMade() {
    DSLContext reads = DSL.using(source.readOnly(), SQLDialect.POSTGRES);
    assertThatThrownBy(() -> reads.execute("UPDATE profile SET name = 'never' WHERE id = 15"))
        .hasMessageContaining("plainJooq_writeOnTheReadOnlyView_saysWhereThatWasMade");
  }
}
