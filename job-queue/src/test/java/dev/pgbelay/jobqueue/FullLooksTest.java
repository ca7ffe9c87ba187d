package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** How often everything is looked at. */
class FullLooksTest {
  private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

  private final FullLooks looks = new FullLooks();

  @Test
  void firstLook_isAtEverything() {
    assertThat(looks.isDue(System.nanoTime())).isTrue();
  }

  @Test
  void looksThatTookASecond_areNotRepeatedForTwenty() {
    long before = System.nanoTime();
    looks.looked(before - SECOND);
    looks.looked(before - SECOND);
    assertThat(looks.isDue(before)).isFalse();
    assertThat(looks.isDue(before + 19 * SECOND)).isFalse();
    assertThat(looks.untilNext().toSeconds()).isLessThanOrEqualTo(60);
  }

  @Test
  void cheapLook_isRepeatedEachTimeAndADearOneIsNot() {
    looks.took(1_000);
    assertThat(looks.isDueOrCheap(System.nanoTime() - 10 * SECOND)).isTrue();
    looks.took(SECOND);
    assertThat(looks.isDueOrCheap(System.nanoTime())).isTrue();
    looks.took(SECOND);
    assertThat(looks.isDueOrCheap(System.nanoTime())).isFalse();
    assertThat(looks.isDueOrCheap(System.nanoTime() + 21 * SECOND)).isTrue();
  }

  @Test
  void lookInWhichTheProcessStoodStill_doesNotKeepTheNextOneAway() {
    looks.took(1_000_000);
    looks.took(3 * SECOND);
    assertThat(looks.isDue(System.nanoTime() + SECOND / 10)).isTrue();
    assertThat(looks.untilNext().toMillis()).isLessThan(100);
  }

  @Test
  void looksThatTookMinutes_areRepeatedWithinOne() {
    looks.looked(System.nanoTime() - 600 * SECOND);
    looks.looked(System.nanoTime() - 600 * SECOND);
    assertThat(looks.isDue(System.nanoTime() + 61 * SECOND)).isTrue();
  }
}
