package dev.pgbelay.lock.hotrow;

/**
 * What became of {@link SlottedCounter#decrement}.
 *
 * @param outcome whether it was taken
 * @param taken the amount asked for, or 0
 * @param available how much there was where that was too little; 0 otherwise
 */
public record Decrement(Outcome outcome, long taken, long available) {
  /** Whether the amount was taken. */
  public enum Outcome {
    TAKEN,
    /** The counter had less, and still has it. */
    SHORT
  }

  public boolean isTaken() {
    return outcome == Outcome.TAKEN;
  }
}
