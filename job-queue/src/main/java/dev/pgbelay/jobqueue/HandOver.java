package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.SavepointRollbacks;
import dev.pgbelay.jobqueue.HandOverSql.Added;
import dev.pgbelay.jobqueue.Registration.Identity;
import dev.pgbelay.jobqueue.Settlement.Fate;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Jobs that are enqueued as already claimed by a worker of this process which has nothing to do,
 * and given to it right after the commit: no look at the queue lies in between.
 *
 * <p>Until the commit is told, such a job is remembered here. If its transaction is over and nobody
 * told (the answer to the COMMIT was lost, a savepoint was rolled back, the transaction was rolled
 * back), the database is asked: a job that is there goes back to its queue, the others are
 * forgotten. If the process dies, the job is rescued like any other.
 */
final class HandOver implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(HandOver.class);
  private static final TxOptions ASK = TxOptions.forPath("jobqueue-hand-over");
  private static final TxOptions ENQUEUE = TxOptions.forPath("jobqueue-enqueue");

  /** A slot is kept for so long; a commit that takes longer finds one, or waits for one. */
  private static final long KEPT = TimeUnit.SECONDS.toNanos(1);

  private static final long TOLD_WITHIN = TimeUnit.SECONDS.toNanos(2);
  private static final int MOST_ASKED = 1_000;
  private static final String NO_SUCH_TRANSACTION = "22023";

  private final Transactions transactions;
  private final String schema;
  private final HandOverSql sql;
  private final Registration registration;
  private final Settler settler;
  private final BackgroundLoop loop;
  private final Map<Long, Pending> pending = new ConcurrentHashMap<>();
  private final LostHandOvers lost;
  private volatile boolean accepting;
  private volatile boolean closed;

  /** A job whose transaction is not known to be over. */
  private record Pending(ClaimedJob job, Slot slot, String transaction, boolean inSavepoint) {}

  /** Committed, which says nothing of a savepoint: the database is asked whether they are there. */
  private final Map<Long, Optional<CommitPosition>> doubtful = new ConcurrentHashMap<>();

  /** A place at a worker's threads, kept for a job that may come. */
  private record Slot(Work work, Identity identity, long since, AtomicBoolean kept) {
    void giveBack() {
      if (kept.getAndSet(false)) {
        work.release();
      }
    }

    boolean isOlderThan(long nanos) {
      return System.nanoTime() - since > nanos;
    }
  }

  HandOver(
      String name,
      String schema,
      Transactions transactions,
      Registration registration,
      Settler settler,
      @Nullable MeterRegistry registry) {
    this.transactions = transactions;
    this.schema = schema;
    this.sql = new HandOverSql(schema);
    this.registration = registration;
    this.settler = settler;
    this.lost = new LostHandOvers(transactions, sql, new ClaimSql(schema));
    Duration pause = Duration.ofMillis(500);
    this.loop =
        BackgroundLoop.builder("jobs-" + name + "-hand-over", this::ask)
            .idlePause(pause, pause)
            .failurePause(pause, Duration.ofSeconds(5))
            .meterRegistry(registry)
            .build();
  }

  void start() {
    accepting = true;
    loop.start();
  }

  /** From here on nothing is accepted; what was promised before goes back to its queue. */
  void stop() {
    accepting = false;
  }

  /**
   * Enqueues the job for this worker alone, if it has a free thread and nothing else to do.
   *
   * @return the job's id; empty if it is to be enqueued as others are
   */
  OptionalLong enqueue(Tx tx, String ofSchema, Work work, NewJob<?> job, byte[] payload)
      throws SQLException {
    boolean hooksKnowSavepoints = SavepointRollbacks.of(tx.dsl().configuration()).isPresent();
    Slot slot = hooksKnowSavepoints ? slotFor(ofSchema, work, job) : null;
    if (slot == null) {
      return OptionalLong.empty();
    }
    Added added = null;
    Fence fence = slot.identity().nextClaim();
    try {
      added = sql.enqueue(tx.connection(), fence, job, payload);
    } finally {
      if (added == null) {
        slot.giveBack();
      }
    }
    if (added == null) {
      return OptionalLong.empty();
    }
    long id = added.id();
    ClaimedJob claimed = claimed(added, fence, job, payload);
    pending.put(id, new Pending(claimed, slot, added.transaction(), added.inSavepoint()));
    tx.afterCommit(commit -> committed(id, commit));
    return OptionalLong.of(id);
  }

  /** The same, committed when this returns. */
  OptionalLong enqueueAlone(
      Transactions on, String ofSchema, Work work, NewJob<?> job, byte[] payload)
      throws SQLException {
    Slot slot = lost.isFull() ? null : slotFor(ofSchema, work, job);
    if (slot == null) {
      return OptionalLong.empty();
    }
    Fence fence = slot.identity().nextClaim();
    try {
      Commit<Optional<Added>> commit = sql.enqueueAlone(on, ENQUEUE, fence, job, payload);
      Added added = commit.value().orElse(null);
      if (added == null) {
        return OptionalLong.empty();
      }
      deliver(new Pending(claimed(added, fence, job, payload), slot, "", false), commit);
      return OptionalLong.of(added.id());
    } catch (OutcomeUnknownException e) {
      lost.add(job.queue(), slot.identity(), fence, found -> handBackFound(found, work));
      throw e;
    } finally {
      slot.giveBack();
    }
  }

  private @Nullable Slot slotFor(String ofSchema, Work work, NewJob<?> job) {
    if (!accepting || !schema.equals(ofSchema)) {
      return null;
    }
    Identity identity = registration.live();
    return identity == null || !work.reserve(job.kind().name())
        ? null
        : new Slot(work, identity, System.nanoTime(), new AtomicBoolean(true));
  }

  private static ClaimedJob claimed(Added added, Fence fence, NewJob<?> job, byte[] payload) {
    return new ClaimedJob(
        added.id(),
        added.place(),
        job.queue(),
        job.kind().name(),
        1,
        job.maxAttempts(),
        false,
        Optional.empty(),
        List.of(),
        Optional.empty(),
        job.headers(),
        payload,
        fence);
  }

  private void committed(long id, Commit<?> commit) {
    Pending known = pending.get(id);
    if (known != null && known.inSavepoint() && accepting) {
      doubtful.put(id, commit.position());
      loop.wakeUp();
      return;
    }
    Pending one = pending.remove(id);
    if (one == null) {
      return; // so late that the database was asked, and the job is back in its queue
    }
    deliver(one, commit);
  }

  private void deliver(Pending one, Commit<?> commit) {
    if (accepting) {
      take(one, commit.position());
    } else {
      handBack(one);
      if (closed) {
        // Nobody writes any more but this thread; and nobody ran the job, so no attempt is used up.
        settler.drain(System.nanoTime() + TOLD_WITHIN);
      }
    }
  }

  private void take(Pending one, Optional<CommitPosition> position) {
    one.slot().work().take(one.job(), one.slot().identity(), position.orElse(null));
    one.slot().giveBack();
  }

  private void handBack(Pending one) {
    handBack(one.job(), one.slot().work());
    one.slot().giveBack();
  }

  private void handBack(ClaimedJob job, Work work) {
    work.owe();
    settler.add(Settlement.of(job, Fate.HANDED_BACK, work));
  }

  private void handBackFound(ClaimedJob job, Work work) {
    LOG.info("{} was enqueued and the answer was lost: it goes back to its queue", job);
    handBack(job, work);
  }

  private Pass ask() throws SQLException {
    lost.look();
    Map<Long, String> old = new HashMap<>();
    pending.forEach(
        (id, one) -> {
          if (one.slot().isOlderThan(KEPT)) {
            one.slot().giveBack();
          }
          if (one.slot().isOlderThan(TOLD_WITHIN) && old.size() < MOST_ASKED) {
            old.put(id, one.transaction());
          }
        });
    Set<Long> over = new HashSet<>(doubtful.keySet());
    if (!old.isEmpty()) {
      over.addAll(over(old));
    }
    Map<Long, Fence> there =
        over.isEmpty()
            ? Map.of()
            : transactions.run(ASK, tx -> sql.findClaimed(tx.connection(), over));
    for (long id : over) {
      Pending one = pending.remove(id);
      Optional<CommitPosition> position = doubtful.remove(id);
      if (one == null) {
        continue;
      }
      boolean isThere = one.job().fence().equals(there.get(id));
      if (isThere && position != null && accepting) {
        take(one, position);
      } else if (isThere) {
        LOG.info("{} was committed and nobody said so: it goes back to its queue", one.job());
        handBack(one);
      }
      one.slot().giveBack();
    }
    return Pass.idle();
  }

  /** Those whose transactions are over. After a fail-over the server may never have seen them. */
  private Set<Long> over(Map<Long, String> asked) throws SQLException {
    try {
      List<Long> ended = transactions.run(ASK, tx -> HandOverSql.listEnded(tx.connection(), asked));
      return new HashSet<>(ended);
    } catch (SQLException e) {
      if (NO_SUCH_TRANSACTION.equals(e.getSQLState())) {
        return asked.keySet();
      }
      throw e;
    }
  }

  int pending() {
    return pending.size();
  }

  @Override
  public void close() {
    loop.close();
    closed = true;
  }
}
