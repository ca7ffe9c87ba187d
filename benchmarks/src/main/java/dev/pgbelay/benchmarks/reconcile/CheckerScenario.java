package dev.pgbelay.benchmarks.reconcile;

import com.zaxxer.hikari.HikariConfig;
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
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A whole table is checked for orphans: how fast, how late others become, and with what heap. */
public final class CheckerScenario implements Scenario {
  private static final String SCAN = "scan";
  private static final String SCAN_ORPHANS = "scan-orphans";
  private static final String BESIDE = "beside";
  private static final String HEAP = "heap";
  private static final String CHANGES = "changes";
  private static final String CHANGES_ORPHANS = "changes-orphans";
  private static final List<String> SOUND = List.of(SCAN, CHANGES);
  private static final long ORPHAN_EVERY = 997;
  private static final long FEW_ROWS = 100_000;
  private static final long QUIET_MILLIS = 4_000;
  private static final long THROTTLED_SECONDS = 20;

  @Override
  public String name() {
    return "checker";
  }

  @Override
  public String description() {
    return "a table is checked for orphans: rows a second, how late others become, live heap";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 10_000_000 : 1_000_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    long rows = settings.rows();
    HikariDataSource pool = pool(server);
    Shop.load(pool, rows, ORPHAN_EVERY);
    // As the table stands; the clients' updates leave it as large as it is, but for hits.
    PointClients clients = new PointClients(pool, Math.max(1, rows / 10), rows);
    Transactions transactions = Transactions.of(pool);
    Declarations declarations = Declarations.of("bench", Shop.REFERENCE);
    Checker bare = checker(transactions, declarations).throttle(List.of()).build();
    long rate = Math.max(1, rows / (rows < FEW_ROWS ? 2 : THROTTLED_SECONDS));
    Checker throttled = checker(transactions, declarations).maxRowsPerSecond(rate).build();
    Declarations changes = Declarations.of("bench", Shop.CHANGES);
    DeleteCapture.of(transactions, changes).install();
    Checker incremental =
        checker(transactions, changes)
            .throttle(List.of())
            .incremental(Duration.ofDays(1))
            .overlap(Duration.ZERO)
            .build();
    Orders orders = new Orders(pool, rows, List.of(bare, incremental));
    Look antiJoin = () -> new Work(rows, Counts.of(pool, ShopSql.ANTI_JOIN));
    long quiet = rows < FEW_ROWS ? 500 : QUIET_MILLIS;
    List<String> all = List.of(SCAN, SCAN_ORPHANS, CHANGES, CHANGES_ORPHANS);
    List<String> checked = List.of(SCAN, SCAN_ORPHANS, CHANGES, CHANGES_ORPHANS, BESIDE, HEAP);
    return new CheckerStage(
        pool,
        List.of(
            new CheckerContestant(Stage.LIMIT, all, antiJoin, clients, orders),
            new CheckerContestant("pgbelay", checked, () -> look(bare), clients, orders),
            new CheckerContestant(
                "pgbelay (incremental)",
                List.of(CHANGES, CHANGES_ORPHANS),
                () -> lookAtChanges(incremental, rows),
                clients,
                orders),
            new CheckerContestant(
                "pgbelay (throttled)", List.of(BESIDE), () -> look(throttled), clients, orders),
            new CheckerContestant("one anti-join", List.of(BESIDE), antiJoin, clients, orders),
            new CheckerContestant(
                "nobody checks",
                List.of(BESIDE),
                () -> {
                  TimeUnit.MILLISECONDS.sleep(quiet);
                  return orders.expected();
                },
                clients,
                orders)),
        rate);
  }

  static HikariDataSource pool(BenchServer server) {
    HikariConfig config = BenchServer.poolConfig(server.jdbcUrl());
    config.setMaximumPoolSize(PointClients.READERS + PointClients.WRITERS + 4);
    return new HikariDataSource(config);
  }

  /** That keeps every orphan. */
  private static Checker.Builder checker(Transactions transactions, Declarations declarations) {
    return Checker.builder(transactions, declarations).maxCandidates(1_000_000);
  }

  private static Work look(Checker checker) {
    DeclarationReport report = checker.run().declarations().get(0);
    if (report.outcome() != DeclarationReport.Outcome.FINDINGS
        && report.outcome() != DeclarationReport.Outcome.CLEAN) {
      throw new IllegalStateException("the check ended with " + report);
    }
    return new Work(report.rowsChecked() + report.rowsSkipped(), report.open());
  }

  /** The rows are not counted: that it was incremental, and knows every orphan, is enough. */
  private static Work lookAtChanges(Checker checker, long rows) {
    DeclarationReport report = checker.run().declarations().get(0);
    if (report.mode() != DeclarationReport.Mode.INCREMENTAL) {
      throw new IllegalStateException("the check was not incremental: " + report);
    }
    return new Work(rows, report.open());
  }

  /**
   * Either all of them have their customer, or every n-th has not. Not safe for several threads.
   */
  private static final class Orders {
    private final HikariDataSource pool;
    private final long rows;
    private final List<Checker> checkers;
    private boolean sound;
    private boolean known;
    private Work expected = new Work(0, 0);

    Orders(HikariDataSource pool, long rows, List<Checker> checkers) {
      this.pool = pool;
      this.rows = rows;
      this.checkers = List.copyOf(checkers);
    }

    /** Whoever has findings from before has closed or opened them. */
    void be(boolean wanted) throws Exception {
      if (known && wanted == sound) {
        return;
      }
      Shop.run(pool, wanted ? ShopSql.MAKE_SOUND : ShopSql.MAKE_ORPHANS);
      Shop.settle(pool);
      sound = wanted;
      known = true;
      expected = new Work(rows, Counts.of(pool, ShopSql.ANTI_JOIN));
      for (Checker checker : checkers) {
        look(checker);
      }
      Shop.run(pool, ShopSql.FORGET_DELETES);
    }

    Work expected() {
      return expected;
    }
  }

  /** Looks at every order, and says how many there were and how many have no customer. */
  private interface Look {
    Work run() throws Exception;
  }

  private record CheckerStage(HikariDataSource pool, List<Contestant> contestants, long rate)
      implements Stage {
    @Override
    public List<String> parts() {
      return List.of(SCAN, SCAN_ORPHANS, CHANGES, CHANGES_ORPHANS, BESIDE, HEAP);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: one anti-join over the whole table, which keeps nothing and confirms nothing",
          "scan, changes: every order has its customer; elsewhere every %d-th is an orphan, which the checker keeps and confirms, and the anti-join only counts"
              .formatted(ORPHAN_EVERY),
          "changes: one order in a thousand was written since the last check; the others read all",
          "throttled: at most %,d rows a second, and the default signals".formatted(rate),
          "beside: %d readers and %d writers of single rows, %d operations a second in all; one is late from the moment at which it was due"
              .formatted(PointClients.READERS, PointClients.WRITERS, PointClients.PER_SECOND),
          "heap: the most that was live at any look while the checker ran, less what was live before");
    }

    @Override
    public void close() {
      pool.close();
    }
  }

  private record CheckerContestant(
      String name, List<String> parts, Look look, PointClients clients, Orders orders)
      implements Contestant {
    @Override
    public boolean takesPart(String part) {
      return parts.contains(part);
    }

    @Override
    public List<Measurement> measure(String part) throws Exception {
      orders.be(SOUND.contains(part));
      if (part.startsWith(CHANGES)) {
        Shop.run(orders.pool, ShopSql.CHANGE_SOME);
      }
      Shop.settle(orders.pool);
      Work expected = orders.expected();
      return switch (part) {
        case SCAN, SCAN_ORPHANS -> {
          long start = System.nanoTime();
          Work did = look.run();
          double seconds = (System.nanoTime() - start) / 1e9;
          String metric = part.equals(SCAN) ? "rows-per-second" : "orphans/rows-per-second";
          yield List.of(
              new Measurement(metric, expected.rows() / seconds, "rows/s", did, expected));
        }
        case CHANGES, CHANGES_ORPHANS -> {
          long start = System.nanoTime();
          Work did = look.run();
          double millis = (System.nanoTime() - start) / 1e6;
          String metric = part.equals(CHANGES) ? "changes/time" : "orphans/changes/time";
          yield List.of(new Measurement(metric, millis, "ms", did, expected));
        }
        case HEAP -> {
          Work[] did = new Work[1];
          double mib = HeapWatch.mostDuring(() -> did[0] = look.run());
          yield List.of(new Measurement("live-heap-mib", mib, "MiB", did[0], expected));
        }
        default -> {
          Work[] did = new Work[1];
          PointClients.Latencies late = clients.during(() -> did[0] = look.run(), expected.rows());
          yield List.of(
              new Measurement("beside/read-p99", late.readP99(), "ms", did[0], expected),
              new Measurement("beside/write-p99", late.writeP99(), "ms", did[0], expected));
        }
      };
    }
  }
}
