package dev.pgbelay.lock.witness;

import java.util.Locale;
import java.util.Optional;

/** The lock on a table as a whole, which every statement takes beside those on rows. */
enum TableMode {
  ROW_SHARE(0b1100_0000),
  ROW_EXCLUSIVE(0b1111_0000),
  SHARE_UPDATE_EXCLUSIVE(0b1111_1000),
  SHARE(0b1110_1100),
  SHARE_ROW_EXCLUSIVE(0b1111_1100),
  EXCLUSIVE(0b1111_1110),
  ACCESS_EXCLUSIVE(0b1111_1111),
  ACCESS_SHARE(0b1000_0000);

  /** Bit n stands for the n-th of PostgreSQL's modes, ACCESS SHARE being the first. */
  private final int conflicts;

  TableMode(int conflicts) {
    this.conflicts = conflicts;
  }

  boolean conflictsWith(TableMode other) {
    return (conflicts >> other.level() & 1) == 1;
  }

  /** Whether whoever has this waits for nobody when asking for {@code other}. */
  boolean covers(TableMode other) {
    return (conflicts & other.conflicts) == other.conflicts;
  }

  private int level() {
    return switch (this) {
      case ACCESS_SHARE -> 0;
      case ROW_SHARE -> 1;
      case ROW_EXCLUSIVE -> 2;
      case SHARE_UPDATE_EXCLUSIVE -> 3;
      case SHARE -> 4;
      case SHARE_ROW_EXCLUSIVE -> 5;
      case EXCLUSIVE -> 6;
      case ACCESS_EXCLUSIVE -> 7;
    };
  }

  static Optional<TableMode> named(String words) {
    for (TableMode mode : values()) {
      if (mode.words().equals(words.toUpperCase(Locale.ROOT))) {
        return Optional.of(mode);
      }
    }
    return Optional.empty();
  }

  String words() {
    return name().replace('_', ' ');
  }
}
