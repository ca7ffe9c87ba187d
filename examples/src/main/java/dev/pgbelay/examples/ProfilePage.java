package dev.pgbelay.examples;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.RouteDecision;
import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import java.io.PrintStream;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.postgresql.ds.PGSimpleDataSource;

/** A page that shows what was saved a moment ago, through the {@code DataSource} of a framework. */
public final class ProfilePage {
  private final DSLContext writes;
  private final DSLContext reads;

  /**
   * @param writes for what changes
   * @param reads for what only reads
   */
  ProfilePage(DataSource writes, DataSource reads) {
    this.writes = DSL.using(writes, SQLDialect.POSTGRES);
    this.reads = DSL.using(reads, SQLDialect.POSTGRES);
  }

  public static void main(String[] args) {
    try (PostgresCluster cluster = PostgresCluster.builder().replicas(1).start()) {
      run(cluster, System.out);
    }
  }

  static void run(PostgresCluster cluster, PrintStream out) {
    PostgresNode replica = cluster.replicas().get(0);
    try (HikariDataSource primaryPool = pool(cluster.primary());
        HikariDataSource replicaPool = pool(replica);
        ReadYourWrites db =
            ReadYourWrites.builder(
                    DatabaseNode.of("primary", primaryPool, probes(cluster.primary())))
                .replica(DatabaseNode.of("replica", replicaPool, probes(replica)))
                .start()) {
      DSL.using(primaryPool, SQLDialect.POSTGRES)
          .execute("CREATE TABLE profile AS SELECT 1 AS id, 'old' AS name");
      replica.awaitCaughtUp();
      replica.pauseReplay();
      ProfilePage naive = new ProfilePage(primaryPool, replicaPool);
      naive.save("Ada");
      out.println("naive: saved Ada, the page shows " + naive.show());

      // tag::routed[]
      RoutingDataSource dataSource = RoutingDataSource.of(db);
      ProfilePage safe = new ProfilePage(dataSource, dataSource.readOnly());
      try (ScopedSession request = ScopedSession.open(db.session())) {
        safe.save("Grace");
        out.println("safe:  saved Grace, the page shows " + safe.show());
        // end::routed[]
        out.println(
            "safe:  read from the "
                + request.session().lastDecision().map(RouteDecision::node).orElseThrow());
      }
      replica.resumeReplay();
    }
  }

  void save(String name) {
    writes.execute("UPDATE profile SET name = ? WHERE id = 1", name);
  }

  String show() {
    return String.valueOf(reads.fetchValue("SELECT name FROM profile WHERE id = 1"));
  }

  private static HikariDataSource pool(PostgresNode node) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(node.jdbcUrl());
    config.setMaximumPoolSize(4);
    return new HikariDataSource(config);
  }

  private static DataSource probes(PostgresNode node) {
    PGSimpleDataSource source = new PGSimpleDataSource();
    source.setUrl(node.jdbcUrl());
    return source;
  }
}
