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

  /** A queue with one of the runners of its jobs. */
  record Lane(Work work, AttemptRunner runner) {}

  private final Transactions transactions;
  private final String schema;
  private final WorkerSql sql;
  private final Registration registration;
  private final Settler settler;
  private final Upkeep upkeep;
  private final KeyAdmission keys;
  private final List<Lane> lanes;
  private final Counts counts;
  private final JobWorker worker;

  ManualDrive(
      Transactions transactions,
      String schema,
      Registration registration,
      Settler settler,
      Upkeep upkeep,
      KeyAdmission keys,
      List<Lane> lanes,
      Counts counts,
      JobWorker worker) {
    this.transactions = transactions;
    this.schema = schema;
    this.sql = new WorkerSql(schema);
    this.registration = registration;
    this.settler = settler;
    this.upkeep = upkeep;
    this.keys = keys;
    this.lanes = List.copyOf(lanes);
    this.counts = counts;
    this.worker = worker;
  }

  @Override
  public int claim() throws Exception {
    upkeep.promoteDue();
    keys.admitNow();
    int claimed = 0;
    for (Lane lane : lanes) {
      claimed += lane.work().claimNow();
    }
    return claimed;
  }

  @Override
  public void run() throws Exception {
    for (Lane lane : lanes) {
      boolean ran;
      do {
        ran = lane.runner().runNow();
      } while (ran);
    }
  }

  @Override
  public void settle() {
    settler.drain(System.nanoTime() + FLUSH);
  }

  @Override
  public void loseLease() throws Exception {
    UUID claimant = registration.identity().claimant();
    transactions.execute(GIVE_UP, tx -> sql.fence(tx.connection(), claimant));
    List<Long> ids = transactions.run(GIVE_UP, tx -> sql.claimed(tx.connection(), claimant));
    for (int from = 0; from < ids.size(); from += PAGE) {
      List<Long> page = ids.subList(from, Math.min(ids.size(), from + PAGE));
      transactions.execute(GIVE_UP, tx -> sql.rescue(tx.connection(), claimant, page));
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
    return transactions;
  }

  @Override
  public String schema() {
    return schema;
  }

  @Override
  public void close() {
    lanes.forEach(lane -> lane.work().handBackAll());
    settle();
    worker.closeUnstarted();
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
