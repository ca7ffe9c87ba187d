package dev.pgbelay.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class MediansTest {
  private static final Work WORK = new Work(1, 1);

  @Test
  void driftingMachine_ratioIsTheMedianOfTheRatiosWithinRounds() {
    Medians medians = new Medians("paging");
    // The machine slows down threefold after round 1; the contestant is twice as slow all along.
    double[] limit = {1, 3, 3};
    double[] peer = {2, 6, 60};
    for (int round = 1; round <= 3; round++) {
      medians.add(round, Stage.LIMIT, ms("page-1", limit[round - 1]));
      medians.add(round, "peer", ms("page-1", peer[round - 1]));
    }

    Result result = medians.results().get(1);

    assertThat(result.contestant()).isEqualTo("peer");
    assertThat(result.value()).isEqualTo(6);
    assertThat(result.ratio()).isEqualTo(2);
    assertThat(result.lowestRatio()).isEqualTo(2);
    assertThat(result.highestRatio()).isEqualTo(20);
  }

  @Test
  void ratioOfMediansAndMedianOfRatiosDiffer_theLatterIsReported() {
    Medians medians = new Medians("paging");
    double[] limit = {1, 10, 100};
    double[] peer = {5, 20, 100};
    for (int round = 1; round <= 3; round++) {
      medians.add(round, Stage.LIMIT, ms("page-1", limit[round - 1]));
      medians.add(round, "peer", ms("page-1", peer[round - 1]));
    }

    // Ratios 5, 2, 1: median 2; the medians 20 and 10 would give the same only by chance of
    // rounding.
    assertThat(medians.results().get(1).ratio()).isEqualTo(2);

    Medians skewed = new Medians("paging");
    double[] slow = {9, 11, 500};
    for (int round = 1; round <= 3; round++) {
      skewed.add(round, Stage.LIMIT, ms("page-1", limit[round - 1]));
      skewed.add(round, "peer", ms("page-1", slow[round - 1]));
    }
    // Ratios 9, 1.1, 5: median 5; the ratio of the medians would be 1.1.
    assertThat(skewed.results().get(1).ratio()).isEqualTo(5);
  }

  @Test
  void metricWithoutLimit_hasNoRatio() {
    Medians medians = new Medians("export");
    medians.add(1, "peer", ms("page-1", 4));

    assertThat(medians.results().get(0).ratio()).isNull();
    assertThat(medians.results().get(0).value()).isEqualTo(4);
  }

  @Test
  void contestantMissedARound_onlyItsOwnRoundsAreCompared() {
    Medians medians = new Medians("paging");
    medians.add(1, Stage.LIMIT, ms("page-1", 1));
    medians.add(2, Stage.LIMIT, ms("page-1", 10));
    medians.add(2, "peer", ms("page-1", 30));

    assertThat(medians.results().get(1).ratio()).isEqualTo(3);
  }

  @Test
  void evenNumberOfRounds_medianIsTheMeanOfTheMiddleTwo() {
    assertThat(Medians.median(List.of(4.0, 1.0, 3.0, 2.0))).isEqualTo(2.5, within(1e-12));
    assertThat(Medians.median(List.of(7.0))).isEqualTo(7);
    assertThatThrownBy(() -> Medians.median(List.of()))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void oneMetricInTwoUnits_isRefused() {
    Medians medians = new Medians("paging");
    medians.add(1, Stage.LIMIT, ms("page-1", 1));

    assertThatThrownBy(() -> medians.add(1, "peer", new Measurement("page-1", 1, "s", WORK, WORK)))
        .hasMessageContaining("page-1")
        .hasMessageContaining("peer");
  }

  @Test
  void figureThatIsNotANumber_isRefused() {
    assertThatThrownBy(() -> ms("page-1", Double.NaN)).hasMessageContaining("page-1");
    assertThatThrownBy(() -> ms("page-1", Double.POSITIVE_INFINITY)).hasMessageContaining("page-1");
    assertThatThrownBy(() -> ms("page-1", -1)).hasMessageContaining("page-1");
  }

  private static Measurement ms(String metric, double value) {
    return new Measurement(metric, value, "ms", WORK, WORK);
  }
}
