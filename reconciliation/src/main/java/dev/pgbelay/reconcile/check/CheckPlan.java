package dev.pgbelay.reconcile.check;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.internal.SteadyText;
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
    Optional<Sizing> sizing,
    List<ThrottleSignal> throttle,
    Optional<Long> maxRowsPerSecond,
    Optional<Long> maxRows,
    Optional<Duration> fullScanEvery,
    Duration overlap,
    Optional<DataSource> replica) {
  private static final Sizing SMALL = new Sizing(5_000, 100, 1_000_000);
  private static final Sizing LARGE = new Sizing(100_000, 100, 1_000_000);

  /** A pause follows each range, so it is short, and so are those behind it. */
  private static final Duration TARGET_BESIDE_OTHERS = Duration.ofMillis(50);

  private static final Duration TARGET_ALONE = Duration.ofMillis(500);

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

  /** Nobody is to be given way to. */
  boolean isUnthrottled() {
    return throttle.isEmpty() && maxRowsPerSecond.isEmpty();
  }

  /** How many rows may be one statement, if the checker may choose. */
  long mostAtOnce() {
    long most = sizing.map(Sizing::max).map(Integer::longValue).orElse(Long.MAX_VALUE);
    return Math.min(most, maxRows.orElse(Long.MAX_VALUE));
  }

  /** The sizes of ranges; none is larger than what a call may read. */
  Sizing ranges() {
    Sizing wanted = sizing.orElse(isUnthrottled() ? LARGE : SMALL);
    int most = (int) Math.min(wanted.max(), maxRows.orElse((long) wanted.max()));
    return new Sizing(Math.min(wanted.first(), most), Math.min(wanted.min(), most), most);
  }

  /** How long a range should take. */
  Duration target() {
    return isUnthrottled() ? TARGET_ALONE : TARGET_BESIDE_OTHERS;
  }

  /** A range that is looked at on a replica leaves its transaction idle meanwhile. */
  Duration lease() {
    Duration longest = rangeTimeout.plusSeconds(10);
    Duration usual = Duration.ofSeconds(30);
    Duration most = Duration.ofHours(1);
    return longest.compareTo(usual) < 0 ? usual : longest.compareTo(most) > 0 ? most : longest;
  }

  TxOptions brief() {
    return SteadyText.in(TxOptions.builder())
        .path("reconcile-check")
        .isolation(TxOptions.Isolation.READ_COMMITTED)
        .setting("row_security", "off")
        .deadline(rangeTimeout)
        .lockTimeout(Duration.ofSeconds(2))
        .build();
  }

  /** For what the next call finds out again, should the server crash. */
  TxOptions.Builder unsynced() {
    return brief().toBuilder().setting("synchronous_commit", "off");
  }
}
