package dev.pgbelay.benchmarks.locking;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

/** Transfers between random accounts, by threads that meet each other all the time. */
public final class LockingScenario implements Scenario {
  @Override
  public String name() {
    return "locking";
  }

  @Override
  public String description() {
    return "transfers between random pairs and triples of %d accounts by %d threads: ordered or not"
        .formatted(Transfers.ACCOUNTS, Transfers.THREADS);
  }

  /** Transfers per contestant, part and round; the unordered contestant does a twentieth. */
  @Override
  public long defaultRows(boolean full) {
    return full ? 250_000 : 20_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    long transfers = settings.rows();
    return new LockingStage(
        List.of(
            new TransferContestant(Stage.LIMIT, pool, transfers, Transfer.inOrder(pool)),
            new TransferContestant("pgbelay", pool, transfers, Transfer.pgbelay(pool)),
            new TransferContestant(
                "by hand, through Transactions", pool, transfers, Transfer.inTransactions(pool)),
            new TransferContestant("one statement", pool, transfers, Transfer.oneStatement(pool)),
            new TransferContestant(
                "unordered, retry",
                pool,
                Math.max(Transfers.THREADS, transfers / 20),
                Transfer.unordered(pool))));
  }

  private record LockingStage(List<? extends Contestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of("pairs", "triples");
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: SELECT … ORDER BY id FOR NO KEY UPDATE, one UPDATE of all rows, COMMIT; plain JDBC",
          "pgbelay: LockOrder.acquire in Transactions.run, the same UPDATE",
          "by hand, through Transactions: the statements of the limit in Transactions.run, which"
              + " knows whether it has committed",
          "one statement: the same lock in a CTE of the UPDATE; nothing can be decided in between",
          "unordered, retry: SELECT … FOR UPDATE row by row as the request lists them; a twentieth of"
              + " the transfers");
    }
  }
}
