package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions.Isolation;
import dev.pgbelay.core.TxOptions.Nesting;
import dev.pgbelay.core.TxOptions.Retry;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TxOptionsTest {
  @Test
  void badOptions_areRefusedByNameAndValue() {
    assertThatThrownBy(() -> TxOptions.path("")).hasMessageContaining("path ''");
    assertThatThrownBy(() -> TxOptions.path("a b")).hasMessageContaining("'a b'");
    assertThatThrownBy(() -> TxOptions.builder().deadline(Duration.ZERO))
        .hasMessageContaining("deadline must be at least PT0.001S");
    assertThatThrownBy(() -> TxOptions.builder().deadline(Duration.ofDays(2)))
        .hasMessageContaining("deadline must be at most PT24H");
    assertThatThrownBy(() -> TxOptions.builder().lockTimeout(Duration.ofMillis(-1)))
        .hasMessageContaining("lockTimeout");
    assertThatThrownBy(() -> TxOptions.builder().setting("a; drop table b", "1"))
        .hasMessageContaining("not a setting's name");
    assertThatThrownBy(() -> TxOptions.builder().setting("Statement_Timeout", "1s"))
        .hasMessageContaining("governed by deadline");
    assertThatThrownBy(
            () -> TxOptions.builder().readOnly(true).resolveOutcome(Duration.ofSeconds(1)).build())
        .hasMessageContaining("resolveOutcome");
  }

  @Test
  void badRetry_isRefusedByNameAndValue() {
    assertThatThrownBy(() -> Retry.defaults().withMaxAttempts(0))
        .hasMessageContaining("maxAttempts must be between 1 and 100, is 0");
    assertThatThrownBy(() -> Retry.defaults().withMaxElapsed(Duration.ZERO))
        .hasMessageContaining("maxElapsed");
    assertThatThrownBy(
            () -> Retry.defaults().withPauses(Duration.ofSeconds(2), Duration.ofSeconds(1)))
        .hasMessageContaining("maxPause");
    assertThatThrownBy(() -> Retry.defaults().withKinds(Set.of(FailureKind.OUTCOME_UNKNOWN)))
        .hasMessageContaining("OUTCOME_UNKNOWN cannot be retried");
  }

  @Test
  void builderOfOptions_startsFromThem() {
    TxOptions options =
        TxOptions.builder()
            .path("checkout")
            .isolation(Isolation.SERIALIZABLE)
            .setting("app.tenant", "7")
            .deadline(Duration.ofSeconds(3))
            .lockTimeout(Duration.ofSeconds(1))
            .nesting(Nesting.JOIN)
            .resolveOutcome(Duration.ofSeconds(2))
            .retry(Retry.none())
            .build();

    TxOptions copy = options.toBuilder().build();

    assertThat(copy).usingRecursiveComparison().isEqualTo(options);
    assertThat(copy.retry()).contains(Retry.none());
    assertThat(options.toBuilder().path("other").build().path()).isEqualTo("other");
  }
}
