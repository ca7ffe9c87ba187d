package dev.pgbelay.outbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.LocalDate;
import java.util.Locale;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BirthDayTest {
  /** The example of RFC 9562, appendix A.6: 22 February 2022, 19:22:22 UTC. */
  private static final String OF_THE_RFC = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

  @Test
  void uuidOfVersion7_saysItsDay() {
    assertThat(BirthDay.of(OF_THE_RFC)).isEqualTo((int) LocalDate.of(2022, 2, 22).toEpochDay());
    assertThat(BirthDay.of("00000000-0000-7000-8000-000000000000")).isZero();
    assertThat(BirthDay.of("ffffffff-ffff-7fff-bfff-ffffffffffff")).isEqualTo(3_257_812);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "x",
        "017f22e279b07cc398c4dc0c0c07398f",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
        "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f ",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g"
      })
  void anythingElse_saysNone(String id) {
    assertThat(BirthDay.of(id)).isNull();
  }

  @Test
  void upperCaseIsAnotherId_andSaysNone() {
    assertThat(BirthDay.of(OF_THE_RFC.toUpperCase(Locale.ROOT))).isNull();
    assertThat(BirthDay.of(UUID.randomUUID().toString())).isNull();
  }
}
