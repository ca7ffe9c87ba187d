package dev.pgbelay.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RoundsTest {
  private final List<String> turns = new ArrayList<>();

  @Test
  void contestantsAreInterleavedRoundByRound_andTakeTurnsInGoingFirst() throws Exception {
    run(settings(2, 0), contestant(Stage.LIMIT, 1, 1), contestant("peer", 2, 1));

    assertThat(turns)
        .containsExactly(
            "a:peer", "a:limit", "b:peer", "b:limit", "a:limit", "a:peer", "b:limit", "b:peer");
  }

  @Test
  void warmUpRounds_doNotCount() throws Exception {
    Contestant warming =
        new Contestant() {
          private double value = 1_000;

          @Override
          public String name() {
            return Stage.LIMIT;
          }

          @Override
          public List<Measurement> measure(String part) {
            double measured = value;
            value = part.equals("b") ? 1 : value;
            return List.of(measurement(part, measured, 1));
          }
        };

    List<Result> results = run(settings(3, 1), warming);

    assertThat(results).extracting(Result::value).containsExactly(1.0, 1.0);
  }

  @Test
  void contestantThatDidLess_failsTheRun_evenInTheWarmUp() {
    assertThatThrownBy(
            () -> run(settings(5, 1), contestant(Stage.LIMIT, 1, 1), contestant("lazy", 0.1, 2)))
        .isInstanceOf(WrongWorkException.class)
        .hasMessageContaining("lazy")
        .hasMessageContaining("mean nothing");
  }

  @Test
  void onlySomeContestants_limitRunsAllTheSame_andResultsKeepTheStagesOrder() throws Exception {
    BenchSettings settings = new BenchSettings(1, 0, 1, 1, List.of("SECOND"));

    List<Result> results =
        run(
            settings,
            contestant(Stage.LIMIT, 1, 1),
            contestant("first", 2, 1),
            contestant("the second", 3, 1));

    assertThat(results)
        .extracting(Result::contestant)
        .containsExactly(Stage.LIMIT, Stage.LIMIT, "the second", "the second");
  }

  @Test
  void stageWithoutLimit_isRefused() {
    assertThatThrownBy(() -> run(settings(1, 0), contestant("peer", 1, 1)))
        .hasMessageContaining("no contestant named limit");
  }

  private List<Result> run(BenchSettings settings, Contestant... contestants) throws Exception {
    return new Rounds("test", settings, line -> {})
        .run(
            new Stage() {
              @Override
              public List<String> parts() {
                return List.of("a", "b");
              }

              @Override
              public List<Contestant> contestants() {
                return List.of(contestants);
              }
            });
  }

  private static BenchSettings settings(int rounds, int warmUps) {
    return new BenchSettings(rounds, warmUps, 1, 1, List.of());
  }

  private Contestant contestant(String name, double value, long checksum) {
    return new Contestant() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public List<Measurement> measure(String part) {
        turns.add(part + ":" + name);
        return List.of(measurement(part, value, checksum));
      }
    };
  }

  private static Measurement measurement(String metric, double value, long checksum) {
    return new Measurement(metric, value, "ms", new Work(1, checksum), new Work(1, 1));
  }
}
