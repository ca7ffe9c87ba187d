package dev.pgbelay.benchmarks;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;

/**
 * Runs the contestants of a stage, interleaved round by round, and verifies every piece of work.
 */
final class Rounds {
  private final String scenario;
  private final BenchSettings settings;
  private final Consumer<String> progress;

  Rounds(String scenario, BenchSettings settings, Consumer<String> progress) {
    this.scenario = scenario;
    this.settings = settings;
    this.progress = progress;
  }

  /**
   * @throws WrongWorkException as soon as a contestant returns anything but the expected work
   */
  List<Result> run(Stage stage) throws Exception {
    List<Contestant> contestants =
        stage.contestants().stream().filter(c -> settings.selects(c.name())).toList();
    if (contestants.stream().noneMatch(c -> c.name().equals(Stage.LIMIT))) {
      throw new IllegalStateException(
          "scenario " + scenario + " has no contestant named " + Stage.LIMIT);
    }
    Medians medians = new Medians(scenario);
    for (int round = 1 - settings.warmUps(); round <= settings.rounds(); round++) {
      boolean counts = round > 0;
      progress.accept(
          counts
              ? "%s: round %d of %d".formatted(scenario, round, settings.rounds())
              : "%s: warm-up %d of %d"
                  .formatted(scenario, round + settings.warmUps(), settings.warmUps()));
      for (String part : stage.parts()) {
        for (Contestant contestant : rotated(contestants, round)) {
          if (contestant.takesPart(part)) {
            for (Measurement measurement : contestant.measure(part)) {
              verify(contestant.name(), measurement);
              if (counts) {
                medians.add(round, contestant.name(), measurement);
              }
            }
          }
        }
      }
    }
    return inOrderOf(contestants, medians.results());
  }

  private void verify(String contestant, Measurement measurement) {
    if (!measurement.isVerified()) {
      throw new WrongWorkException(
          "scenario %s, contestant %s, metric %s: did %s where %s was to be done; its figures mean nothing"
              .formatted(
                  scenario,
                  contestant,
                  measurement.metric(),
                  measurement.did(),
                  measurement.expected()));
    }
  }

  /** Whoever goes first in a part meets the coldest caches: every round another one does. */
  private static List<Contestant> rotated(List<Contestant> contestants, int round) {
    List<Contestant> rotated = new ArrayList<>(contestants);
    Collections.rotate(rotated, round);
    return rotated;
  }

  private static List<Result> inOrderOf(List<Contestant> contestants, List<Result> results) {
    List<Result> ordered = new ArrayList<>();
    for (Contestant contestant : contestants) {
      results.stream()
          .filter(result -> result.contestant().equals(contestant.name()))
          .forEach(ordered::add);
    }
    return ordered;
  }
}
