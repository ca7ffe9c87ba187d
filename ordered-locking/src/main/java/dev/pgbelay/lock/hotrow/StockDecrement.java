package dev.pgbelay.lock.hotrow;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * What became of {@link GuardedDecrement#take}.
 *
 * @param outcome whether all was taken
 * @param left what is left of each item that was taken; empty where nothing was
 * @param shortages the items that stood in the way
 */
public record StockDecrement<K>(Outcome outcome, Map<K, Long> left, List<Shortage<K>> shortages) {
  /** Whether all was taken, or nothing. */
  public enum Outcome {
    TAKEN,
    /** Nothing was taken: {@link StockDecrement#shortages()} says why. */
    SHORT
  }

  /**
   * An item of which there is not enough.
   *
   * @param wanted what was asked for
   * @param available what there is; empty if there is no such item
   */
  public record Shortage<K>(K item, long wanted, OptionalLong available) {}

  public StockDecrement {
    left = Map.copyOf(left);
    shortages = List.copyOf(shortages);
  }

  public boolean isTaken() {
    return outcome == Outcome.TAKEN;
  }
}
