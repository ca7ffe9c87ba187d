package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions.Isolation;
import dev.pgbelay.core.TxOptions.Nesting;
import dev.pgbelay.core.TxOptions.Retry;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TxOptionsTest {
  private static final Duration DAY = Duration.ofHours(24);

  @Test
  void badOptions_areRefusedByNameAndValue() {
    assertThatThrownBy(() -> TxOptions.forPath(""))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("path ''");
    assertThatThrownBy(() -> TxOptions.forPath("a b")).hasMessageContaining("'a b'");
    assertThatThrownBy(() -> TxOptions.builder().deadline(Duration.ZERO).build())
        .hasMessageContaining("deadline must be at least PT0.001S");
    assertThatThrownBy(() -> TxOptions.builder().deadline(Duration.ofDays(2)).build())
        .hasMessageContaining("deadline must be at most PT24H");
    assertThatThrownBy(() -> TxOptions.builder().lockTimeout(Duration.ofMillis(-1)).build())
        .hasMessageContaining("lockTimeout");
    assertThatThrownBy(() -> TxOptions.builder().setting("a; drop table b", "1").build())
        .hasMessageContaining("not a setting's name");
    assertThatThrownBy(() -> TxOptions.builder().setting("transaction_deferrable", "on").build())
        .hasMessageContaining("SET TRANSACTION DEFERRABLE");
    assertThatThrownBy(() -> TxOptions.builder().setting("session_authorization", "me").build())
        .hasMessageContaining("set 'role'");
    assertThatThrownBy(() -> TxOptions.builder().setting("Statement_Timeout", "1s").build())
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

    assertThat(copy).isEqualTo(options).hasSameHashCodeAs(options);
    assertThat(options.toBuilder().readOnly(false).setting("app.tenant", "8").build())
        .isNotEqualTo(options);
    assertThat(copy.retry()).contains(Retry.none());
    assertThat(options.toBuilder().path("other").build().path()).isEqualTo("other");
  }

  @Test
  void options_areReadUnderTheNamesTheyWereSetUnder() {
    Duration time = Duration.ofSeconds(2);
    TxOptions options =
        TxOptions.builder().resolveOutcome(time).lockTimeout(time).deadline(time).build();

    assertThat(options.resolveOutcome()).contains(time);
    assertThat(options.lockTimeout()).contains(time);
    assertThat(options.deadline()).contains(time);
    assertThat(TxOptions.builder().readOnly(true).build().readOnly()).isTrue();
    assertThat(TxOptions.defaults()).isEqualTo(TxOptions.builder().build());
  }

  @Test
  void printedOptions_nameSettingsWithoutTheirValues() {
    TxOptions options =
        TxOptions.builder().path("checkout").setting("app.token", "hunter2").deadline(DAY).build();

    assertThat(options.toString())
        .contains("checkout", "app.token", "PT24H", "REFUSE")
        .doesNotContain("hunter2");
  }

  @Test
  void settingsOfTheCaller_areCopied() {
    Map<String, String> settings = new HashMap<>(Map.of("app.tenant", "7"));
    TxOptions options = TxOptions.builder().setting("app.tenant", "7").build();
    TxOptions made =
        new TxOptions(
            "default",
            Optional.empty(),
            false,
            settings,
            Optional.empty(),
            Optional.empty(),
            Nesting.REFUSE,
            Optional.empty(),
            Optional.empty());
    settings.put("app.tenant", "8");

    assertThat(made).isEqualTo(options);
    assertThatThrownBy(() -> made.settings().put("a", "b"))
        .isInstanceOf(UnsupportedOperationException.class);
  }
}
