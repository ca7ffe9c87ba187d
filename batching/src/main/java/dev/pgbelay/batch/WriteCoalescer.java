package dev.pgbelay.batch;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.Flush.Entry;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes together what many threads submit one by one: each gets the fate of its own row, at a
 * fraction of the cost of a transaction of its own. A future completes after the commit of the
 * transaction that wrote the row. A row that the database refuses fails its own future only, as
 * does one of which the writer's functions throw. Rows that are flushed together need not be
 * written together: where a deferred constraint refuses them at COMMIT, or a function throws, that
 * flush is written in halves, and in halves of these; where more than twenty of its rows are
 * refused, one by one; a transaction each.
 *
 * <p>Owns its threads, named {@code pgbelay-coalescer-<name>-<n>}, and takes its transactions from
 * the given {@link Transactions}, which retries collisions. A crash between submit and flush loses
 * exactly rows whose future had not completed, and of those some may have been written: what must
 * not be lost must be submitted again by whoever holds the future, with a key that makes doing so
 * harmless. Rows of one thread are written in the order in which they were submitted if there is
 * one flusher; two rows with the same key in one flush meet the writer's {@link Duplicates}.
 *
 * <p>Safe for several threads. Completions run on the flusher's thread: hand long work to an
 * executor of your own.
 *
 * @param <R> what a row is given as
 */
public final class WriteCoalescer<R> implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(WriteCoalescer.class);
  private static final long IDLE_MILLIS = 50;

  private static final long IDLE_NANOS = TimeUnit.MILLISECONDS.toNanos(IDLE_MILLIS);

  private final String name;
  private final Flush<R> flush;
  private final int flushRows;
  private final long flushBytes;
  private final @Nullable ToLongFunction<? super R> sizer;
  private final long lingerNanos;
  private final long submitWaitNanos;
  private final Duration closeWait;
  private final BlockingQueue<Entry<R>> queue;
  private final List<Thread> flushers = new ArrayList<>();
  private final CoalescerEvents events;
  private final AtomicInteger running;
  private volatile boolean closing;
  private volatile boolean abandoned;
  private volatile boolean ended;
  private volatile boolean lost;

  private WriteCoalescer(Builder<R> builder) {
    BatchWriter<R> writer = builder.writer.partially(Flush.MOST_REFUSED);
    this.name = builder.name;
    this.flushRows = builder.flushRows;
    this.flushBytes = builder.flushBytes;
    this.sizer = builder.sizer;
    this.lingerNanos = builder.linger.toNanos();
    this.submitWaitNanos = builder.submitWait.toNanos();
    this.closeWait = builder.closeWait;
    this.queue = new ArrayBlockingQueue<>(builder.capacity);
    this.events =
        builder.registry == null
            ? CoalescerEvents.NONE
            : new CoalescerMeters(builder.registry, name, queue::size);
    this.flush =
        new Flush<>(
            builder.transactions,
            builder.options == null ? TxOptions.forPath(name) : builder.options,
            writer,
            builder.operation,
            name,
            events,
            () -> abandoned);
    this.running = new AtomicInteger(builder.flushers);
    for (int i = 1; i <= builder.flushers; i++) {
      Thread flusher = new Thread(this::runFlusher, "pgbelay-coalescer-" + name + "-" + i);
      flusher.setDaemon(true);
      flushers.add(flusher);
    }
    flushers.forEach(Thread::start);
  }

  /** Upserts with the writer unless {@link Builder#operation} says otherwise. */
  public static <R> Builder<R> builder(Transactions transactions, BatchWriter<R> writer) {
    return new Builder<>(transactions, writer);
  }

  /**
   * Takes a row to be written soon. Blocks while the queue is full, for as long as {@link
   * Builder#submitWait} allows.
   *
   * @return completes with the row's fate after the commit; exceptionally with {@link
   *     BatchException}, whose rejection says why, if the row was refused; and with whatever the
   *     transaction threw if it failed as a whole, an unknown outcome included
   * @throws BatchException if the queue stayed full, the coalescer is closed or the row is null
   * @throws dev.pgbelay.core.TransactionException if a transaction is open on this thread: the row
   *     would be committed whatever becomes of it
   */
  public CompletableFuture<Outcome> submit(R row) {
    Transactions.requireNone();
    requireRow(row);
    long bytes = sizer == null ? 0 : sizer.applyAsLong(row);
    Entry<R> entry = new Entry<>(row, bytes, new CompletableFuture<>(), System.nanoTime());
    requireOpen();
    try {
      if (!queue.offer(entry) && !queue.offer(entry, submitWaitNanos, TimeUnit.NANOSECONDS)) {
        events.refused();
        throw BatchException.full(
            "coalescer "
                + name
                + " is full: rows come faster than the database takes them. Submit fewer, raise"
                + " capacity or flushers, or wait longer with submitWait");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw BatchException.contract("interrupted while waiting for room in coalescer " + name);
    }
    if ((abandoned || ended) && queue.remove(entry)) {
      requireOpen();
    }
    return entry.future();
  }

  @SuppressWarnings("ConstantValue")
  private void requireRow(R row) {
    if (row == null) {
      throw BatchException.contract("coalescer " + name + " was given null for a row");
    }
  }

  private void requireOpen() {
    if (closing || ended) {
      throw BatchException.closed("coalescer " + name + " is closed and takes no more rows");
    }
  }

  /** {@link #close(Duration)} with the builder's {@link Builder#closeWait}. */
  @Override
  public void close() {
    close(closeWait);
  }

  /**
   * Takes no more rows, writes those that were submitted, and returns when all futures are complete
   * or the time is up. What is still queued then fails with a {@link BatchException}. A flush that
   * is under way then is not interrupted: its rows may still be written, and its futures complete
   * when it ends. To be interrupted is for the time to be up.
   *
   * <p>Called from a completion, which runs on a thread of this object, it does not wait for that
   * thread, which writes what is queued after it has returned.
   *
   * @return whether everything was written in time
   */
  public boolean close(Duration atMost) {
    closing = true;
    long end = System.nanoTime() + atMost.toNanos();
    boolean inTime = true;
    if (flushers.contains(Thread.currentThread())) {
      return queue.isEmpty();
    }
    for (Thread flusher : flushers) {
      try {
        TimeUnit.NANOSECONDS.timedJoin(flusher, Math.max(1, end - System.nanoTime()));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      inTime &= !flusher.isAlive();
    }
    abandoned = true;
    failQueued("was closed before it was written");
    return inTime && !lost;
  }

  private void failQueued(String why) {
    List<Entry<R>> left = new ArrayList<>();
    queue.drainTo(left);
    if (!left.isEmpty()) {
      lost = true;
    }
    Flush.fail(left, BatchException.closed("coalescer " + name + " " + why));
  }

  private void runFlusher() {
    try {
      flushUntilClosed();
    } finally {
      if (running.decrementAndGet() == 0) {
        // Nobody is left to write. Whoever submits from here on sees it and takes the row back;
        // what
        // was submitted before is found in the queue.
        ended = true;
        failQueued("has ended before it was written");
        events.closed();
      }
    }
  }

  private void flushUntilClosed() {
    List<Entry<R>> batch = new ArrayList<>();
    while (!abandoned) {
      try {
        batch.clear();
        Entry<R> first = queue.poll(IDLE_MILLIS, TimeUnit.MILLISECONDS);
        if (first == null) {
          if (closing && queue.isEmpty()) {
            return;
          }
          continue;
        }
        batch.add(first);
        String cause = gather(batch);
        events.flushing(cause, batch.size());
        if (!flush.write(batch)) {
          lost = true;
        }
      } catch (InterruptedException e) {
        // Nobody else interrupts this thread, so somebody wants it to end at once.
        closing = true;
        if (!batch.isEmpty()) {
          lost = true;
        }
        Flush.fail(batch, BatchException.closed("coalescer " + name + " was interrupted"));
        return;
      } catch (Throwable t) {
        log.error("coalescer {} failed with {} rows in hand", name, batch.size(), t);
        Flush.fail(batch, t);
      }
    }
  }

  /** What is there, and what comes while it may be waited for; returns why that was the end. */
  private String gather(List<Entry<R>> batch) throws InterruptedException {
    long bytes = batch.get(0).bytes();
    long end = batch.get(0).submitted() + lingerNanos;
    if (sizer == null) {
      queue.drainTo(batch, flushRows - 1);
    }
    while (batch.size() < flushRows && bytes < flushBytes) {
      Entry<R> next = queue.poll();
      if (next == null) {
        long wait = closing ? 0 : end - System.nanoTime();
        if (wait <= 0) {
          return "delay";
        }
        // In slices, for nothing wakes this up when the coalescer is closed.
        next = queue.poll(Math.min(wait, IDLE_NANOS), TimeUnit.NANOSECONDS);
        if (next == null) {
          continue;
        }
      }
      batch.add(next);
      bytes += next.bytes();
    }
    return batch.size() >= flushRows ? "rows" : "bytes";
  }

  /**
   * How a coalescer works. Not safe for several threads.
   *
   * @param <R> what a row is given as
   */
  public static final class Builder<R> {
    private static final Duration MOST_WAIT = Duration.ofHours(1);

    private final Transactions transactions;
    private final BatchWriter<R> writer;
    private WritePlan.Operation operation = WritePlan.Operation.UPSERT;
    private String name;
    private int flushRows = 1_000;
    private long flushBytes = Long.MAX_VALUE;
    private @Nullable ToLongFunction<? super R> sizer;
    private Duration linger = Duration.ZERO;
    private int capacity = 10_000;
    private int flushers = 1;
    private Duration submitWait = Duration.ofSeconds(5);
    private Duration closeWait = Duration.ofSeconds(10);
    private @Nullable TxOptions options;
    private @Nullable MeterRegistry registry;

    private Builder(Transactions transactions, BatchWriter<R> writer) {
      this.transactions = transactions;
      this.writer = writer;
      this.name = writer.settings().name();
    }

    /** What is done with the rows. */
    public Builder<R> operation(WritePlan.Operation what) {
      operation = what;
      return this;
    }

    /** The name of its threads, of its path in {@link Transactions}, and of its metrics. */
    public Builder<R> name(String tag) {
      name = tag;
      return this;
    }

    /**
     * The most rows that are written together.
     *
     * @param rows 1 to 100,000; 1,000 by default
     */
    public Builder<R> flushRows(int rows) {
      OptionRange.require("flushRows", rows, 1, 100_000);
      flushRows = rows;
      return this;
    }

    /**
     * The most bytes that are written together, as the given function counts them; by default only
     * rows are counted.
     */
    public Builder<R> flushBytes(long bytes, ToLongFunction<? super R> size) {
      OptionRange.require("flushBytes", bytes, 1L, Long.MAX_VALUE);
      flushBytes = bytes;
      sizer = size;
      return this;
    }

    /**
     * How long a row waits for company although the database is free to take it. Zero, the default,
     * writes together what came in while the flush before was on its way, which under load is
     * plenty and without load costs nothing.
     *
     * @param delay at most 1 minute
     */
    public Builder<R> linger(Duration delay) {
      OptionRange.require("linger", delay, Duration.ZERO, Duration.ofMinutes(1));
      linger = delay;
      return this;
    }

    /**
     * How many rows may wait; one more waits in {@link WriteCoalescer#submit}.
     *
     * @param rows 1 to 1,000,000; 10,000 by default
     */
    public Builder<R> capacity(int rows) {
      OptionRange.require("capacity", rows, 1, 1_000_000);
      capacity = rows;
      return this;
    }

    /**
     * Threads, and so connections, that write at the same time. More than one gives up the order of
     * rows that one thread submitted.
     *
     * @param threads 1 to 64; 1 by default
     */
    public Builder<R> flushers(int threads) {
      OptionRange.require("flushers", threads, 1, 64);
      flushers = threads;
      return this;
    }

    /** How long submit waits for room, 0 to 1 hour; 5 seconds by default. */
    public Builder<R> submitWait(Duration atMost) {
      OptionRange.require("submitWait", atMost, Duration.ZERO, MOST_WAIT);
      submitWait = atMost;
      return this;
    }

    /** How long {@link WriteCoalescer#close()} waits, 0 to 1 hour; 10 seconds by default. */
    public Builder<R> closeWait(Duration atMost) {
      OptionRange.require("closeWait", atMost, Duration.ZERO, MOST_WAIT);
      closeWait = atMost;
      return this;
    }

    /**
     * How each flush is run: its deadline, its retry, and whether the fate of a lost COMMIT is
     * looked for. The defaults of {@link TxOptions} under this coalescer's name unless given.
     */
    public Builder<R> options(TxOptions flush) {
      options = flush;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder<R> meterRegistry(MeterRegistry metrics) {
      registry = metrics;
      return this;
    }

    /** Starts its threads. */
    public WriteCoalescer<R> build() {
      return new WriteCoalescer<>(this);
    }
  }
}
