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
import javax.sql.DataSource;

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
    Optional<Long> maxRowsPerSecond,
    Optional<Long> maxRows,
    Optional<Duration> fullScanEvery,
    Duration overlap,
    Optional<DataSource> replica) {
  /** How many rows a range has. */
  record Sizing(int first, int min, int max) {}

  CheckPlan {
    OptionRange.require("scanWithin", scanWithin, Duration.ofMillis(1), Duration.ofDays(7));
    OptionRange.require("confirmWithin", confirmWithin, Duration.ZERO, Duration.ofDays(1));
    OptionRange.require("pollInterval", poll, Duration.ofMillis(1), Duration.ofMinutes(1));
    OptionRange.require("rangeTimeout", rangeTimeout, Duration.ofMillis(100), Duration.ofHours(1));
    OptionRange.require("maxCandidates", maxCandidates, 1L, 1_000_000L);
    maxRowsPerSecond.ifPresent(
        rows -> OptionRange.require("maxRowsPerSecond", rows, 1L, Long.MAX_VALUE));
    maxRows.ifPresent(most -> OptionRange.require("maxRows", most, 1L, Long.MAX_VALUE));
    fullScanEvery.ifPresent(
        every ->
            OptionRange.require("incremental", every, Duration.ofMillis(1), Duration.ofDays(366)));
    OptionRange.require("overlap", overlap, Duration.ZERO, Duration.ofDays(1));
    if (declarations.all().isEmpty()) {
      throw new PgBelayException("declarations are empty: there is nothing to check");
    }
  }

  /** The sizes of ranges; none is larger than what a call may read. */
  Sizing ranges() {
    int most = (int) Math.min(sizing.max(), maxRows.orElse((long) sizing.max()));
    return new Sizing(Math.min(sizing.first(), most), Math.min(sizing.min(), most), most);
  }

  /** A range that is looked at on a replica leaves its transaction idle meanwhile. */
  Duration lease() {
    Duration longest = rangeTimeout.plusSeconds(10);
    Duration usual = Duration.ofSeconds(30);
    Duration most = Duration.ofHours(1);
    return longest.compareTo(usual) < 0 ? usual : longest.compareTo(most) > 0 ? most : longest;
  }

  TxOptions brief() {
    return TxOptions.builder()
        .path("reconcile-check")
        .deadline(rangeTimeout)
        .lockTimeout(Duration.ofSeconds(2))
        .build();
  }
}
