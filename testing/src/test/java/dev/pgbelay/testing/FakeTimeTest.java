package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opentest4j.TestAbortedException;

class FakeTimeTest {
  private static final Duration PAUSE = Duration.ofMillis(400);

  /** Says what its clock says, waits, and says how long that was. */
  static final class ClockJvm {
    private ClockJvm() {}

    public static void main(String[] args) throws InterruptedException {
      System.out.println(System.currentTimeMillis());
      long begun = System.nanoTime();
      boolean opened = new CountDownLatch(1).await(PAUSE.toMillis(), TimeUnit.MILLISECONDS);
      System.out.println(opened ? -1 : System.nanoTime() - begun);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT1H", "PT-1H"})
  void childJvm_hasAnotherClockAndWaitsAsLongAsItShould(Duration offset) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            ClockJvm.class.getName());
    builder.environment().putAll(FakeTime.find().environment(offset));
    Process jvm = builder.redirectErrorStream(true).start();
    List<String> said;
    try (BufferedReader lines = new BufferedReader(jvm.inputReader(StandardCharsets.UTF_8))) {
      said = lines.lines().toList();
      assertThat(jvm.waitFor()).isZero();
    } finally {
      jvm.destroyForcibly();
    }
    long away = Long.parseLong(said.get(0)) - System.currentTimeMillis();
    assertThat(Math.abs(away - offset.toMillis())).isLessThan(Duration.ofMinutes(10).toMillis());
    assertThat(Long.parseLong(said.get(1))).isGreaterThan(PAUSE.toNanos() / 2);
  }

  @Test
  void missingLibrary_skipsTheTestWithTheReason() {
    String before = System.getProperty("pgbelay.faketime.home");
    System.setProperty("pgbelay.faketime.home", "/nowhere");
    try {
      assertThat(FakeTime.isAvailable()).isFalse();
      assertThatThrownBy(FakeTime::find)
          .isInstanceOf(TestAbortedException.class)
          .hasMessageContaining("no libfaketime in");
    } finally {
      if (before == null) {
        System.clearProperty("pgbelay.faketime.home");
      } else {
        System.setProperty("pgbelay.faketime.home", before);
      }
    }
  }
}
