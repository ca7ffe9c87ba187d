package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** UUIDs of version 7, as RFC 9562 lays them out. */
class MessageIdsTest {
  private Instant now = Instant.parse("2026-11-21T14:00:00.123Z");
  private final MessageIds ids = new MessageIds(() -> now, new AtomicLong());

  @Test
  void id_beginsWithTheMillisecond() {
    UUID id = UUID.fromString(ids.next());
    assertThat(id.version()).isEqualTo(7);
    assertThat(id.variant()).isEqualTo(2);
    assertThat(id.getMostSignificantBits() >>> 16).isEqualTo(now.toEpochMilli());
  }

  @Test
  void ids_ascendWithinAMillisecondAndBeyond() {
    List<String> drawn = new ArrayList<>();
    IntStream.range(0, 10_000).forEach(i -> drawn.add(ids.next()));
    assertThat(drawn).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void clockThatGoesBack_doesNotBringThemBack() {
    String before = ids.next();
    now = now.minusSeconds(3_600);
    String after = ids.next();
    assertThat(after).isGreaterThan(before);
    now = now.plusSeconds(7_200);
    assertThat(ids.next()).isGreaterThan(after);
  }

  @Test
  void ids_ofTwoProcessesDiffer() {
    assertThat(new MessageIds(() -> now, new AtomicLong()).next())
        .isNotEqualTo(new MessageIds(() -> now, new AtomicLong()).next());
  }
}
