package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.internal.ManualAccess;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** The steps of a worker that is never started, each on the calling thread. */
final class ManualDrive implements ManualAccess.Drive {
  private static final TxOptions GIVE_UP = TxOptions.forPath("jobqueue-give-up");
  private static final int PAGE = 500;
  private static final long FLUSH = TimeUnit.SECONDS.toNanos(30);

  private final WorkerOptions options;
  private final WorkerSql workerSql;
  private final RescueSql rescueSql;
  private final WorkerParts parts;
  private final Counts counts;

  private ManualDrive(WorkerOptions options, Counts counts) {
    this.options = options;
    this.workerSql = new WorkerSql(options.schema());
    this.rescueSql = new RescueSql(options.schema());
    this.parts = new WorkerParts(options, List.of(counts));
    this.counts = counts;
  }

  static ManualDrive open(WorkerOptions options) {
    return new ManualDrive(options, new Counts());
  }

  @Override
  public int claim() throws Exception {
    parts.upkeep.promoteDue();
    parts.keys.admitNow();
    int claimed = 0;
    for (Work queue : parts.queues) {
      claimed += queue.claimNow();
    }
    return claimed;
  }

  @Override
  public void run() throws Exception {
    for (Work queue : parts.queues) {
      AttemptRunner runner = parts.threads.anyOf(queue);
      boolean ran;
      do {
        ran = runner.runNow();
      } while (ran);
    }
  }

  @Override
  public void settle() {
    parts.settler.drain(System.nanoTime() + FLUSH);
  }

  @Override
  public void loseLease() throws Exception {
    Transactions transactions = options.transactions();
    UUID claimant = parts.registration.identity().claimant();
    transactions.execute(GIVE_UP, tx -> workerSql.fence(tx.connection(), claimant));
    List<Long> ids = transactions.run(GIVE_UP, tx -> rescueSql.claimed(tx.connection(), claimant));
    for (int from = 0; from < ids.size(); from += PAGE) {
      List<Long> page = ids.subList(from, Math.min(ids.size(), from + PAGE));
      transactions.execute(GIVE_UP, tx -> rescueSql.rescue(tx.connection(), claimant, page));
    }
  }

  @Override
  public Map<String, Integer> settled() {
    return counts.settled();
  }

  @Override
  public int refused() {
    return counts.refused();
  }

  @Override
  public Transactions transactions() {
    return options.transactions();
  }

  @Override
  public String schema() {
    return options.schema();
  }

  @Override
  public void close() {
    parts.queues.forEach(Work::handBackAll);
    settle();
    parts.stopping.set(true);
    parts.signOff(options.name());
  }

  /** Counts instead of Micrometer's. */
  static final class Counts implements WorkMeters {
    private final Map<String, Integer> settled = new LinkedHashMap<>();
    private int refused;

    @Override
    public synchronized void settled(String queue, String kind, Fate fate, int jobs) {
      settled.merge(fate.tag(), jobs, Integer::sum);
    }

    @Override
    public synchronized void stale() {
      refused++;
    }

    private synchronized Map<String, Integer> settled() {
      return new LinkedHashMap<>(settled);
    }

    private synchronized int refused() {
      return refused;
    }
  }
}
