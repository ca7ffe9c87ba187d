package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.time.Duration;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** When a failed attempt is followed by another. */
class RetryPolicyTest {
  private static Duration pause(RetryPolicy policy, Throwable failure, int attempt) {
    return policy.pauseAfter(failure, attempt).orElseThrow();
  }

  @Test
  void pauses_doubleUpToTheLongestAndAreSpreadByAQuarter() {
    RetryPolicy policy = RetryPolicy.exponential(Duration.ofSeconds(8), Duration.ofMinutes(10));
    IOException failure = new IOException();
    for (int i = 0; i < 200; i++) {
      assertThat(pause(policy, failure, 1))
          .isBetween(Duration.ofSeconds(6), Duration.ofSeconds(10));
      assertThat(pause(policy, failure, 3))
          .isBetween(Duration.ofSeconds(24), Duration.ofSeconds(40));
      assertThat(pause(policy, failure, 1_000_000)).isLessThanOrEqualTo(Duration.ofMinutes(10));
    }
    assertThat(pause(policy, failure, 1_000_000)).isGreaterThan(Duration.ofMinutes(7));
    assertThat(IntStream.range(0, 200).mapToObj(i -> pause(policy, failure, 1)).distinct())
        .as("spread")
        .hasSizeGreaterThan(1);
  }

  @Test
  void pauses_getFromTheSmallestFirstToTheLargestLongest() {
    RetryPolicy policy = RetryPolicy.exponential(Duration.ofMillis(10), Duration.ofDays(30));
    IOException failure = new IOException();
    assertThat(pause(policy, failure, 1)).isLessThanOrEqualTo(Duration.ofMillis(13));
    assertThat(pause(policy, failure, 1_000)).isBetween(Duration.ofDays(22), Duration.ofDays(30));
  }

  @Test
  void defaults_areASecondAndAnHour() {
    IOException failure = new IOException();
    RetryPolicy defaults = RetryPolicy.defaults();
    assertThat(pause(defaults, failure, 1))
        .isBetween(Duration.ofMillis(750), Duration.ofMillis(1_250));
    assertThat(pause(defaults, failure, 1_000))
        .isBetween(Duration.ofMinutes(45), Duration.ofMinutes(60));
  }

  @Test
  void rules_holdForSubclassesAndTheFirstThatFits() {
    RetryPolicy plain = RetryPolicy.exponential(Duration.ofDays(1), Duration.ofDays(1));
    RetryPolicy policy =
        plain
            .withPauseAfter(FileNotFoundException.class, Duration.ofMinutes(7))
            .withPauseAfter(IOException.class, Duration.ZERO)
            .withNoRetryAfter(Exception.class);
    assertThat(pause(policy, new FileNotFoundException(), 1)).isEqualTo(Duration.ofMinutes(7));
    assertThat(pause(policy, new FileNotFoundException(), 9))
        .as("not doubled")
        .isEqualTo(Duration.ofMinutes(7));
    assertThat(pause(policy, new IOException(), 1)).isZero();
    assertThat(policy.pauseAfter(new IllegalStateException(), 1)).isEmpty();
    assertThat(pause(policy, new StackOverflowError(), 1)).isGreaterThan(Duration.ofHours(17));
    assertThat(pause(plain, new IOException(), 1))
        .as("unchanged by what was made of it")
        .isGreaterThan(Duration.ofHours(17));
  }

  @Test
  void badOptions_areRefusedByName() {
    assertThatThrownBy(
            () -> RetryPolicy.defaults().withPauseAfter(IOException.class, Duration.ofDays(31)))
        .hasMessageContaining("pause must be between");
    assertThatThrownBy(
            () -> RetryPolicy.defaults().withPauseAfter(IOException.class, Duration.ofMillis(-1)))
        .hasMessageContaining("pause must be between");
    assertThatThrownBy(() -> RetryPolicy.exponential(Duration.ofSeconds(2), Duration.ofSeconds(1)))
        .hasMessageContaining("first must be between");
    assertThatThrownBy(() -> RetryPolicy.exponential(Duration.ofSeconds(2), Duration.ofDays(31)))
        .hasMessageContaining("longest must be between");
  }
}
