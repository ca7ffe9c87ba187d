package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WaitingSessionsTest {
  private static final int SESSIONS = 1_000;

  private static long used() {
    System.gc();
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  private static int sessionsOn(Cluster cluster) throws SQLException {
    try (Connection connection = cluster.replica(1).connect();
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                    + " AND pid <> pg_backend_pid()")) {
      row.next();
      return row.getInt(1);
    }
  }

  @Test
  void thousandSessionsThatWaitForOneReplica_haveOnePoller_andHoldNoConnection() throws Exception {
    try (Cluster cluster = new Cluster(1)) {
      DatabaseNode replica = cluster.node(cluster.replica(1));
      // All come at once in the end, to eight connections.
      ((HikariDataSource) replica.pool()).setConnectionTimeout(60_000);
      ReadYourWrites db =
          cluster.start(
              ReadYourWrites.builder(cluster.node(cluster.primary()))
                  .replica(replica)
                  .maxWait(Duration.ofMinutes(1)));
      Session writer = db.session();
      db.read(db.session(), tx -> name(tx, 1));
      cluster.replica(1).pauseReplay();
      db.write(writer, tx -> rename(tx, 1, "awaited"));
      ConsistencyToken token = db.token(writer).orElseThrow();
      AtomicInteger seen = new AtomicInteger();
      List<Thread> readers = new ArrayList<>();
      long before = used();
      for (int i = 0; i < SESSIONS; i++) {
        Thread reader =
            new Thread(
                null,
                () -> {
                  Session session = db.session(token);
                  if (db.read(session, tx -> name(tx, 1)).equals("awaited")
                      && session.lastDecision().orElseThrow().reason().isReplica()) {
                    seen.incrementAndGet();
                  }
                },
                "reader-" + i,
                256 << 10);
        reader.start();
        readers.add(reader);
      }
      await().atMost(Duration.ofSeconds(50)).until(() -> db.nodes().get(1).waiting() == SESSIONS);

      long each = (used() - before) / SESSIONS;
      System.out.println(each + " bytes of heap a waiting session");
      assertThat(each).isLessThan(64 << 10);
      assertThat(((HikariDataSource) replica.pool()).getHikariPoolMXBean().getActiveConnections())
          .isZero();
      // The pool's idle connection, and the one that asks for all.
      assertThat(sessionsOn(cluster)).isLessThanOrEqualTo(2);
      cluster.replica(1).resumeReplay();
      for (Thread reader : readers) {
        reader.join();
      }
      assertThat(seen.get()).isEqualTo(SESSIONS);
    }
  }
}
