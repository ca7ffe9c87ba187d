package dev.pgbelay.benchmarks;

import java.util.List;
import java.util.Locale;

/**
 * What the command line said.
 *
 * @param rounds measured rounds
 * @param warmUps rounds whose figures are thrown away; their work is verified all the same
 * @param rows size of the data
 * @param repeats how often a short operation is repeated in a round at most, for the median of its
 *     times
 * @param only contestants to run, by substring of their names; empty means all; {@code limit}
 *     always runs
 */
public record BenchSettings(int rounds, int warmUps, long rows, int repeats, List<String> only) {
  public BenchSettings {
    if (rounds < 1) {
      throw new IllegalArgumentException(
          "--rounds is " + rounds + ": at least one round is needed");
    }
    if (warmUps < 0) {
      throw new IllegalArgumentException("--warm-ups is " + warmUps + ": it must not be negative");
    }
    if (rows < 1) {
      throw new IllegalArgumentException("--rows is " + rows + ": at least one row is needed");
    }
    if (repeats < 1) {
      throw new IllegalArgumentException("--repeats is " + repeats + ": once is the least");
    }
    only = List.copyOf(only);
  }

  /** Whether the contestant of that name is to run. */
  public boolean selects(String contestant) {
    return only.isEmpty()
        || contestant.equals(Stage.LIMIT)
        || only.stream()
            .anyMatch(
                part ->
                    contestant.toLowerCase(Locale.ROOT).contains(part.toLowerCase(Locale.ROOT)));
  }
}
