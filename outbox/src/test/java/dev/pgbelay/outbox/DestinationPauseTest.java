package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** When a destination is taken to be down, and how it is found out that it is back. */
class DestinationPauseTest {
  private static final RetryPauses LONG =
      RetryPauses.exponential(Duration.ofHours(1), Duration.ofHours(2));
  private static final RetryPauses SHORT =
      RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(10));

  private static void awaitEnd(DestinationPause pause) {
    while (pause.nanosLeft() > 0) {
      Thread.onSpinWait();
    }
  }

  @Test
  void failuresInARow_pauseAtTheirMostAndNotBefore() {
    DestinationPause pause = new DestinationPause(5, LONG);
    pause.ended(0, 4);
    assertThat(pause.isOn()).isFalse();
    assertThat(pause.admits(100)).isEqualTo(100);
    pause.ended(0, 1);
    assertThat(pause.isOn()).isTrue();
    assertThat(pause.admits(100)).isZero();
  }

  @Test
  void deliveryInBetween_beginsTheCountAnew() {
    DestinationPause pause = new DestinationPause(5, LONG);
    pause.ended(0, 4);
    pause.ended(1, 3);
    pause.ended(0, 4);
    assertThat(pause.isOn()).isFalse();
    pause.ended(0, 1);
    assertThat(pause.isOn()).isTrue();
  }

  @Test
  void rejections_sayNothingOfTheDestination() {
    DestinationPause pause = new DestinationPause(3, LONG);
    pause.ended(0, 1);
    for (int i = 0; i < 10; i++) {
      pause.ended(0, 0);
    }
    pause.ended(0, 1);
    assertThat(pause.isOn()).isFalse();
    pause.ended(0, 1);
    assertThat(pause.isOn()).isTrue();
  }

  @Test
  void pause_isThirtySecondsAtMost() {
    DestinationPause pause = new DestinationPause(1, LONG);
    pause.ended(0, 1);
    assertThat(Duration.ofNanos(pause.nanosLeft()))
        .isBetween(Duration.ofSeconds(25), Duration.ofSeconds(30));
  }

  @Test
  void pauseThatIsOver_admitsOneAtATimeUntilOneArrives() {
    DestinationPause pause = new DestinationPause(1, SHORT);
    pause.ended(0, 1);
    for (int probe = 0; probe < 3; probe++) {
      awaitEnd(pause);
      assertThat(pause.admits(100)).isEqualTo(1);
      pause.begun();
      assertThat(pause.admits(100)).as("one is on its way").isZero();
      pause.ended(0, 1);
      assertThat(pause.isOn()).isTrue();
    }
    awaitEnd(pause);
    assertThat(pause.admits(0)).isZero();
    pause.begun();
    pause.ended(1, 0);
    assertThat(pause.isOn()).isFalse();
    assertThat(pause.admits(100)).isEqualTo(100);
  }

  @Test
  void probeOfWhichNothingIsKnown_isFollowedByAnother() {
    DestinationPause pause = new DestinationPause(1, SHORT);
    pause.ended(0, 1);
    awaitEnd(pause);
    pause.begun();
    pause.endedWithoutResult();
    assertThat(pause.isOn()).isTrue();
    assertThat(pause.admits(100)).isEqualTo(1);
  }
}
