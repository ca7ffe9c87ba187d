package dev.pgbelay.benchmarks.routing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.testing.FaultProxy;
import java.sql.SQLException;

/** Counts round trips on the wire; probes have connections of their own, and are not counted. */
final class RoundTripCount {
  private static final int WARM = 20;
  static final int COUNTED = 200;

  /**
   * Of one transaction.
   *
   * @param read of a read
   * @param write of a write
   */
  record Trips(double read, double write) {}

  private RoundTripCount() {}

  static Trips of(Replicated servers, boolean routed) throws SQLException {
    try (FaultProxy toPrimary = FaultProxy.inFrontOf(servers.cluster().primary());
        FaultProxy toReplica = FaultProxy.inFrontOf(servers.replicas().get(0));
        HikariDataSource primary = pool(toPrimary);
        HikariDataSource replica = pool(toReplica)) {
      if (!routed) {
        return count(new PlainAccess(primary, replica), toPrimary, toReplica);
      }
      try (ReadYourWrites db =
          ReadYourWrites.builder(
                  Replicated.node("primary", "counted", servers.cluster().primary(), primary))
              .replica(Replicated.node("replica", "counted", servers.replicas().get(0), replica))
              .start()) {
        return count(new RoutedAccess(db, db.session()), toPrimary, toReplica);
      }
    }
  }

  /** Of one connection: a pool that fills itself meanwhile would be counted. */
  private static HikariDataSource pool(FaultProxy proxy) {
    HikariConfig config = BenchServer.poolConfig(proxy.jdbcUrl("postgres"));
    config.setMaximumPoolSize(1);
    return new HikariDataSource(config);
  }

  private static Trips count(Access access, FaultProxy toPrimary, FaultProxy toReplica)
      throws SQLException {
    double[] trips = new double[2];
    for (int kind = 0; kind < 2; kind++) {
      boolean writes = kind == 1;
      long before = 0;
      for (int i = -WARM; i < COUNTED; i++) {
        if (i == 0) {
          before = trips(toPrimary, toReplica);
        }
        long ignored = writes ? access.write(ProfileSql.SHARED) : access.read(ProfileSql.UNCHANGED);
      }
      trips[kind] = (trips(toPrimary, toReplica) - before) / (double) COUNTED;
    }
    return new Trips(trips[0], trips[1]);
  }

  private static long trips(FaultProxy toPrimary, FaultProxy toReplica) {
    return toPrimary.counters().roundTrips() + toReplica.counters().roundTrips();
  }
}
