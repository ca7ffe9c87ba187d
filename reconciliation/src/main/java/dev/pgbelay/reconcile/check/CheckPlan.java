package dev.pgbelay.reconcile.check;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.reconcile.Declarations;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** What a checker does, checked and frozen. */
record CheckPlan(
    Transactions transactions,
    Declarations declarations,
    String schema,
    Duration scanWithin,
    Duration confirmWithin,
    Duration poll,
    Duration rangeTimeout,
    long maxCandidates,
    Sizing sizing,
    List<ThrottleSignal> throttle,
    Optional<Long> maxRowsPerSecond) {
  /** How many rows a range has. */
  record Sizing(int first, int min, int max) {}

  CheckPlan {
    OptionRange.require("scanWithin", scanWithin, Duration.ofMillis(1), Duration.ofDays(7));
    OptionRange.require("confirmWithin", confirmWithin, Duration.ZERO, Duration.ofDays(1));
    OptionRange.require("pollInterval", poll, Duration.ofMillis(1), Duration.ofMinutes(1));
    OptionRange.require("rangeTimeout", rangeTimeout, Duration.ofMillis(100), Duration.ofHours(1));
    OptionRange.require("maxCandidates", maxCandidates, 1L, 1_000_000L);
    if (declarations.all().isEmpty()) {
      throw new PgBelayException("declarations are empty: there is nothing to check");
    }
  }

  TxOptions brief() {
    return TxOptions.builder()
        .path("reconcile-check")
        .deadline(rangeTimeout)
        .lockTimeout(Duration.ofSeconds(2))
        .build();
  }
}
