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
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** A parent with half of all children is deleted while clients read and write single children. */
public final class CascadeScenario implements Scenario {
  private static final String CASCADE = "cascade";
  private static final long FEW_ROWS = 100_000;

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
    long quiet = rows < FEW_ROWS ? 500 : 4_000;
    PointClients clients = new PointClients(pool, first, rows);
    Transactions transactions = Transactions.of(pool);
    Declarations declarations = Declarations.of("bench", Shop.REFERENCE);
    DeleteCapture capture = DeleteCapture.of(transactions, declarations);
    Propagation propagation =
        Propagation.builder(transactions, declarations).confirmAbove(1_000_000_000).build();
    return new CascadeStage(
        pool,
        first,
        List.of(
            new CascadeContestant(
                Stage.LIMIT,
                pool,
                clients,
                first,
                false,
                () -> {},
                () -> TimeUnit.MILLISECONDS.sleep(quiet),
                () -> {}),
            new CascadeContestant(
                "pgbelay",
                pool,
                clients,
                first,
                true,
                capture::install,
                () -> {
                  Shop.run(pool, ShopSql.DELETE_FIRST_CUSTOMER);
                  propagate(pool, propagation);
                },
                capture::uninstall),
            new CascadeContestant(
                "ON DELETE CASCADE",
                pool,
                clients,
                first,
                true,
                () -> Shop.run(pool, ShopSql.ADD_KEY),
                () -> Shop.run(pool, ShopSql.DELETE_FIRST_CUSTOMER),
                () -> Shop.run(pool, ShopSql.DROP_KEY))));
  }

  /** Until no child is left; between chunks it pauses as the background loop would. */
  private static void propagate(DataSource pool, Propagation propagation) throws Exception {
    for (; ; ) {
      Pass pass = propagation.runOnce();
      if (pass.work() == 0) {
        if (Counts.of(pool, ShopSql.COUNT_OF_FIRST) == 0) {
          return;
        }
        TimeUnit.MILLISECONDS.sleep(pass.pauseAtMost().map(Duration::toMillis).orElse(10L));
      }
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
      boolean deletes,
      PointClients.Meanwhile before,
      PointClients.Meanwhile work,
      PointClients.Meanwhile after)
      implements Contestant {
    @Override
    public List<Measurement> measure(String part) throws Exception {
      refill();
      before.run();
      try {
        long others = Counts.of(pool, ShopSql.COUNT_ORDERS) - first;
        PointClients.Latencies late = clients.during(work, first);
        Work did =
            new Work(
                Counts.of(pool, ShopSql.COUNT_ORDERS), Counts.of(pool, ShopSql.COUNT_OF_FIRST));
        Work expected = deletes ? new Work(others, 0) : new Work(others + first, first);
        List<Measurement> figures = new ArrayList<>();
        figures.add(new Measurement("point-read-p99", late.readP99(), "ms", did, expected));
        figures.add(new Measurement("point-write-p99", late.writeP99(), "ms", did, expected));
        if (deletes) {
          double rate = first / (late.otherNanos() / 1e9);
          figures.add(new Measurement("children-per-second", rate, "rows/s", did, expected));
        }
        return figures;
      } finally {
        after.run();
      }
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
