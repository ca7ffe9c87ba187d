package dev.pgbelay.reconcile.check;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.ChangesSql.Facts;
import dev.pgbelay.reconcile.check.ChangesSql.Full;
import dev.pgbelay.reconcile.check.ChangesSql.Latest;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a run is about, decided before it looks at anything.
 *
 * @param whyFull why it reads every row although incremental runs are asked for
 * @param from rows changed since; empty for a full run
 * @param until rows changed later are for the next run, however many are written meanwhile
 * @param nextFrom before it nobody began who was still at work; null where that is not known
 * @param captureId of the triggers that capture deletes, if they are there
 */
record Beginning(
    Optional<String> whyFull,
    Optional<Instant> from,
    Instant until,
    @Nullable Instant nextFrom,
    @Nullable Long captureId) {
  static Beginning of(CheckPlan plan, Declaration declaration, Facts facts) {
    Instant now = facts.now();
    Instant last = facts.latest().map(Latest::nextFrom).orElse(null);
    // Whoever is prepared now, or hidden, was at work or not yet begun when the last run asked.
    Instant nextFrom = facts.isKnown() ? earlier(now, facts.began()) : last;
    if (plan.fullScanEvery().isEmpty()) {
      return new Beginning(Optional.empty(), Optional.empty(), now, nextFrom, facts.capture());
    }
    Optional<String> whyFull = whyFull(plan, declaration, facts);
    Optional<Instant> from =
        whyFull.isPresent() || last == null
            ? Optional.empty()
            : Optional.of(last.minus(plan.overlap()));
    return new Beginning(whyFull, from, now, nextFrom, facts.capture());
  }

  private static Instant earlier(Instant now, @Nullable Instant other) {
    return other == null || now.isBefore(other) ? now : other;
  }

  private static Optional<String> whyFull(CheckPlan plan, Declaration declaration, Facts facts) {
    if (declaration.changedAt().isEmpty()) {
      return Optional.of("it declares no column by which changed rows are found (changedAt)");
    }
    String version = plan.declarations().version();
    Optional<Full> full = facts.full();
    if (full.isEmpty() || facts.latest().isEmpty()) {
      return Optional.of(
          "no run has looked at every row yet under version '%s' of the declarations"
              .formatted(version));
    }
    if (full.get().isDue()) {
      return Optional.of(
          "the last run over every row began at %s, which is longer ago than %s"
              .formatted(full.get().startedAt(), plan.fullScanEvery().orElseThrow()));
    }
    Latest latest = facts.latest().get();
    if (latest.nextFrom() == null) {
      return Optional.of(
          "when the last run began, a transaction was open that does not tell since when: a prepared"
              + " one, or one of a session that this role may not see (grant pg_read_all_stats)");
    }
    return declaration instanceof Reference reference
        ? withoutDeletes(reference, facts, latest)
        : Optional.empty();
  }

  private static Optional<String> withoutDeletes(Reference reference, Facts facts, Latest latest) {
    Long capture = facts.capture();
    if (capture == null) {
      return Optional.of(
          "no trigger captures deletes of %s, or one is disabled (DeleteCapture.install); who captures by call may not be the only one who deletes"
              .formatted(reference.parent().getName()));
    }
    if (!capture.equals(latest.captureId())) {
      return Optional.of(
          "the triggers that capture deletes were installed or enabled, or partitions came or went, after the last run began");
    }
    return facts.isTruncated()
        ? Optional.of("%s was truncated".formatted(reference.parent().getName()))
        : Optional.empty();
  }
}
