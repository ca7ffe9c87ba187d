package dev.pgbelay.examples.demo.report;

import java.util.List;
import java.util.OptionalDouble;

/**
 * One line of the report: the same task done the naive way and the safe way.
 *
 * @param id a short name that stays the same between runs, for programs that read the report
 * @param what the task
 * @param naiveWay how the naive run did it
 * @param safeWay how the safe run did it
 * @param naive the naive run's figure
 * @param safe the safe run's figure, in the same unit
 * @param damage what went wrong, counted in both runs; empty where only time differs
 * @param verdict one sentence on what went wrong in the naive run
 */
public record Comparison(
    String id,
    String what,
    String naiveWay,
    String safeWay,
    Measure naive,
    Measure safe,
    List<Damage> damage,
    String verdict) {

  public Comparison {
    damage = List.copyOf(damage);
    if (naive.unit() != safe.unit()) {
      throw new IllegalArgumentException(
          "comparison " + id + " sets " + naive.unit() + " against " + safe.unit());
    }
  }

  /** How many times longer the naive run took; empty where the figures are not times. */
  public OptionalDouble factor() {
    return naive.unit() == Measure.Unit.ROWS || safe.value() <= 0
        ? OptionalDouble.empty()
        : OptionalDouble.of(naive.value() / safe.value());
  }

  /** The kinds of damage that at least one run suffered. */
  List<Damage> damageDone() {
    return damage.stream().filter(d -> d.naive() > 0 || d.safe() > 0).toList();
  }
}
