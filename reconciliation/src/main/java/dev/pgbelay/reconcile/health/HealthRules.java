package dev.pgbelay.reconcile.health;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What is made of figures; {@link ReconcileMonitor.Builder} says what each means. */
record HealthRules(
    Map<String, Duration> periods,
    Duration periodOfOthers,
    Duration fullScan,
    Duration deletes,
    int mostFindings) {
  HealthRules {
    periods = Map.copyOf(periods);
  }

  /**
   * Judges.
   *
   * @param watched for how long this monitor has looked
   */
  Health judge(ReconcileSnapshot snapshot, Duration watched) {
    List<Reason> reasons = new ArrayList<>();
    for (DeclarationFigures one : snapshot.declarations()) {
      success(one, watched, reasons);
      fullScan(one, reasons);
      if (one.confirmed() > mostFindings) {
        reasons.add(
            new Reason(
                Status.DEGRADED,
                "%s has %d open findings, more than %d%s"
                    .formatted(
                        of(one),
                        one.confirmed(),
                        mostFindings,
                        one.oldestConfirmed()
                            .map(age -> ", the oldest seen first " + seconds(age) + " ago")
                            .orElse(""))));
      }
    }
    snapshot.deletes().forEach(one -> deletes(one, reasons));
    for (DeleteFigures one : snapshot.undeclared()) {
      reasons.add(
          new Reason(
              Status.DEGRADED,
              "%s deletes were captured of reference '%s', which is not declared: declare it, or uninstall its triggers and delete its rows"
                  .formatted(
                      count(one.waiting() + one.held(), one.moreWaiting() || one.moreHeld()),
                      one.reference())));
    }
    return Health.of(reasons);
  }

  private Duration period(DeclarationFigures one) {
    return periods.getOrDefault(one.declaration(), periodOfOthers);
  }

  private void success(DeclarationFigures one, Duration watched, List<Reason> reasons) {
    Duration period = period(one);
    String why = one.lastIncomplete().map(reason -> "; the last run: " + reason).orElse("");
    if (one.sinceSuccess().isPresent()) {
      if (one.sinceSuccess().get().compareTo(period) > 0) {
        reasons.add(
            new Reason(
                Status.DOWN,
                "%s was last checked to its end %s ago, longer than %s%s"
                    .formatted(of(one), seconds(one.sinceSuccess().get()), period, why)));
      }
      return;
    }
    Duration tried = longer(one.sinceFirstRun().orElse(Duration.ZERO), watched);
    reasons.add(
        new Reason(
            tried.compareTo(period) > 0 ? Status.DOWN : Status.DEGRADED,
            of(one) + " was never checked to its end" + why));
  }

  private void fullScan(DeclarationFigures one, List<Reason> reasons) {
    Optional<Duration> age = one.sinceFullScan();
    boolean late = age.map(is -> is.compareTo(fullScan) > 0).orElse(one.sinceSuccess().isPresent());
    if (late) {
      reasons.add(
          new Reason(
              Status.DOWN,
              age.map(
                      is ->
                          "every row of %s was last looked at %s ago, longer than %s"
                              .formatted(of(one), seconds(is), fullScan))
                  .orElse("no run that is kept has looked at every row of " + of(one))));
    }
  }

  private void deletes(DeleteFigures one, List<Reason> reasons) {
    one.oldestWaiting()
        .filter(age -> age.compareTo(deletes) > 0)
        .ifPresent(
            age ->
                reasons.add(
                    new Reason(
                        Status.DOWN,
                        "%s captured deletes of reference '%s' wait, the oldest for %s, longer than %s"
                            .formatted(
                                count(one.waiting(), one.moreWaiting()),
                                one.reference(),
                                seconds(age),
                                deletes))));
    one.oldestHeld()
        .ifPresent(
            age ->
                reasons.add(
                    new Reason(
                        Status.DEGRADED,
                        "%s captured deletes of reference '%s' are held, the oldest for %s: see Propagation.open"
                            .formatted(
                                count(one.held(), one.moreHeld()),
                                one.reference(),
                                seconds(age)))));
  }

  private static String count(int counted, boolean more) {
    return more ? "more than " + counted : String.valueOf(counted);
  }

  private static String of(DeclarationFigures one) {
    return "declaration '" + one.declaration() + "'";
  }

  private static Duration longer(Duration one, Duration other) {
    return one.compareTo(other) > 0 ? one : other;
  }

  private static Duration seconds(Duration time) {
    return Duration.ofSeconds(time.toSeconds());
  }
}
