package dev.pgbelay.benchmarks.writes;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Stage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;

/** Collects the contestants of a scenario that writes, and closes what they need. */
final class WriteStage implements Stage {
  static final String ROWS_PER_SECOND = "rows-per-second";
  private static final int MOST_RUNS = 3;

  private final Items items;
  private final List<String> parts;
  private final List<Contestant> contestants = new ArrayList<>();
  private final List<AutoCloseable> resources = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();

  WriteStage(Items items, List<String> parts) {
    this.items = items;
    this.parts = parts;
  }

  /** The same pool with the driver's rewriting of batched inserts. */
  DataSource rewriting(String url) {
    return closing(
        new HikariDataSource(
            BenchServer.poolConfig(
                url + (url.contains("?") ? "&" : "?") + "reWriteBatchedInserts=true")));
  }

  <T extends AutoCloseable> T closing(T resource) {
    resources.add(0, resource);
    return resource;
  }

  WriteStage add(String name, WriteWay way) throws Exception {
    return add(name, Long.MAX_VALUE, way);
  }

  /**
   * @param most rows, for those that would take minutes for all of them
   */
  WriteStage add(String name, long most, WriteWay way) throws Exception {
    return add(new WriteContestant(name, items, most, MOST_RUNS, Map.of(ROWS_PER_SECOND, way)));
  }

  WriteStage add(Contestant contestant) {
    contestants.add(contestant);
    return this;
  }

  WriteStage note(String note) {
    notes.add(note);
    return this;
  }

  @Override
  public List<String> parts() {
    return parts;
  }

  @Override
  public List<Contestant> contestants() {
    return contestants;
  }

  @Override
  public List<String> notes() {
    return notes;
  }

  @Override
  public void close() {
    contestants.forEach(Contestant::close);
    for (AutoCloseable resource : resources) {
      try {
        resource.close();
      } catch (Exception e) {
        throw new IllegalStateException("the stage could not be closed", e);
      }
    }
  }
}
