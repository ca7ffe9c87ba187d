package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.CommitPosition;
import org.junit.jupiter.api.Test;

class TimelinesTest {
  private static final long CLUSTER = 7_390_123_456_789L;
  private static final String HISTORY =
      "1\t0/3000148\tno recovery target specified\n\n2\t0/5000000\tbefore something\n";

  private static CommitPosition at(int timeline, long lsn) {
    return new CommitPosition(CLUSTER, timeline, lsn);
  }

  @Test
  void positionOfTheNewestTimeline_isNeverLost() {
    Timelines timelines = Timelines.UNKNOWN.seen(3);

    assertThat(timelines.mayBeLost(at(3, Long.MAX_VALUE))).isFalse();
  }

  @Test
  void positionUpToTheFork_isPartOfTheNewHistory_andOneBehindItIsLost() {
    Timelines timelines = Timelines.UNKNOWN.seen(2).seen(3).with(3, HISTORY);

    assertThat(timelines.isHistoryKnown()).isTrue();
    assertThat(timelines.mayBeLost(at(1, 0x3000148))).isFalse();
    assertThat(timelines.mayBeLost(at(1, 0x3000149))).isTrue();
    assertThat(timelines.mayBeLost(at(2, 0x5000000))).isFalse();
    assertThat(timelines.mayBeLost(at(2, 0x5000001))).isTrue();
  }

  @Test
  void withoutHistory_everyOlderPositionMayBeLost() {
    Timelines timelines = Timelines.UNKNOWN.seen(2);

    assertThat(timelines.isHistoryKnown()).isFalse();
    assertThat(timelines.mayBeLost(at(1, 1))).isTrue();
  }

  @Test
  void historyOfAnOlderTimeline_saysNothingOfANewerOne() {
    Timelines timelines = Timelines.UNKNOWN.with(2, "1\t0/3000148\tx\n").seen(3);

    assertThat(timelines.isHistoryKnown()).isFalse();
    assertThat(timelines.mayBeLost(at(1, 1))).isTrue();
    assertThat(timelines.fork(1)).isEmpty();
  }

  @Test
  void nodeOfTheNewestTimeline_coversWhatLiesBeforeTheFork() {
    Timelines timelines = Timelines.UNKNOWN.seen(2).with(2, "1\t0/3000148\tx\n");

    assertThat(timelines.covers(at(2, 0x4000000), at(1, 0x3000148))).isTrue();
    assertThat(timelines.covers(at(2, 0x4000000), at(1, 0x3000149))).isFalse();
    assertThat(timelines.covers(at(2, 0x3000000), at(1, 0x3000148))).isFalse();
  }

  @Test
  void nodeLeftBehind_coversNothingOfTheNewTimeline() {
    Timelines timelines = Timelines.UNKNOWN.seen(2).with(2, "1\t0/3000148\tx\n");

    assertThat(timelines.covers(at(1, Long.MAX_VALUE), at(2, 1))).isFalse();
  }

  @Test
  void anotherCluster_isNeverCovered() {
    assertThat(
            Timelines.UNKNOWN
                .seen(1)
                .covers(new CommitPosition(CLUSTER + 1, 1, Long.MAX_VALUE), at(1, 1)))
        .isFalse();
  }

  @Test
  void positions_areComparedWithoutSign() {
    Timelines timelines = Timelines.UNKNOWN.seen(1);

    assertThat(timelines.covers(at(1, -1L), at(1, Long.MAX_VALUE))).isTrue();
    assertThat(timelines.later(at(1, -1L), at(1, 5))).isEqualTo(at(1, -1L));
    assertThat(timelines.later(at(1, 9), at(2, 5))).isEqualTo(at(2, 5));
  }
}
