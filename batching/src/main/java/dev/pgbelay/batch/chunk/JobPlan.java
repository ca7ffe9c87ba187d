package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
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
    Sizing sizing,
    Timing timing,
    List<ThrottleSignal> signals,
    Optional<Long> maxRowsPerSecond,
    boolean restartWhenDone,
    ChunkMeters meters,
    Optional<Consumer<? super JobControl.Status>> onProgress) {

  JobPlan {
    if (name.isBlank() || name.length() > 200) {
      throw new PgBelayException("name must have 1 to 200 characters, is '" + name + "'");
    }
    if (maxRowsPerSecond.filter(rows -> rows < 1).isPresent()) {
      throw new PgBelayException(
          "maxRowsPerSecond must be at least 1, is " + maxRowsPerSecond.get());
    }
  }

  /** For what is short: it waits for no lock longer than a chunk would. */
  TxOptions brief(String path) {
    return brief(path, false);
  }

  /** The same, reading only. */
  TxOptions briefRead(String path) {
    return brief(path, true);
  }

  private TxOptions brief(String path, boolean readOnly) {
    return TxOptions.builder()
        .path(path)
        .readOnly(readOnly)
        .deadline(timing.chunkTimeout())
        .lockTimeout(timing.lockTimeout())
        .build();
  }

  /** How large chunks are. */
  record Sizing(Duration target, int first, int min, int max) {
    Sizing {
      OptionRange.require("target", target, Duration.ofMillis(10), Duration.ofMinutes(1));
      if (min < 1 || first < min || max < first || max > 10_000_000) {
        throw new PgBelayException(
            "chunkRows: must be 1 <= min <= first <= max <= 10000000, is min %d, first %d, max %d"
                .formatted(min, first, max));
      }
    }
  }

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
      Duration patience) {
    Timing {
      OptionRange.require("lease", lease, Duration.ofSeconds(1), Duration.ofHours(1));
      OptionRange.require(
          "chunkTimeout", chunkTimeout, Duration.ofMillis(100), Duration.ofHours(1));
      OptionRange.require(
          "lockTimeout", lockTimeout, Duration.ofMillis(10), Duration.ofMinutes(10));
      OptionRange.require("pollInterval", poll, Duration.ofMillis(10), Duration.ofMinutes(1));
      OptionRange.require("signalInterval", signalInterval, Duration.ZERO, Duration.ofMinutes(1));
      OptionRange.require("stuckAfter", stuckAfter, Duration.ofMillis(1), Duration.ofDays(1));
      OptionRange.require("patience", patience, Duration.ZERO, Duration.ofDays(1));
      if (poll.multipliedBy(2).compareTo(lease) > 0) {
        throw new PgBelayException(
            "pollInterval must be at most half of the lease, which is renewed at each poll: is %s, the lease %s"
                .formatted(poll, lease));
      }
    }
  }
}
