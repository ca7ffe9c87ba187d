package dev.pgbelay.jobqueue.cron;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a schedule that is due comes to at one moment of the database's clock.
 *
 * @param moments for which a job is enqueued, in order
 * @param missed how many others there were
 * @param next the first moment that is left
 */
record Firing(List<Instant> moments, int missed, @Nullable Instant next) {
  /** Jobs of one transaction; what is left comes in the next. */
  static final int MOST_JOBS = 1_000;

  /** Moments that one transaction goes through. */
  static final int MOST_MOMENTS = 100_000;

  static Firing of(CronTimes times, Instant due, Instant now, MissedFires policy, Duration grace) {
    List<Instant> moments = new ArrayList<>();
    int seen = 0;
    @Nullable Instant last = null;
    @Nullable Instant at = due;
    while (at != null && !at.isAfter(now) && seen < MOST_MOMENTS && moments.size() < MOST_JOBS) {
      seen++;
      last = at;
      if (policy == MissedFires.ALL
          || (policy == MissedFires.SKIP && Duration.between(at, now).compareTo(grace) <= 0)) {
        moments.add(at);
      }
      Optional<Instant> next = times.nextAfter(at);
      at = next.orElse(null);
    }
    boolean finished = at == null || at.isAfter(now);
    if (policy == MissedFires.ONCE && finished && last != null) {
      moments.add(last);
    }
    return new Firing(List.copyOf(moments), seen - moments.size(), at);
  }
}
