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
import dev.pgbelay.jobqueue.Lane.Lanes;
import dev.pgbelay.jobqueue.LimitSql.Limit;
import dev.pgbelay.jobqueue.LowWaterMark.Spot;
import dev.pgbelay.jobqueue.Registration.Identity;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.permit.ClaimPermit;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
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

  /** Another process is claiming under the same limit. */
  private static final Duration BUSY = Duration.ofMillis(10);

  private final String queue;
  private final int threads;
  private final Set<String> kinds;
  private final Lanes lanes;
  private final Map<String, ClaimPermit> permits;
  private final Board.Reader boards;
  private final LimitSql limits;
  private final Duration lease;

  /** After a limit or a permit said no: what ends here wakes this, what ends elsewhere does not. */
  private final Duration refused;

  private final TxOptions recovering;
  private final Transactions transactions;
  private final ClaimSql sql;
  private final Registration registration;
  private final Settler settler;
  private final WorkMeters meters;
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
  private volatile boolean narrow;

  // Used within passes only.
  private long measuredAt = System.nanoTime();
  private int measuredBegun;
  private @Nullable LostClaim lostClaim;

  /** A claim whose answer did not come. */
  private record LostClaim(Identity identity, Fence fence, Lane lane, Spot behind, int reserved) {}

  /**
   * What a claim has brought.
   *
   * @param limit how many it might have been
   * @param tryAgain after which time limits may allow more, null if they did not stop it
   */
  private record Claimed(List<ClaimedJob> jobs, int limit, @Nullable Duration tryAgain) {}

  Work(
      String name,
      String queue,
      int threads,
      Set<String> kinds,
      Map<String, ClaimPermit> permits,
      Board.Reader boards,
      Duration lease,
      PollPace pace,
      Transactions transactions,
      ClaimSql sql,
      LimitSql limits,
      Registration registration,
      Settler settler,
      WorkMeters meters,
      @Nullable MeterRegistry registry) {
    this.queue = queue;
    this.threads = threads;
    this.kinds = kinds;
    this.lanes = new Lanes(queue, kinds, permits);
    this.permits = permits;
    this.boards = boards;
    this.limits = limits;
    this.lease = lease;
    this.refused = pace.interval();
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
    List<Lane> open = lanes.of(boards.current());
    narrow = open.stream().anyMatch(Lane::isNarrow);
    int found = 0;
    boolean more = false;
    Duration pause = null;
    for (Lane lane : open) {
      int room = room();
      if (room < (lane.isNarrow() ? 1 : refill())) {
        more = true;
        continue;
      }
      LowWaterMark.Look look = lane.mark().look();
      Claimed claimed = claim(lane, look.behind(), Math.min(room, LARGEST_CLAIM));
      found += claimed.jobs().size();
      boolean seenAll =
          look.full() && claimed.tryAgain() == null && claimed.jobs().size() < claimed.limit();
      more |= !seenAll;
      if (claimed.tryAgain() == null) {
        lane.mark().looked(look);
      }
      pause = shorter(pause, claimed.tryAgain());
      pause = shorter(pause, look.full() ? null : lane.mark().untilFullLook());
    }
    exhausted = !more;
    return found > 0 ? Pass.worked(found) : Pass.idle(pause == null ? pace.now() : pause);
  }

  private static @Nullable Duration shorter(@Nullable Duration one, @Nullable Duration other) {
    return one == null || (other != null && other.compareTo(one) < 0) ? other : one;
  }

  private Claimed claim(Lane lane, Spot behind, int room) throws Exception {
    int reserved = lane.reserve(room);
    if (reserved == 0) {
      return new Claimed(List.of(), 0, refused);
    }
    int kept = reserved;
    Identity identity;
    Commit<Claimed> commit;
    try {
      identity = registration.identity();
      Fence fence = identity.nextClaim();
      try {
        commit =
            transactions.commit(CLAIM, tx -> claim(tx.connection(), fence, lane, behind, reserved));
      } catch (OutcomeUnknownException e) {
        lostClaim = new LostClaim(identity, fence, lane, behind, reserved);
        kept = 0;
        throw e;
      }
      take(identity, lane, commit.value().jobs(), commit.position().orElse(null));
      kept -= commit.value().jobs().size();
    } finally {
      lane.release(kept);
    }
    return commit.value();
  }

  private Claimed claim(Connection connection, Fence fence, Lane lane, Spot behind, int most)
      throws SQLException {
    int limit = most;
    if (!lane.limits().isEmpty()) {
      if (!limits.lock(connection, lane.limits(), lease)) {
        return new Claimed(List.of(), 0, BUSY);
      }
      LimitSql.Room room = limits.findRoom(connection, lane.limits(), most);
      limit = room.jobs();
      if (limit == 0) {
        return new Claimed(
            List.of(), 0, room.untilNext().isZero() ? refused : room.untilNext().plusMillis(1));
      }
    }
    List<ClaimedJob> jobs = sql.claim(connection, fence, queue, behind, lane.kinds(), limit, lease);
    if (!lane.limits().isEmpty() && !jobs.isEmpty()) {
      limits.take(connection, lane.limits(), fence, jobs.stream().map(ClaimedJob::id).toList());
    }
    return new Claimed(jobs, limit, null);
  }

  /**
   * Keeps a thread for a job that may be handed over: where all that is due is known to be claimed
   * and a thread is free, and nothing pauses or limits such jobs.
   */
  boolean reserve(String kind) {
    if (!kinds.contains(kind) || !exhausted || buffer.size() > 0 || permits.containsKey(kind)) {
      return false;
    }
    Board known = boards.recent();
    if (known == null
        || known.saysSomethingOf(Limit.ofQueue(queue))
        || known.saysSomethingOf(Limit.ofKind(kind))) {
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
    take(lost.identity(), lost.lane(), commit.value(), commit.position().orElse(null));
    lost.lane().release(lost.reserved() - commit.value().size());
    return 1;
  }

  private void take(
      Identity identity, Lane lane, List<ClaimedJob> jobs, @Nullable CommitPosition position) {
    if (jobs.isEmpty()) {
      return;
    }
    outstanding.addAndGet(jobs.size());
    meters.claimed(queue, jobs.size());
    ClaimedJob last = jobs.get(jobs.size() - 1);
    lane.mark().claimedUpTo(new Spot(last.place(), last.id()));
    buffer.add(jobs, identity, position);
  }

  private int room() {
    return threads + ahead() - outstanding.get();
  }

  private int refill() {
    return Math.max(1, Math.min(LARGEST_CLAIM, (threads + ahead()) / 2));
  }

  /** Beside kinds that are limited nothing is fetched ahead: they would find no room. */
  private int ahead() {
    return narrow ? 0 : ahead;
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
    notBegun(fetched.job());
    settler.add(Settlement.of(fetched.job(), Fate.HANDED_BACK, this));
  }

  /** The next job to run, or null if there is none within the time. */
  @Nullable Fetched next(long time, TimeUnit unit) throws InterruptedException {
    Fetched fetched = buffer.poll(time, unit);
    if (fetched != null && isPaused(fetched.job())) {
      handBack(fetched);
      return null;
    }
    if (fetched != null) {
      running.incrementAndGet();
      begun.incrementAndGet();
    }
    return fetched;
  }

  private boolean isPaused(ClaimedJob job) {
    Board known = boards.last();
    return known != null
        && !known.paused().isEmpty()
        && (known.isPaused(Limit.ofQueue(queue)) || known.isPaused(Limit.ofKind(job.kind())));
  }

  /** A job that was claimed is not begun after all. */
  void notBegun(ClaimedJob job) {
    ClaimPermit permit = permits.get(job.kind());
    if (permit != null) {
      permit.release(1);
    }
  }

  /** The slot of a partition key was left, perhaps to the next one of the key. */
  @Override
  public void handedOn() {
    loop.wakeUp();
  }

  /** The handler has returned; the slot is taken until that is written. */
  void ended() {
    running.decrementAndGet();
  }

  @Override
  public void settled(int jobs) {
    outstanding.addAndGet(-jobs);
    if (!exhausted && (narrow || room() >= refill())) {
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
      lanes.forget();
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
