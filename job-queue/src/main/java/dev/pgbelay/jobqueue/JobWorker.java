package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs jobs: claims them in batches, hands each to its handler on a thread, writes what became of
 * them in batches, takes jobs back from workers that died. One per process, as a rule.
 *
 * <p><b>Guarantee.</b> A job that was committed is run until an attempt of it ends in done or
 * discard, or it becomes a dead letter; it is never lost. What is written about it is written only
 * while it is claimed by the one who writes: a worker that was stopped for longer than the lease
 * changes nothing any more. A handler can run more than once, also twice at the same time.
 *
 * <p>Owns its threads, all of them daemons, and runs transactions of its own on {@link
 * Transactions}: per queue one at a time to claim, one to write results, one each for upkeep. It
 * keeps itself alive on a {@code DataSource} apart. A database that is away costs failed passes,
 * and the worker goes on by itself. Due times and leases are decided by the database's clock. Uses
 * no session state: works behind PgBouncer in transaction mode. Safe for several threads; started
 * once, stopped once.
 */
public final class JobWorker implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(JobWorker.class);
  private static final Duration AFTER_INTERRUPT = Duration.ofSeconds(1);
  private static final Duration FLUSH = Duration.ofSeconds(2);

  private final String name;
  private final WorkerParts parts;
  private final AtomicBoolean started = new AtomicBoolean();
  private final AtomicBoolean interrupted = new AtomicBoolean();
  private final Duration closeDeadline;
  private final List<JobQueue> wakers;

  JobWorker(WorkerOptions options) {
    this.name = options.name();
    this.closeDeadline = options.closeDeadline();
    this.wakers = options.wakers();
    this.parts = new WorkerParts(options, List.of());
  }

  /**
   * Begins the definition.
   *
   * @param heartbeats a small {@code DataSource} of its own, of one or two connections, with a
   *     {@code socketTimeout} shorter than the lease: the pool of the work may be exhausted by it
   */
  public static JobWorkerBuilder builder(Transactions transactions, DataSource heartbeats) {
    return new JobWorkerBuilder(transactions, heartbeats);
  }

  /**
   * Starts the threads. Asks no database: where there is none yet, the worker tries until there is.
   *
   * @throws PgBelayException if it was started or stopped before
   */
  public void start() {
    if (parts.stopping.get() || started.getAndSet(true)) {
      throw new PgBelayException(
          "worker '" + name + "' was started or stopped before: build a new one to start again");
    }
    parts.start();
    if (!wakers.isEmpty()) {
      parts.handOver.start();
    }
    wakers.forEach(waker -> waker.addWorker(this));
    parts.alarm.listen();
  }

  /** Looks for jobs at once, as after an enqueue that is known to have committed. */
  public void wakeUp() {
    parts.alarm.all();
  }

  /** Jobs with partition keys were enqueued. */
  void wakeKeys() {
    parts.alarm.keys();
  }

  void wakeUp(String queue) {
    parts.alarm.queue(queue);
  }

  /**
   * Enqueues a job that is due as claimed by this worker, if it has a thread free and no other job.
   *
   * @return the job's id; empty if it is to be enqueued as others are
   */
  OptionalLong enqueue(Tx tx, String schema, NewJob<?> job, byte[] payload) throws SQLException {
    for (Work work : parts.queues) {
      if (work.queue().equals(job.queue())) {
        return parts.handOver.enqueue(tx, schema, work, job, payload);
      }
    }
    return OptionalLong.empty();
  }

  /** The same in a transaction of its own, which is committed when this returns. */
  OptionalLong enqueueAlone(Transactions on, String schema, NewJob<?> job, byte[] payload)
      throws SQLException {
    for (Work work : parts.queues) {
      if (work.queue().equals(job.queue())) {
        return parts.handOver.enqueueAlone(on, schema, work, job, payload);
      }
    }
    return OptionalLong.empty();
  }

  /**
   * How a stop ended.
   *
   * @param stillRunning handlers that do not heed their interrupt; their jobs are handed to others
   *     once the lease is over, and what they write then is refused
   * @param unwritten results that could not be written; their jobs run again once the lease is over
   */
  public record StopReport(int stillRunning, int unwritten) {
    /** Whether every job that was claimed is finished or handed back. */
    public boolean isClean() {
      return stillRunning == 0 && unwritten == 0;
    }
  }

  /**
   * Claims nothing more, hands back what waits, lets handlers end until the deadline, then
   * interrupts them and waits one second more; writes what became of all of them. Handlers that end
   * by the interrupt have their jobs handed back, without an attempt counted. A second call with a
   * shorter deadline makes the first one shorter; zero interrupts at once.
   */
  public StopReport stop(Duration deadline) {
    parts.stopping.set(true);
    parts.threads.endBy(System.nanoTime() + TimeUnit.NANOSECONDS.convert(deadline));
    if (!started.get()) {
      return new StopReport(0, 0);
    }
    wakers.forEach(waker -> waker.removeWorker(this));
    parts.handOver.stop();
    parts.alarm.stopListening();
    for (Work queue : parts.queues) {
      queue.stopFetching(Duration.ofSeconds(5));
    }
    endThreads();
    parts.settler.drain(System.nanoTime() + FLUSH.toNanos());
    parts.close();
    parts.signOff(name);
    StopReport report = new StopReport(parts.threads.alive(), parts.settler.pending());
    if (!report.isClean()) {
      LOG.error("worker '{}' stopped with {}: others take over after the lease", name, report);
    }
    return report;
  }

  private void endThreads() {
    AttemptThreads threads = parts.threads;
    threads.await(Duration.ZERO);
    if (threads.alive() > 0) {
      int running = parts.queues.stream().mapToInt(Work::running).sum();
      if (running > 0 && !interrupted.getAndSet(true)) {
        LOG.warn("worker '{}': {} handlers did not end in time, interrupting them", name, running);
      }
      threads.interrupt();
      threads.await(AFTER_INTERRUPT);
    }
  }

  /** {@link #stop} with the deadline of {@link JobWorkerBuilder#closeDeadline}. */
  @Override
  public void close() {
    stop(closeDeadline);
  }
}
