package dev.pgbelay.benchmarks.export;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.events.EventsTable;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** Reading a whole table out: how fast, and how much memory it holds on to. */
public final class ExportScenario implements Scenario {
  static final String ROWS_PER_SECOND = "rows-per-second";
  static final String LIVE_HEAP = "live-heap-mib";

  @Override
  public String name() {
    return "export";
  }

  @Override
  public String description() {
    return "every row of a table, each contestant in a JVM of its own: rows per second, live heap";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 20_000_000 : 5_000_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws SQLException {
    EventsTable events = EventsTable.load(server.dataSource(), settings.rows());
    List<Contestant> contestants = new ArrayList<>();
    for (Exporter exporter : Exporter.ALL) {
      contestants.add(new ExportContestant(exporter, server.jdbcUrl(), events));
    }
    return new ExportStage(contestants);
  }

  private record ExportStage(List<Contestant> contestants) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(ROWS_PER_SECOND, LIVE_HEAP);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit is COPY TO in text format with its bytes only counted; all others map every row",
          "the driver default reads 1,000,000 rows at most: it holds all of them in memory",
          "live heap: all that is reachable in the contestant's JVM (classes' data, pool and driver"
              + " included) right after a full collection, the largest of nine looks in the middle of"
              + " an export of 1,000,000 rows");
    }

    @Override
    public void close() {
      for (Contestant contestant : contestants) {
        contestant.close();
      }
    }
  }
}
