package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.internal.LogPosition;
import org.junit.jupiter.api.Test;

class CommitPositionTest {
  private static final long SEGMENT = 16L << 20;
  private static final long CLUSTER = 7_390_123_456_789L;

  @Test
  void positions_compareWithinOneTimelineOfOneCluster() {
    CommitPosition at = new CommitPosition(CLUSTER, 1, 100);

    assertThat(at.covers(new CommitPosition(CLUSTER, 1, 100))).isTrue();
    assertThat(at.covers(new CommitPosition(CLUSTER, 1, 99))).isTrue();
    assertThat(at.covers(new CommitPosition(CLUSTER, 1, 101))).isFalse();
    assertThat(at.covers(new CommitPosition(CLUSTER, 2, 99))).isFalse();
    assertThat(at.covers(new CommitPosition(CLUSTER + 1, 1, 99))).isFalse();
    assertThat(at.isComparableWith(new CommitPosition(CLUSTER, 2, 99))).isFalse();
  }

  @Test
  void positions_compareUnsigned() {
    CommitPosition beyondHalf = new CommitPosition(CLUSTER, 1, 0x8000_0000_0000_0000L);

    assertThat(beyondHalf.covers(new CommitPosition(CLUSTER, 1, Long.MAX_VALUE))).isTrue();
  }

  @Test
  void text_isThatOfPostgres() {
    long lsn = LogPosition.parse("16/B374D848");

    assertThat(lsn).isEqualTo(0x16_B374_D848L);
    assertThat(new CommitPosition(CLUSTER, 3, lsn).lsnText()).isEqualTo("16/B374D848");
    assertThat(new CommitPosition(CLUSTER, 3, lsn)).hasToString(CLUSTER + "/3/16/B374D848");
    assertThatThrownBy(() -> LogPosition.parse("16B374D848")).hasMessageContaining("16B374D848");
  }

  @Test
  void insertPositionBehindPageHeader_isThePagesStart() {
    assertThat(LogPosition.withoutHeader(SEGMENT + 8192 + 24, SEGMENT)).isEqualTo(SEGMENT + 8192);
    assertThat(LogPosition.withoutHeader(SEGMENT + 8192 + 32, SEGMENT))
        .isEqualTo(SEGMENT + 8192 + 32);
    assertThat(LogPosition.withoutHeader(SEGMENT + 8192 + 40, SEGMENT))
        .isEqualTo(SEGMENT + 8192 + 40);
  }

  @Test
  void insertPositionBehindSegmentHeader_isTheSegmentsStart() {
    assertThat(LogPosition.withoutHeader(6 * SEGMENT + 40, SEGMENT)).isEqualTo(6 * SEGMENT);
    assertThat(LogPosition.withoutHeader(LogPosition.parse("0/6000028"), SEGMENT))
        .isEqualTo(LogPosition.parse("0/6000000"));
    assertThat(LogPosition.withoutHeader(6 * SEGMENT + 48, SEGMENT)).isEqualTo(6 * SEGMENT + 48);
  }

  @Test
  void timelineBelowOne_isRefused() {
    assertThatThrownBy(() -> new CommitPosition(CLUSTER, 0, 1)).hasMessageContaining("timeline");
  }
}
