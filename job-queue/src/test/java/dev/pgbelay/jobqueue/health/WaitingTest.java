package dev.pgbelay.jobqueue.health;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What waits in one queue for several reasons is one figure of each. */
class WaitingTest {
  @Test
  void sum_hasAllNumbersAndTheLongestWait() {
    Waiting some = new Waiting(1, Optional.of(Duration.ofSeconds(5)), 10, 100, 1000);
    Waiting more = new Waiting(2, Optional.of(Duration.ofSeconds(7)), 20, 200, 2000);
    Waiting sum = new Waiting(3, Optional.of(Duration.ofSeconds(7)), 30, 300, 3000);
    assertThat(some.plus(more)).isEqualTo(sum);
    assertThat(more.plus(some)).isEqualTo(sum);
    assertThat(some.plus(Waiting.FOR_NOTHING)).isEqualTo(some);
    assertThat(Waiting.FOR_NOTHING.plus(some)).isEqualTo(some);
  }
}
