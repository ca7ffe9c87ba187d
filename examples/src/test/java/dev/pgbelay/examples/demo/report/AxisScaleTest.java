package dev.pgbelay.examples.demo.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.pgbelay.examples.demo.report.LineChart.Scale;
import org.junit.jupiter.api.Test;

class AxisScaleTest {

  @Test
  void logScale_putsDecadesAtEqualDistances() {
    AxisScale scale = AxisScale.covering(Scale.LOG, new double[] {1, 100}, 0, 200);
    assertThat(scale.position(1)).isEqualTo(0, within(1e-6));
    assertThat(scale.position(10)).isEqualTo(100, within(1e-6));
    assertThat(scale.position(100)).isEqualTo(200, within(1e-6));
    assertThat(scale.ticks())
        .usingElementComparator(AxisScaleTest::close)
        .containsExactly(1.0, 10.0, 100.0);
  }

  @Test
  void linearScale_beginsAtZeroAndEndsAboveTheLargestValue() {
    AxisScale scale = AxisScale.covering(Scale.LINEAR, new double[] {0, 2_104}, 300, 0);
    assertThat(scale.position(0)).isEqualTo(300, within(1e-6));
    assertThat(scale.position(2_104)).isBetween(0.0, 60.0);
    assertThat(scale.ticks()).first().isEqualTo(0.0);
  }

  @Test
  void allZero_stillHasAScale() {
    AxisScale scale = AxisScale.covering(Scale.LINEAR, new double[] {0, 0}, 0, 100);
    assertThat(scale.position(0)).isZero();
    assertThat(scale.ticks()).isNotEmpty();
  }

  @Test
  void labels_areShort() {
    assertThat(AxisScale.label(0.1)).isEqualTo("0.1");
    assertThat(AxisScale.label(50)).isEqualTo("50");
    assertThat(AxisScale.label(2_500)).isEqualTo("2.5k");
    assertThat(AxisScale.label(1_000_000)).isEqualTo("1M");
  }

  private static int close(double a, double b) {
    return Math.abs(a - b) < 1e-9 ? 0 : Double.compare(a, b);
  }
}
