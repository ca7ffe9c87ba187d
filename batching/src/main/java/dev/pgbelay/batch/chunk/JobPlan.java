package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.Transactions;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;

/** What a job is, checked and frozen. */
record JobPlan(
    String name,
    Transactions transactions,
    String schema,
    Table<?> table,
    Condition filter,
    List<Field<?>> key,
    JobWork work,
    String definition,
    Sizing sizing,
    Timing timing,
    List<ThrottleSignal> signals,
    Optional<Long> maxRowsPerSecond,
    boolean restartWhenDone,
    ChunkMeters meters,
    Optional<Consumer<? super JobControl.Status>> onProgress) {

  /** How large chunks are. */
  record Sizing(Duration target, int first, int min, int max) {}

  /**
   * How long things may take.
   *
   * @param chunkTimeout for one chunk's transaction
   * @param poll between two looks while the job waits
   * @param signalInterval between two looks at the signals while it works
   * @param patience with failures that may pass
   */
  record Timing(
      Duration lease,
      Duration chunkTimeout,
      Duration lockTimeout,
      Duration poll,
      Duration signalInterval,
      Duration stuckAfter,
      Duration patience) {}
}
