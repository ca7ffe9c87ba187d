package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

/**
 * Queues that are kept busy for some time.
 *
 * @param part what is measured of it
 * @param measured what that is, in words
 */
record SoakStage(List<SoakContestant> all, String part, String measured) implements Stage {
  static SoakStage of(DataSource pool, long seconds, String part, String measured) {
    return new SoakStage(
        List.of(
            new SoakContestant(Stage.LIMIT, new HandWrittenQueue(pool, 4, 500), pool, seconds),
            new SoakContestant("pgbelay", new PgbelayQueue(pool), pool, seconds)),
        part,
        measured);
  }

  @Override
  public List<String> parts() {
    return List.of(part);
  }

  @Override
  public List<Contestant> contestants() {
    return List.copyOf(all);
  }

  @Override
  public void close() {
    all.forEach(SoakContestant::close);
  }

  @Override
  public List<String> notes() {
    return List.of(
        "rows are seconds; one thread keeps at most 40,000 jobs waiting while as many as possible"
            + " are worked off",
        measured);
  }
}
