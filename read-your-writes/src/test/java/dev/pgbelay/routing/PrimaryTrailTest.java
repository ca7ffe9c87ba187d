package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.CommitPosition;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class PrimaryTrailTest {
  private final PrimaryTrail trail = new PrimaryTrail();

  private static CommitPosition at(long lsn) {
    return new CommitPosition(1, 1, lsn);
  }

  @Test
  void staleness_isTheTimeSinceThePrimaryWasLastNoFurther() {
    trail.was(at(100), 1_000);
    trail.was(at(100), 2_000);
    trail.was(at(200), 3_000);

    assertThat(trail.staleness(at(150), 5_000)).contains(Duration.ofNanos(3_000));
    assertThat(trail.staleness(at(200), 5_000)).contains(Duration.ofNanos(2_000));
  }

  @Test
  void idlePrimary_makesNobodyStale() {
    trail.was(at(100), 1_000);
    trail.was(at(100), 900_000);

    assertThat(trail.staleness(at(100), 900_001)).contains(Duration.ofNanos(1));
  }

  @Test
  void positionBeforeAllThatWasSeen_hasNoKnownAge() {
    trail.was(at(100), 1_000);

    assertThat(trail.staleness(at(99), 5_000)).isEmpty();
  }

  @Test
  void otherTimeline_hasNoKnownAge() {
    trail.was(at(100), 1_000);
    trail.was(new CommitPosition(1, 2, 120), 2_000);

    assertThat(trail.staleness(at(110), 5_000)).isEmpty();
  }

  @Test
  void positionThatOnlyTheOldTimelineHadReached_hasNoKnownAge() {
    trail.was(at(100), 1_000);
    trail.was(new CommitPosition(1, 2, 120), 2_000);

    assertThat(trail.staleness(new CommitPosition(1, 2, 110), 5_000)).isEmpty();
  }

  @Test
  void positions_areOrderedWithoutSign() {
    trail.was(at(Long.MIN_VALUE), 2_000);

    assertThat(trail.staleness(at(-1L), 5_000)).contains(Duration.ofNanos(3_000));
    assertThat(trail.staleness(at(Long.MAX_VALUE), 5_000)).isEmpty();
  }

  @Test
  void longTrail_isThinnedOut_andNeverSaysTooLittle() {
    for (int i = 0; i < 20_000; i++) {
      trail.was(at(i), i);
    }

    for (int i = 2_000; i < 20_000; i += 777) {
      Duration age = trail.staleness(at(i), 20_000).orElse(Duration.ofDays(1));
      assertThat(age).isGreaterThanOrEqualTo(Duration.ofNanos(20_000 - i));
    }
    assertThat(trail.staleness(at(19_999), 20_000)).contains(Duration.ofNanos(1));
  }
}
