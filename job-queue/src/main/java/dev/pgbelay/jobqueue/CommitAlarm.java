package dev.pgbelay.jobqueue;

import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.wakeup.WakeUps;
import java.sql.SQLException;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * Who is told when a transaction has committed that added jobs: the workers of this process, which
 * may also be given a job at once, and other processes. Safe for several threads.
 */
final class CommitAlarm {
  private final @Nullable WakeUps announced;
  private final List<JobWorker> workers = new CopyOnWriteArrayList<>();

  CommitAlarm(@Nullable WakeUps announced) {
    this.announced = announced;
  }

  void add(JobWorker worker) {
    workers.add(worker);
  }

  void remove(JobWorker worker) {
    workers.remove(worker);
  }

  /** Enqueues a job as claimed by a worker of this process that has nothing to do; its id. */
  OptionalLong handOver(Tx tx, String schema, NewJob<?> job, byte[] payload) throws SQLException {
    for (JobWorker worker : workers) {
      OptionalLong handedOver = worker.enqueue(tx, schema, job, payload);
      if (handedOver.isPresent()) {
        return handedOver;
      }
    }
    return OptionalLong.empty();
  }

  /** The same in a transaction of its own. */
  OptionalLong handOverAlone(Transactions on, String schema, NewJob<?> job, byte[] payload)
      throws SQLException {
    for (JobWorker worker : workers) {
      OptionalLong handedOver = worker.enqueueAlone(on, schema, job, payload);
      if (handedOver.isPresent()) {
        return handedOver;
      }
    }
    return OptionalLong.empty();
  }

  /** Whether there is anybody to tell. */
  boolean isHeard() {
    return announced != null || !workers.isEmpty();
  }

  void afterCommit(Tx tx, Set<String> queues) {
    afterCommit(tx, () -> committed(queues));
  }

  /** Right after the commit, or after what may have been one. */
  void committed(Set<String> queues) {
    workers.forEach(worker -> queues.forEach(worker::wakeUp));
    if (announced != null) {
      queues.forEach(announced::announce);
    }
  }

  /** Those added have partition keys. */
  void keysAfterCommit(Tx tx) {
    afterCommit(
        tx,
        () -> {
          workers.forEach(JobWorker::wakeKeys);
          if (announced != null) {
            announced.announce(WorkerAlarm.ALL_KEYS);
          }
        });
  }

  private void afterCommit(Tx tx, Runnable tell) {
    if (!isHeard()) {
      return;
    }
    try {
      tx.afterCommit(commit -> tell.run());
    } catch (TransactionException noCallback) {
      // A joined transaction whose owner tells nobody of its commit: the workers poll.
      return;
    }
  }
}
