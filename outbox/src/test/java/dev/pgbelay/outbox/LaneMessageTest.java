package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.internal.Claimant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LaneMessageTest {
  /** What is in memory is bounded by it: a header may be longer than most payloads. */
  @Test
  void weight_countsHeadersByTheirLength() {
    Map<String, String> headers = new HashMap<>();
    for (int i = 0; i < 32; i++) {
      headers.put("h" + i, "x".repeat(4_096));
    }
    LaneMessage.Content content = new LaneMessage.Content("id", "t", null, null, headers, 0, false);
    LaneClaim lane = new LaneClaim(0, Claimant.random().next());
    assertThat(new LaneMessage(lane, 1, null, content, new byte[10]).weight)
        .isBetween(32 * 4_096, 40 * 4_096);
  }
}
