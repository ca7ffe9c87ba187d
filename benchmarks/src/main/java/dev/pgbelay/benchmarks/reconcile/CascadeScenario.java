package dev.pgbelay.benchmarks.reconcile;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Counts;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** A parent with half of all children is deleted while clients read and write single children. */
public final class CascadeScenario implements Scenario {
  private static final String CASCADE = "cascade";
  private static final long FEW_ROWS = 100_000;
  private static final long QUIET_MILLIS = 10_000;
  private static final Duration MEASURED = Duration.ofMinutes(1);

  @Override
  public String name() {
    return "cascade";
  }

  @Override
  public String description() {
    return "a parent with half of all children is deleted: how late single reads and writes become";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 2_000_000 : 200_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    long rows = settings.rows();
    HikariDataSource pool = CheckerScenario.pool(server);
    Shop.load(pool, rows, Long.MAX_VALUE);
    long first = rows / 2;
    Shop.giveToFirst(pool, first);
    long quiet = rows < FEW_ROWS ? 500 : QUIET_MILLIS;
    PointClients clients = new PointClients(pool, first, rows);
    Transactions transactions = Transactions.of(pool);
    Declarations declarations = Declarations.of("bench", Shop.REFERENCE);
    Supplier<Propagation.Builder> propagation =
        () -> Propagation.builder(transactions, declarations).confirmAbove(1).countAtMost(1);
    DeleteCapture capture = DeleteCapture.of(transactions, declarations);
    List<CascadeContestant> all = new ArrayList<>();
    all.add(
        new CascadeContestant(
            Stage.LIMIT,
            pool,
            clients,
            first,
            quiet,
            false,
            () -> {},
            () -> TimeUnit.MILLISECONDS.sleep(quiet),
            () -> {}));
    Map<String, Propagation> workers = new LinkedHashMap<>();
    workers.put("pgbelay", propagation.get().build());
    workers.put("pgbelay (a tenth of the time)", propagation.get().dutyPercent(10).build());
    workers.put("pgbelay (at once)", propagation.get().chunk(500).dutyPercent(100).build());
    workers.forEach(
        (name, worker) ->
            all.add(
                new CascadeContestant(
                    name,
                    pool,
                    clients,
                    first,
                    quiet,
                    true,
                    capture::install,
                    () -> {
                      Shop.run(pool, ShopSql.DELETE_FIRST_CUSTOMER);
                      confirm(worker);
                      propagate(worker);
                    },
                    () -> {
                      capture.uninstall();
                      Shop.run(pool, ShopSql.CUT_CASCADE_SHORT);
                    })));
    all.add(
        new CascadeContestant(
            "ON DELETE CASCADE",
            pool,
            clients,
            first,
            quiet,
            true,
            () -> Shop.run(pool, ShopSql.ADD_KEY),
            () -> Shop.run(pool, ShopSql.DELETE_FIRST_CUSTOMER),
            () -> Shop.run(pool, ShopSql.DROP_KEY)));
    return new CascadeStage(pool, first, all);
  }

  /** It is more than anybody may do unasked. */
  private static void confirm(Propagation propagation) {
    while (propagation.backlog().held() == 0) {
      propagation.runOnce();
    }
    propagation.open(1).forEach(each -> propagation.confirm(each.id()));
  }

  /** Until no child is left, or the time is over. */
  private static void propagate(Propagation propagation) {
    long start = System.nanoTime();
    int work = 1;
    while (work > 0 && System.nanoTime() - start < MEASURED.toNanos()) {
      work = propagation.runOnce().work();
    }
  }

  private record CascadeStage(HikariDataSource pool, long first, List<? extends Contestant> all)
      implements Stage {
    @Override
    public List<String> parts() {
      return List.of(CASCADE);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: nobody deletes; the same clients alone",
          "times quiet: to the p99 of the same clients just before and after, %d s"
              .formatted(QUIET_MILLIS / 1_000),
          "measured for %d s at most: of what takes longer, the time of the whole is reckoned"
              .formatted(MEASURED.toSeconds()),
          "the deleted parent has %,d children; one operation in %d goes to one of them"
              .formatted(first, PointClients.FIRST_EVERY),
          "%d readers and %d writers, %d operations a second in all; one is late from the moment at which it was due"
              .formatted(PointClients.READERS, PointClients.WRITERS, PointClients.PER_SECOND));
    }

    @Override
    public void close() {
      pool.close();
    }
  }

  private record CascadeContestant(
      String name,
      HikariDataSource pool,
      PointClients clients,
      long first,
      long quietMillis,
      boolean deletes,
      PointClients.Meanwhile before,
      PointClients.Meanwhile work,
      PointClients.Meanwhile after)
      implements Contestant {
    @Override
    public List<Measurement> measure(String part) throws Exception {
      refill();
      before.run();
      long others = Counts.of(pool, ShopSql.COUNT_ORDERS) - first;
      try {
        PointClients.Beside late = clients.beside(work, quietMillis, first);
        long left = Counts.of(pool, ShopSql.COUNT_OF_FIRST);
        boolean isOver = deletes && late.busy().otherNanos() < MEASURED.toNanos();
        long expected = isOver ? 0 : deletes ? left : first;
        return figures(
            late,
            new Work(Counts.of(pool, ShopSql.COUNT_ORDERS), left),
            new Work(others + expected, expected));
      } finally {
        after.run();
      }
    }

    private List<Measurement> figures(PointClients.Beside late, Work did, Work expected) {
      List<Measurement> figures = new ArrayList<>();
      double reads = late.busy().readP99();
      double writes = late.busy().writeP99();
      figures.add(new Measurement("point-read-p99", reads, "ms", did, expected));
      figures.add(new Measurement("point-write-p99", writes, "ms", did, expected));
      figures.add(
          new Measurement("read-times-quiet", reads / late.quiet().readP99(), "x", did, expected));
      figures.add(
          new Measurement(
              "write-times-quiet", writes / late.quiet().writeP99(), "x", did, expected));
      if (deletes) {
        double rate = (first - did.checksum()) / (late.busy().otherNanos() / 1e9);
        figures.add(new Measurement("children-per-second", rate, "rows/s", did, expected));
        figures.add(new Measurement("whole-cascade", first / rate, "s", did, expected));
      }
      return figures;
    }

    /** The first half of the orders are those of the first customer. */
    private void refill() throws SQLException {
      Shop.run(pool, ShopSql.PUT_FIRST_CUSTOMER_BACK);
      try (Connection connection = pool.getConnection();
          PreparedStatement orders = connection.prepareStatement(ShopSql.PUT_ORDERS_BACK)) {
        orders.setLong(1, first);
        orders.executeUpdate();
      }
      Shop.settle(pool);
    }
  }
}
