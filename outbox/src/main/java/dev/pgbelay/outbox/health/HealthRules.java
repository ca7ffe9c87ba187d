package dev.pgbelay.outbox.health;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.core.horizon.HorizonPin;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What is made of figures; {@link OutboxMonitor.Builder} says what each means.
 *
 * @param mostDeadLetters null if dead letters are not judged
 */
record HealthRules(
    Map<String, Duration> standstill,
    Duration standstillOfOthers,
    Duration late,
    Duration retried,
    Duration parked,
    Duration free,
    @Nullable Integer mostDeadLetters) {
  HealthRules {
    standstill = Map.copyOf(standstill);
  }

  Health judge(OutboxSnapshot snapshot) {
    List<Reason> reasons = new ArrayList<>();
    snapshot.destinations().values().stream()
        .sorted((a, b) -> a.destination().compareTo(b.destination()))
        .forEach(
            one -> {
              progress(one, snapshot.relays(), reasons);
              service(one, reasons);
              held(one, reasons);
            });
    if (snapshot.overdueDays() > 0) {
      reasons.add(
          new Reason(
              Status.DEGRADED,
              snapshot.overdueDays()
                  + " days of published messages are past their retention and were not emptied"));
    }
    for (HorizonPin pin : snapshot.pins()) {
      reasons.add(new Reason(Status.DEGRADED, "dead rows are not cleaned up because of " + pin));
    }
    return Health.of(reasons);
  }

  private void progress(DestinationFigures one, int relays, List<Reason> reasons) {
    Optional<Duration> oldest = one.lag().oldest();
    if (oldest.isEmpty()) {
      return;
    }
    Duration allowed = standstill.getOrDefault(one.destination(), standstillOfOthers);
    ServiceFigures service = one.service();
    boolean delivers =
        service.sinceDelivered().filter(is -> is.compareTo(allowed) <= 0).isPresent();
    String waiting =
        of(one) + one.lag().messages() + " messages wait, the oldest for " + seconds(oldest.get());
    if (oldest.get().compareTo(allowed) > 0 && !delivers) {
      reasons.add(
          new Reason(
              Status.DOWN,
              waiting
                  + service
                      .sinceDelivered()
                      .map(since -> ", and none was delivered for " + seconds(since))
                      .orElse(", and none was delivered by a relay that is alive")
                  + alive(relays, service.relays())
                  + (service.paused() == 0 ? "" : "; everything fails there")
                  + (service.refused() == 0
                      ? ""
                      : "; permits of " + service.refused() + " let nothing begin just now")));
    } else if (oldest.get().compareTo(late) > 0) {
      reasons.add(new Reason(Status.DEGRADED, waiting + ", though others are delivered"));
    }
  }

  private void service(DestinationFigures one, List<Reason> reasons) {
    ServiceFigures service = one.service();
    if (one.routed() && service.freeLanes() > 0 && service.freeFor().compareTo(free) > 0) {
      reasons.add(
          new Reason(
              Status.DOWN,
              of(one)
                  + (service.relays() == 0
                      ? "no relay that is alive delivers there"
                      : service.freeLanes() + " of 32 lanes have no relay")
                  + ", for "
                  + seconds(service.freeFor())));
    }
    if (service.paused() > 0) {
      reasons.add(
          new Reason(
              Status.DEGRADED,
              of(one)
                  + "everything fails there, "
                  + service.paused()
                  + " of "
                  + service.relays()
                  + " relays only probe it"));
    }
  }

  private void held(DestinationFigures one, List<Reason> reasons) {
    HeldFigures held = one.held();
    held.longestParked()
        .filter(longest -> longest.compareTo(parked) > 0)
        .ifPresent(
            longest ->
                reasons.add(
                    new Reason(
                        Status.DEGRADED,
                        of(one)
                            + held.parkedKeys()
                            + " keys are parked, the longest for "
                            + seconds(longest)
                            + ": resume or skip them with HeldKeys")));
    held.longestRetried()
        .filter(longest -> longest.compareTo(retried) > 0)
        .ifPresent(
            longest ->
                reasons.add(
                    new Reason(
                        Status.DEGRADED,
                        of(one)
                            + held.retriedKeys()
                            + " keys wait for a message that fails, the longest for "
                            + seconds(longest)
                            + ", after up to "
                            + held.mostAttempts()
                            + " attempts")));
    if (mostDeadLetters != null && one.deadLetters() > mostDeadLetters) {
      reasons.add(
          new Reason(
              Status.DEGRADED,
              of(one)
                  + one.deadLetters()
                  + " dead letters, and no more than "
                  + mostDeadLetters
                  + " are expected: redrive or delete them with DeadLetters"));
    }
  }

  private static String of(DestinationFigures one) {
    return "destination '" + one.destination() + "': ";
  }

  private static String alive(int relays, int ofThis) {
    String alive =
        switch (relays) {
          case 0 -> "; no relay is alive";
          case 1 -> "; one relay is alive";
          default -> "; " + relays + " relays are alive";
        };
    return relays > 0 && ofThis == 0 ? alive + ", but none that delivers there" : alive;
  }

  private static Duration seconds(Duration duration) {
    return Duration.ofSeconds(duration.toSeconds());
  }
}
