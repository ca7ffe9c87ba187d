package dev.pgbelay.reconcilecli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcilecli.CommandProcess.Ended;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresNode;
import java.nio.file.Path;
import java.util.Map;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checks that look at rows on a replica, in processes of their own. */
class ReplicaCheckPostgresTest {
  private static PostgresCluster cluster;
  private static PostgresDatabase database;
  private static PostgresNode replica;

  @TempDir Path directory;

  @BeforeAll
  static void start() throws Exception {
    cluster = PostgresCluster.builder().replicas(1).start();
    replica = cluster.replica();
    database = cluster.createDatabase("replica_check");
    ShopTables.SCHEMA.initialize(database.dataSource());
    ShopTables.fill(DSL.using(database.dataSource(), SQLDialect.POSTGRES));
    replica.awaitCaughtUp();
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  private Ended check(Map<String, String> environment, String... arguments) throws Exception {
    return new CommandProcess(directory, environment).register(ShopSource.class).run(arguments);
  }

  private static void assertCode(Ended ended, int code) {
    assertThat(ended.exitCode()).as(ended.out() + ended.err()).isEqualTo(code);
  }

  @Test
  void replicaThatIsBehind_makesTheCheckIncomplete_andOneThatIsNotIsLookedAt() throws Exception {
    Map<String, String> both =
        Map.of(
            "PGBELAY_JDBC_URL", database.jdbcUrl(),
            "PGBELAY_REPLICA_JDBC_URL", replica.jdbcUrl(database.name()));
    replica.pauseReplay();
    Ended behind;
    try {
      DSL.using(database.dataSource(), SQLDialect.POSTGRES)
          .execute("delete from customers where id = 3");
      behind = check(both, "check", "--scan-on-replica", "--confirm-within", "PT0.1S");
      assertCode(check(both, "check", "--json", "--confirm-within", "PT30S"), 1);
    } finally {
      replica.resumeReplay();
    }
    assertCode(behind, 2);
    assertThat(behind.out()).contains("replica");
    Ended caughtUp = check(both, "check", "--scan-on-replica", "--json");
    assertCode(caughtUp, 1);
    assertThat(caughtUp.json().at("/declarations/0/rowsChecked").asInt()).isEqualTo(100);
    assertThat(caughtUp.json().at("/declarations/0/open").asInt()).isEqualTo(1);
  }

  @Test
  void withoutAReplica_is3_andThePrimaryInItsPlace_is2() throws Exception {
    Map<String, String> none = Map.of("PGBELAY_JDBC_URL", database.jdbcUrl());
    Ended unset = check(none, "check", "--scan-on-replica");
    assertCode(unset, 3);
    assertThat(unset.err()).contains("PGBELAY_REPLICA_JDBC_URL is not set");
    Ended primary =
        check(
            Map.of(
                "PGBELAY_JDBC_URL",
                database.jdbcUrl(),
                "PGBELAY_REPLICA_JDBC_URL",
                database.jdbcUrl()),
            "check",
            "--scan-on-replica",
            "--declaration",
            "order-status");
    assertCode(primary, 2);
    assertThat(primary.out()).contains("order-status");
  }
}
