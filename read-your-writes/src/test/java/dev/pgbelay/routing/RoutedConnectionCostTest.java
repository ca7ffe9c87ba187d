package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;

/**
 * What a read through the routing {@code DataSource} costs beside the same read on a replica's
 * pool, interleaved. {@code -Dpgbelay.scale=full} measures enough of them for a figure.
 */
class RoutedConnectionCostTest {
  private static final int READS =
      "full".equals(System.getProperty("pgbelay.scale")) ? 20_000 : 300;

  @Test
  void read_costsLittleMoreThanOneOfThePool() throws SQLException {
    try (Cluster cluster = new Cluster(1)) {
      DatabaseNode replica = cluster.node(cluster.replica(1));
      ReadYourWrites db =
          cluster.start(ReadYourWrites.builder(cluster.node(cluster.primary())).replica(replica));
      List<DataSource> sources =
          List.of(
              replica.pool(),
              RoutingDataSource.of(db),
              RoutingDataSource.builder(db).withoutCallSites().build());
      long[][] nanos = new long[sources.size()][READS];
      try (ScopedSession scope = ScopedSession.open(db.session())) {
        assertThat(scope.session()).isNotNull();
        for (int i = -READS / 4; i < READS; i++) {
          for (int j = 0; j < sources.size(); j++) {
            long begun = System.nanoTime();
            assertThat(RoutedJdbc.name(sources.get(j), 50)).isEqualTo("name 50");
            if (i >= 0) {
              nanos[j][i] = System.nanoTime() - begun;
            }
          }
        }
      }
      for (long[] each : nanos) {
        Arrays.sort(each);
      }
      System.out.printf(
          "median of %d reads: pool %.1f us, routed %.1f us, without call sites %.1f us%n",
          READS, median(nanos[0]), median(nanos[1]), median(nanos[2]));
      assertThat(median(nanos[1]) - median(nanos[0]))
          .as("microseconds that routing adds to a read")
          .isLessThan(Duration.ofMillis(2).toNanos() / 1_000.0);
    }
  }

  private static double median(long[] sorted) {
    return sorted[sorted.length / 2] / 1_000.0;
  }
}
