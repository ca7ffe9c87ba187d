package dev.pgbelay.jobqueue.cron;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;

/** What is enqueued for moments that have passed. */
class FiringTest {
  private static final CronTimes HOURLY = CronTimes.of("0 * * * *", ZoneOffset.UTC);
  private static final Duration GRACE = Duration.ofMinutes(1);

  private static Instant at(String text) {
    return Instant.parse("2026-05-01T" + text + "Z");
  }

  private static Firing fire(MissedFires policy, String due, String now) {
    return Firing.of(HOURLY, at(due), at(now), policy, GRACE);
  }

  @Test
  void momentInTime_isFiredUnderEveryPolicy() {
    for (MissedFires policy : MissedFires.values()) {
      Firing firing = fire(policy, "10:00:00", "10:00:01");
      assertThat(firing.moments()).containsExactly(at("10:00:00"));
      assertThat(firing.missed()).isZero();
      assertThat(firing.next()).isEqualTo(at("11:00:00"));
    }
  }

  @Test
  void missedMoments_areSkippedMadeUpForOnceOrAll() {
    assertThat(fire(MissedFires.SKIP, "08:00:00", "10:30:00").moments()).isEmpty();
    assertThat(fire(MissedFires.SKIP, "08:00:00", "10:30:00").missed()).isEqualTo(3);
    assertThat(fire(MissedFires.SKIP, "08:00:00", "10:00:59").moments())
        .containsExactly(at("10:00:00"));
    assertThat(fire(MissedFires.ONCE, "08:00:00", "10:30:00").moments())
        .containsExactly(at("10:00:00"));
    assertThat(fire(MissedFires.ONCE, "08:00:00", "10:30:00").missed()).isEqualTo(2);
    assertThat(fire(MissedFires.ALL, "08:00:00", "10:30:00").moments())
        .containsExactly(at("08:00:00"), at("09:00:00"), at("10:00:00"));
    assertThat(fire(MissedFires.ALL, "08:00:00", "10:30:00").missed()).isZero();
    for (MissedFires policy : MissedFires.values()) {
      assertThat(fire(policy, "08:00:00", "10:30:00").next()).isEqualTo(at("11:00:00"));
    }
  }

  @Test
  void yearsThatWereMissed_areGoneThroughInParts() {
    CronTimes minutely = CronTimes.of("* * * * *", ZoneOffset.UTC);
    Instant due = Instant.parse("2026-01-01T00:00:00Z");
    Instant now = Instant.parse("2026-04-01T00:00:30Z");
    Firing all = Firing.of(minutely, due, now, MissedFires.ALL, GRACE);
    assertThat(all.moments()).hasSize(Firing.MOST_JOBS);
    assertThat(all.next()).isEqualTo(due.plus(Duration.ofMinutes(Firing.MOST_JOBS)));
    int parts = 0;
    int jobs = 0;
    long missed = 0;
    Instant at = due;
    while (at != null && !at.isAfter(now)) {
      Firing once = Firing.of(minutely, at, now, MissedFires.ONCE, GRACE);
      parts++;
      jobs += once.moments().size();
      missed += once.missed();
      at = once.next();
    }
    assertThat(parts).isEqualTo(2);
    assertThat(jobs).isEqualTo(1);
    assertThat(missed).isEqualTo(Duration.between(due, now).toMinutes());
  }

  @Test
  void lastMomentOfAll_hasNoNext() {
    CronTimes times = CronTimes.of("0 0 29 2 *", ZoneOffset.UTC);
    Instant due = Instant.parse("2028-02-29T00:00:00Z");
    assertThat(Firing.of(times, due, due, MissedFires.ONCE, GRACE).next())
        .isEqualTo(Instant.parse("2032-02-29T00:00:00Z"));
  }
}
