package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.jobqueue.Settlement.Fate;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Remembers when something was done last, per queue and kind, and writes it for those who watch,
 * every five seconds and at the end. That it cannot be written disturbs no job.
 */
final class Activity implements WorkMeters, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Activity.class);
  private static final Duration INTERVAL = Duration.ofSeconds(5);
  private static final TxOptions WRITE = TxOptions.forPath("jobqueue-activity");

  /** Claims are of a queue, not of a kind. */
  private static final String ANY_KIND = "";

  /** A queue and a kind. */
  record Key(String queue, String kind) {}

  /** By {@link System#nanoTime}; null if it did not happen since it was written. */
  static final class Times {
    private volatile @Nullable Long claimed;
    private volatile @Nullable Long finished;
    private volatile @Nullable Long succeeded;
    private volatile @Nullable Long failed;

    /** This one, which is newer, and the other where this one knows nothing. */
    private Times orElse(Times older) {
      claimed = claimed == null ? older.claimed : claimed;
      finished = finished == null ? older.finished : finished;
      succeeded = succeeded == null ? older.succeeded : succeeded;
      failed = failed == null ? older.failed : failed;
      return this;
    }

    @Nullable Long claimed() {
      return claimed;
    }

    @Nullable Long finished() {
      return finished;
    }

    @Nullable Long succeeded() {
      return succeeded;
    }

    @Nullable Long failed() {
      return failed;
    }
  }

  /** What is to be written about a key. */
  record Entry(Key key, Times times) {}

  private final Transactions transactions;
  private final ActivitySql sql;
  private final BackgroundLoop loop;
  private final Map<Key, Times> since = new ConcurrentHashMap<>();

  Activity(
      String name,
      MissingTables missing,
      Transactions transactions,
      String schema,
      @Nullable MeterRegistry registry) {
    this.transactions = transactions;
    this.sql = new ActivitySql(schema);
    this.loop =
        BackgroundLoop.builder("jobs-" + name + "-activity", missing.toldOnce(this::write))
            .idlePause(INTERVAL, INTERVAL)
            .failurePause(Duration.ofSeconds(1), Duration.ofSeconds(30))
            .meterRegistry(registry)
            .build();
  }

  void start() {
    loop.start();
  }

  /**
   * Within the map's own lock: what is written is taken out of it, and must not change any more.
   */
  private void note(String queue, String kind, Consumer<Times> change) {
    since.compute(
        new Key(queue, kind),
        (key, before) -> {
          Times times = before == null ? new Times() : before;
          change.accept(times);
          return times;
        });
  }

  @Override
  public void claimed(String queue, int jobs) {
    long now = System.nanoTime();
    note(queue, ANY_KIND, times -> times.claimed = now);
  }

  @Override
  public void settled(String queue, String kind, Fate fate, int jobs) {
    long now = System.nanoTime();
    switch (fate) {
      case DONE ->
          note(
              queue,
              kind,
              times -> {
                times.finished = now;
                times.succeeded = now;
              });
      case DISCARDED, CANCELLED -> note(queue, kind, times -> times.finished = now);
      case RETRIED, DEAD -> note(queue, kind, times -> times.failed = now);
      case SNOOZED, HANDED_BACK -> {
        // The job comes again, and nothing is wrong with it.
      }
    }
  }

  private Pass write() throws Exception {
    List<Entry> entries = new ArrayList<>();
    for (Key key : List.copyOf(since.keySet())) {
      Times times = since.remove(key);
      if (times != null) {
        entries.add(new Entry(key, times));
      }
    }
    if (entries.isEmpty()) {
      return Pass.idle();
    }
    entries.sort(
        Comparator.comparing((Entry entry) -> entry.key().queue())
            .thenComparing(entry -> entry.key().kind()));
    try {
      transactions.execute(WRITE, tx -> sql.write(tx.connection(), entries));
    } catch (Exception e) {
      entries.forEach(entry -> since.merge(entry.key(), entry.times(), Times::orElse));
      throw e;
    }
    return Pass.idle();
  }

  /** Writes what there is once more, if that is possible. */
  @Override
  public void close() {
    loop.close();
    try {
      loop.runOnce();
    } catch (Exception e) {
      LOG.info("when jobs were done last could not be written", e);
    }
  }
}
