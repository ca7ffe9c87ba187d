package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.ForkJoinPool;
import org.junit.jupiter.api.Test;

class ProviderCallerTest {
  /** One that would still be under way when the provider forgets its key could act twice. */
  @Test
  void callThatMayOutlastTheKeyWindow_isNotMade() {
    ProviderLimits limits =
        ProviderLimits.builder("bank", Duration.ofSeconds(10), Duration.ofSeconds(4)).build();
    ProviderCaller<String> caller =
        new ProviderCaller<>("pay-charge", limits, ForkJoinPool.commonPool());
    assertThat(caller.mayRepeat(Duration.ofMillis(5_999))).isTrue();
    assertThat(caller.mayRepeat(Duration.ofSeconds(6))).isFalse();
  }
}
