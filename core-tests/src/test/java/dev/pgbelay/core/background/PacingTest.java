package dev.pgbelay.core.background;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class PacingTest {
  private static final Duration FIRST = Duration.ofMillis(100);
  private static final Duration LONGEST = Duration.ofSeconds(2);

  private final Pacing pacing =
      new Pacing(FIRST, LONGEST, Duration.ofMillis(200), Duration.ofSeconds(30));

  @Test
  void idlePausesGrowToTheirMaximumAndStayThere() {
    Duration before = Duration.ZERO;
    for (int step = 0; step < 5; step++) {
      Duration pause = pacing.after(Pass.idle());
      Duration unjittered = FIRST.multipliedBy(1L << step);
      assertThat(pause)
          .isBetween(
              unjittered.multipliedBy(3).dividedBy(4), unjittered.multipliedBy(5).dividedBy(4));
      assertThat(pause).isGreaterThan(before.dividedBy(2));
      before = pause;
    }
    for (int step = 0; step < 10_000; step++) {
      assertThat(pacing.after(Pass.idle())).isBetween(FIRST, LONGEST);
    }
    assertThat(pacing.after(Pass.idle())).isGreaterThan(LONGEST.dividedBy(2));
  }

  @Test
  void workMeansNoPauseAndAShortOneAfterIt() {
    for (int i = 0; i < 20; i++) {
      pacing.after(Pass.idle());
    }
    assertThat(pacing.after(Pass.worked(3))).isZero();
    assertThat(pacing.after(Pass.idle())).isLessThanOrEqualTo(FIRST.multipliedBy(5).dividedBy(4));
  }

  @Test
  void somethingDueSooner_cutsThePause() {
    assertThat(pacing.after(Pass.idle(Duration.ofMillis(7)))).isEqualTo(Duration.ofMillis(7));
    assertThat(pacing.after(Pass.idle(Duration.ofHours(7)))).isLessThan(LONGEST);
  }

  @Test
  void failuresBackOffWithJitterAndSuccessForgetsThem() {
    long different = 0;
    Duration first = pacing.after(new IllegalStateException());
    for (int i = 0; i < 20; i++) {
      Duration pause = pacing.after(new IllegalStateException());
      assertThat(pause).isBetween(Duration.ofMillis(150), Duration.ofSeconds(30));
      different += pause.equals(first) ? 0 : 1;
    }
    assertThat(different).isPositive();
    assertThat(pacing.after(new IllegalStateException())).isGreaterThan(Duration.ofSeconds(15));
    pacing.after(Pass.worked(1));
    assertThat(pacing.after(new IllegalStateException()))
        .isLessThanOrEqualTo(Duration.ofMillis(250));
  }

  @Test
  void jvmOutOfMemory_isGivenTheLongestPauseAtOnce() {
    assertThat(pacing.after(new OutOfMemoryError("made up"))).isEqualTo(Duration.ofSeconds(30));
  }
}
