package dev.pgbelay.batch.chunk;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class ChunkSizeTest {
  private static final Duration TARGET = Duration.ofMillis(100);

  /** Chunks that take {@code microsPerRow} for each row. */
  private static int settled(ChunkSize size, double microsPerRow, int chunks) {
    for (int i = 0; i < chunks; i++) {
      size.after((long) (size.rows() * microsPerRow * 1_000));
    }
    return size.rows();
  }

  @Test
  void size_settlesNearTheTargetFromBelowAndFromAbove() {
    // 100 ms at 50 µs a row are 2,000 rows.
    assertThat(settled(new ChunkSize(TARGET, 10, 1, 1_000_000), 50, 100)).isBetween(1_500, 2_100);
    assertThat(settled(new ChunkSize(TARGET, 500_000, 1, 1_000_000), 50, 100))
        .isBetween(1_200, 2_100);
  }

  @Test
  void size_followsWhenRowsBecomeDearer() {
    ChunkSize size = new ChunkSize(TARGET, 500, 1, 1_000_000);
    settled(size, 50, 60);

    assertThat(settled(size, 500, 60)).isBetween(120, 210);
  }

  @Test
  void oneStep_isAtMostAFifth() {
    ChunkSize size = new ChunkSize(TARGET, 1_000, 1, 1_000_000);

    assertThat(size.after(1)).isEqualTo(1_200);
    ChunkSize slow = new ChunkSize(TARGET, 1_000, 1, 1_000_000);
    assertThat(slow.after(Duration.ofHours(1).toNanos())).isEqualTo(800);
  }

  @Test
  void size_staysWithinItsBounds() {
    assertThat(settled(new ChunkSize(TARGET, 50, 10, 60), 0.001, 50)).isEqualTo(60);
    assertThat(settled(new ChunkSize(TARGET, 50, 10, 60), 1_000_000, 50)).isEqualTo(10);
    ChunkSize size = new ChunkSize(TARGET, 50, 10, 60);
    size.set(1_000_000);
    assertThat(size.rows()).isEqualTo(60);
    for (int i = 0; i < 20; i++) {
      size.afterTimeout();
    }
    assertThat(size.rows()).isEqualTo(10);
  }

  @Test
  void smallestSizes_canGrowAgain() {
    ChunkSize size = new ChunkSize(TARGET, 1, 1, 100);

    assertThat(settled(size, 0.001, 30)).isEqualTo(100);
  }
}
