package dev.pgbelay.jobqueue;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.PollPace;
import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.jobqueue.Buffer.Fetched;
import dev.pgbelay.jobqueue.Claims.Claimed;
import dev.pgbelay.jobqueue.Lane.Lanes;
import dev.pgbelay.jobqueue.LimitSql.Limit;
import dev.pgbelay.jobqueue.LimitedClaimSql.Wanted;
import dev.pgbelay.jobqueue.LowWaterMark.Spot;
import dev.pgbelay.jobqueue.Registration.Identity;
import dev.pgbelay.jobqueue.Settlement.Fate;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The jobs of one queue that this process has claimed: fetched ahead of the threads that run them,
 * as many as are worked off in a moment, and no more.
 */
final class Work implements Settlement.Slots {
  /** The largest claim. */
  private static final int LARGEST_CLAIM = 1_000;

  /** A job that waits longer than this for a thread goes back, and others may have it. */
  private static final long LONGEST_WAIT = TimeUnit.SECONDS.toNanos(5);

  private final String queue;
  private final int threads;
  private final Lanes lanes;
  private final Board.Reader boards;
  private final Claims claims;
  private final FetchAhead ahead = new FetchAhead();
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

  private volatile boolean exhausted = true;
  private volatile boolean narrow;

  Work(
      String name,
      MissingTables missing,
      String queue,
      int threads,
      Lanes lanes,
      Board.Reader boards,
      PollPace pace,
      Claims claims,
      Settler settler,
      WorkMeters meters,
      @Nullable MeterRegistry registry) {
    this.queue = queue;
    this.threads = threads;
    this.lanes = lanes;
    this.boards = boards;
    this.claims = claims;
    this.settler = settler;
    this.meters = meters;
    this.pace = pace;
    this.loop =
        BackgroundLoop.builder(name, missing.toldOnce(this::fetch))
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
    ahead.measure(buffer.size() > 0);
    Claimed recovered = claims.recover();
    if (recovered != null) {
      take(recovered);
      return Pass.worked(1);
    }
    List<Lane> open = lanes.of(boards.current());
    narrow = open.stream().anyMatch(Lane::isNarrow);
    int found = 0;
    boolean more = false;
    Duration pause = null;
    for (Lane lane : open) {
      Wanted wanted = wanted();
      if (wanted.most() < (lane.isNarrow() ? 1 : refill())) {
        more = true;
        continue;
      }
      lanes.asked(lane);
      LowWaterMark.Look look = lane.mark().look();
      Claimed claimed = claims.claim(lane, look.behind(), wanted);
      take(claimed);
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
    narrow = open.stream().anyMatch(Lane::isNarrow);
    exhausted = !more;
    return found > 0 ? Pass.worked(found) : Pass.idle(pause == null ? pace.now() : pause);
  }

  private static @Nullable Duration shorter(@Nullable Duration one, @Nullable Duration other) {
    return one == null || (other != null && other.compareTo(one) < 0) ? other : one;
  }

  /**
   * Keeps a thread for a job that may be handed over: where all that is due is known to be claimed
   * and a thread is free, and nothing pauses or limits such jobs.
   */
  boolean reserve(String kind) {
    if (!lanes.admitsAhead(kind) || !exhausted || buffer.size() > 0) {
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

  private void take(Claimed claimed) {
    List<ClaimedJob> jobs = claimed.jobs();
    Identity identity = claimed.identity();
    if (identity == null || jobs.isEmpty()) {
      return;
    }
    outstanding.addAndGet(jobs.size());
    meters.claimed(queue, jobs.size());
    ClaimedJob last = jobs.get(jobs.size() - 1);
    claimed.lane().mark().claimedUpTo(new Spot(last.place(), last.id()));
    buffer.add(jobs, identity, claimed.position());
  }

  private int room() {
    return threads + ahead() - outstanding.get();
  }

  private Wanted wanted() {
    int most = Math.min(LARGEST_CLAIM, room());
    return new Wanted(Math.min(most, Math.max(0, threads - outstanding.get())), most);
  }

  private int refill() {
    return Math.max(1, Math.min(LARGEST_CLAIM, (threads + ahead()) / 2));
  }

  /** Beside kinds that are claimed for free threads only: they would find none free. */
  private int ahead() {
    return narrow ? 0 : ahead.jobs();
  }

  private void handBackWhatWaitsTooLong() {
    Fetched oldest;
    while ((oldest = buffer.pollOlderThan(LONGEST_WAIT)) != null) {
      ahead.none();
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
      ahead.begun();
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
    ClaimPermit permit = lanes.permitOf(job.kind());
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
      boards.forget();
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
