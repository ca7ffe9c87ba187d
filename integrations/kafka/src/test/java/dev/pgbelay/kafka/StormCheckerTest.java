package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.kafka.StormChecker.Rule;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each rule of the checker, by a small history in which just one thing is wrong. */
class StormCheckerTest {
  /** One repeat after a relay was given up, one after the broker did not answer. */
  private static final List<String> WELL =
      List.of(
          "C m1 k 1",
          "C m2 k 1",
          "C m3 k 2",
          "C n1 j -",
          "C u1 - -",
          "R r1",
          "D 0 0 k m1 one/1",
          "D 0 1 k m2 one/1",
          "D 0 2 k m1 two/1",
          "D 0 3 k m2 two/1",
          "D 0 4 k m3 two/1",
          "D 1 0 j n1 two/1",
          "D 1 1 j n1 two/1",
          "D 1 2 - u1 three/1",
          "A n1 two/1",
          "I one a EXPIRED",
          "I two b SIGNED_OFF",
          "I three c SIGNED_OFF",
          "E m1 k",
          "E n1 j",
          "E m2 k",
          "E u1 -",
          "E m3 k",
          "T outbox_message 0");

  private static StormChecker.Verdict judge(List<String> lines) {
    return StormChecker.judge(StormHistory.parse(lines));
  }

  @Test
  void historyInWhichAllIsWell_hasNoFindings() {
    StormChecker.Verdict verdict = judge(WELL);
    assertThat(verdict.findings()).isEmpty();
    assertThat(verdict.causes())
        .isEqualTo(Map.of("relay given up (EXPIRED)", 2, "no answer from the broker", 1));
  }

  @Test
  void historyThatWasWritten_isReadAsItWas(@TempDir Path folder) throws Exception {
    StormHistory history = StormHistory.parse(WELL);
    history.write(folder.resolve("history"));
    assertThat(StormHistory.read(folder.resolve("history"))).isEqualTo(history);
  }

  @ParameterizedTest
  @CsvSource({
    "D 0 4 k m3 two/1,, LOST",
    "D 1 2 - u1 three/1,, LOST",
    "R r1, R u1, ROLLED_BACK",
    "C u1 - -,, INVENTED",
    "D 0 1 k m2 one/1, D 0 1 k m3 one/1, ORDER",
    "D 0 4 k m3 two/1, D 1 9 k m3 two/1, MISPLACED",
    "D 0 3 k m2 two/1, D 1 9 k m2 two/1, MISPLACED",
    "D 0 4 k m3 two/1, D 0 4 x m3 two/1, MISPLACED",
    "I one a EXPIRED, I one a RENEWED, ''",
    "I one a EXPIRED, I one a SIGNED_OFF, REPEATED_WITHOUT_CAUSE",
    "I one a EXPIRED, I one a NONE, REPEATED_WITHOUT_CAUSE",
    "A n1 two/1,, REPEATED_WITHOUT_CAUSE",
    "A n1 two/1, A n1 three/1, REPEATED_WITHOUT_CAUSE",
    "E m3 k,, EFFECT_LOST",
    "E n1 j, E m1 k, EFFECT_TWICE",
    "E m1 k, E m3 k, EFFECT_ORDER",
    "T outbox_message 0, T outbox_held 1, LEFT",
    "C m3 k 2, C m3 k 4, HISTORY",
    "C m3 k 2, C m1 k 2, HISTORY"
  })
  void oneFactThatIsOtherwise_isFound(String fact, String otherwise, String rule) {
    assertThat(WELL).contains(fact);
    List<String> lines = new ArrayList<>(WELL);
    int place = lines.indexOf(fact);
    lines.remove(place);
    if (otherwise != null) {
      lines.add(place, otherwise);
    }
    if (rule.isEmpty()) {
      assertThat(judge(lines).findings()).isEmpty();
    } else {
      assertThat(judge(lines).broken()).contains(Rule.valueOf(rule));
    }
  }

  @Test
  void oneRefusal_explainsOneRepeatOnly() {
    List<String> lines = new ArrayList<>(WELL);
    lines.add("D 1 3 j n1 two/1");
    assertThat(judge(lines).broken()).containsExactly(Rule.REPEATED_WITHOUT_CAUSE);
  }
}
