package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.jobqueue.Buffer.Fetched;
import dev.pgbelay.jobqueue.LowWaterMark.Spot;
import dev.pgbelay.jobqueue.Registration.Identity;
import dev.pgbelay.jobqueue.Settlement.Fate;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The jobs of one queue that this process has claimed: fetched ahead of the threads that run them,
 * as many as are worked off in a moment, and no more.
 */
final class Work implements Settlement.Slots {
  private static final TxOptions CLAIM = TxOptions.forPath("jobqueue-claim");

  /** The largest claim. */
  private static final int LARGEST_CLAIM = 1_000;

  /** The most jobs that wait here for a thread. */
  private static final int MOST_AHEAD = 4_000;

  /** So much work is fetched ahead. */
  private static final double SECONDS_AHEAD = 0.1;

  /** A job that waits longer than this for a thread goes back, and others may have it. */
  private static final long LONGEST_WAIT = TimeUnit.SECONDS.toNanos(5);

  private final String queue;
  private final int threads;
  private final Set<String> kinds;
  private final Duration lease;
  private final TxOptions recovering;
  private final Transactions transactions;
  private final ClaimSql sql;
  private final Registration registration;
  private final Settler settler;
  private final WorkMeters meters;
  private final LowWaterMark mark = new LowWaterMark();
  private final PollPace pace;
  private final BackgroundLoop loop;

  private final Buffer buffer = new Buffer();

  /** Claimed here and not settled yet. */
  private final AtomicInteger outstanding = new AtomicInteger();

  /** Threads kept for jobs that may be handed over. */
  private final AtomicInteger reserved = new AtomicInteger();

  private final AtomicInteger running = new AtomicInteger();
  private final AtomicInteger begun = new AtomicInteger();

  private volatile int ahead;
  private volatile boolean exhausted = true;

  // Used within passes only.
  private long measuredAt = System.nanoTime();
  private int measuredBegun;
  private @Nullable LostClaim lostClaim;

  /** A claim whose answer did not come. */
  private record LostClaim(Identity identity, Fence fence, Spot behind) {}

  Work(
      String name,
      String queue,
      int threads,
      Set<String> kinds,
      Duration lease,
      PollPace pace,
      Transactions transactions,
      ClaimSql sql,
      Registration registration,
      Settler settler,
      WorkMeters meters,
      @Nullable MeterRegistry registry) {
    this.queue = queue;
    this.threads = threads;
    this.kinds = kinds;
    this.lease = lease;
    this.recovering = Upkeep.stoppedAtMost(lease, "jobqueue-claim").build();
    this.transactions = transactions;
    this.sql = sql;
    this.registration = registration;
    this.settler = settler;
    this.meters = meters;
    this.pace = pace;
    this.loop =
        BackgroundLoop.builder(name, this::fetch)
            .idlePause(pace.first(), pace.longest())
            .failurePause(Duration.ofMillis(100), Duration.ofSeconds(5))
            .meterRegistry(registry)
            .build();
  }

  @Override
  public String queue() {
    return queue;
  }

  int running() {
    return running.get();
  }

  int buffered() {
    return buffer.size();
  }

  int outstanding() {
    return outstanding.get();
  }

  void start() {
    loop.start();
  }

  void wakeUp() {
    loop.wakeUp();
  }

  private Pass fetch() throws Exception {
    handBackWhatWaitsTooLong();
    measure();
    if (lostClaim != null) {
      return Pass.worked(recover(lostClaim));
    }
    int room = room();
    if (room < refill()) {
      return Pass.idle(pace.now());
    }
    int limit = Math.min(room, LARGEST_CLAIM);
    LowWaterMark.Look look = mark.look();
    Identity identity = registration.identity();
    int found = claim(identity, look.behind(), limit);
    mark.looked(look);
    exhausted = found < limit && look.full();
    return found > 0
        ? Pass.worked(found)
        : Pass.idle(look.full() ? pace.now() : mark.untilFullLook());
  }

  private int claim(Identity identity, Spot behind, int limit) throws Exception {
    Fence fence = identity.nextClaim();
    Commit<List<ClaimedJob>> commit;
    try {
      commit =
          transactions.commit(
              CLAIM, tx -> sql.claim(tx.connection(), fence, queue, behind, kinds, limit, lease));
    } catch (OutcomeUnknownException e) {
      lostClaim = new LostClaim(identity, fence, behind);
      throw e;
    }
    take(identity, commit);
    return commit.value().size();
  }

  /**
   * Keeps a thread for a job that may be handed over: where all that is due is known to be claimed
   * and a thread is free.
   */
  boolean reserve(String kind) {
    if (!kinds.contains(kind) || !exhausted || buffer.size() > 0) {
      return false;
    }
    if (reserved.incrementAndGet() + outstanding.get() <= threads) {
      return true;
    }
    reserved.decrementAndGet();
    return false;
  }

  void release() {
    reserved.decrementAndGet();
  }

  /** A job that was enqueued as claimed by this process. */
  void take(ClaimedJob job, Identity identity, @Nullable CommitPosition position) {
    owe();
    meters.claimed(queue, 1);
    buffer.add(List.of(job), identity, position);
  }

  /** One more is to be settled. */
  void owe() {
    outstanding.incrementAndGet();
  }

  private int recover(LostClaim lost) throws Exception {
    Commit<List<ClaimedJob>> commit =
        transactions.commit(
            recovering, tx -> sql.recover(tx.connection(), lost.fence(), queue, lost.behind()));
    lostClaim = null;
    take(lost.identity(), commit);
    return 1;
  }

  private void take(Identity identity, Commit<List<ClaimedJob>> commit) {
    List<ClaimedJob> jobs = commit.value();
    if (jobs.isEmpty()) {
      return;
    }
    outstanding.addAndGet(jobs.size());
    meters.claimed(queue, jobs.size());
    ClaimedJob last = jobs.get(jobs.size() - 1);
    mark.claimedUpTo(new Spot(last.place(), last.id()));
    buffer.add(jobs, identity, commit.position().orElse(null));
  }

  private int room() {
    return threads + ahead - outstanding.get();
  }

  private int refill() {
    return Math.max(1, Math.min(LARGEST_CLAIM, (threads + ahead) / 2));
  }

  /** From how many jobs were begun since the last time, how many are to be fetched ahead. */
  private void measure() {
    long now = System.nanoTime();
    long nanos = now - measuredAt;
    int count = begun.get() - measuredBegun;
    if (nanos < TimeUnit.MILLISECONDS.toNanos(1) || (count == 0 && buffer.size() == 0)) {
      return;
    }
    double perSecond = count * 1e9 / nanos;
    int wanted = (int) Math.min(MOST_AHEAD, perSecond * SECONDS_AHEAD);
    ahead = Math.max(wanted, ahead - Math.max(1, ahead / 4));
    measuredAt = now;
    measuredBegun = begun.get();
  }

  private void handBackWhatWaitsTooLong() {
    Fetched oldest;
    while ((oldest = buffer.pollOlderThan(LONGEST_WAIT)) != null) {
      ahead = 0;
      handBack(oldest);
    }
  }

  private void handBack(Fetched fetched) {
    settler.add(Settlement.of(fetched.job(), Fate.HANDED_BACK, this));
  }

  /** The next job to run, or null if there is none within the time. */
  @Nullable Fetched next(long time, TimeUnit unit) throws InterruptedException {
    Fetched fetched = buffer.poll(time, unit);
    if (fetched != null) {
      running.incrementAndGet();
      begun.incrementAndGet();
    }
    return fetched;
  }

  /** The handler has returned; the slot is taken until that is written. */
  void ended() {
    running.decrementAndGet();
  }

  @Override
  public void settled(int jobs) {
    outstanding.addAndGet(-jobs);
    if (!exhausted && room() >= refill()) {
      loop.wakeUp();
    }
  }

  /**
   * On the calling thread, for a worker whose loops were not started: claims what there is room
   * for, wherever it stands in the queue. How many jobs.
   */
  int claimNow() throws Exception {
    int claimed = 0;
    Pass pass;
    do {
      mark.forget();
      pass = loop.runOnce();
      claimed += pass.work();
    } while (pass.work() > 0);
    return claimed;
  }

  /** Claims no more, and hands back what waits for a thread. */
  void stopFetching(Duration deadline) {
    loop.stop(deadline);
    handBackAll();
  }

  void handBackAll() {
    Fetched waiting;
    while ((waiting = buffer.poll()) != null) {
      handBack(waiting);
    }
  }
}
