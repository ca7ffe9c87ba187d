package dev.pgbelay.batch.chunk;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Table;

/**
 * A reason to wait. A {@link ChunkedJob} asks its signals between chunks; while one of them has a
 * reason, the job does nothing, keeps its claim, shows the reason in its row and asks again.
 *
 * <p>Implementations must be safe for several threads, if several jobs share them.
 */
public interface ThrottleSignal {
  /** For metrics and messages; from a small set. */
  String name();

  /**
   * Looks at the server, with one short statement.
   *
   * @param table that the job works on
   * @return why to wait, for people; empty to go on
   */
  Optional<String> reasonToWait(DSLContext dsl, Table<?> table);

  /**
   * Whether it is asked within the chunk, after the work and before the commit: for what only shows
   * while the chunk's locks are held. The chunk is committed all the same; then the job waits as
   * long as the chunk took, and makes the next one smaller.
   */
  default boolean withinChunk() {
    return false;
  }

  /**
   * A streaming replica is behind in replay by more than {@code behind} or by more than {@code
   * bytes} of log. Needs {@code pg_monitor} to see replicas of other roles; one that it may not see
   * is a reason to wait, and says so.
   */
  static ThrottleSignal replicaLag(Duration behind, long bytes) {
    return new ThrottleSql.ReplicaLag(behind, bytes);
  }

  /**
   * VACUUM, automatic or not, is at work on the table: what the job leaves behind is for it. One
   * whose table this role may not see, for want of {@code pg_monitor}, is a reason to wait, and
   * says so.
   */
  static ThrottleSignal vacuum() {
    return new ThrottleSql.Vacuum();
  }

  /**
   * Another session waits for a lock that the chunk holds. Sessions of other roles are seen with
   * {@code pg_monitor} only.
   */
  static ThrottleSignal lockWaiters() {
    return new ThrottleSql.LockWaiters();
  }

  /**
   * The archiver's last attempt failed, or more than {@code segments} finished segments wait for
   * it. The number of segments needs {@code pg_monitor}.
   */
  static ThrottleSignal archiving(int segments) {
    return new ThrottleSql.Archiving(segments);
  }

  /**
   * A transaction, prepared transaction, replica or replication slot holds back the horizon of
   * VACUUM: a snapshot or prepared transaction of this database older than {@code age}, or a
   * prepared transaction, replica (its hot_standby_feedback) or slot that is more than {@code
   * transactions} transactions behind. What the job deletes meanwhile could not be cleaned up.
   * Sessions of other roles are seen with {@code pg_monitor} only.
   */
  static ThrottleSignal oldSnapshot(Duration age, long transactions) {
    return new ThrottleSql.OldSnapshot(age, transactions);
  }

  /**
   * All of them: 10 s or 256 MiB of replica lag, VACUUM, lock waiters, 16 segments to archive,
   * snapshots of an hour or 10,000,000 transactions.
   */
  static List<ThrottleSignal> defaults() {
    return List.of(
        replicaLag(Duration.ofSeconds(10), 256L << 20),
        vacuum(),
        lockWaiters(),
        archiving(16),
        oldSnapshot(Duration.ofHours(1), 10_000_000));
  }
}
