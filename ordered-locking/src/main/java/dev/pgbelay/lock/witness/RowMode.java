package dev.pgbelay.lock.witness;

/** The lock on a row, weakest first, and what waits for what. */
enum RowMode {
  KEY_SHARE("FOR KEY SHARE", 0b00001, 0b10000),
  SHARE("FOR SHARE", 0b00010, 0b11000),
  /**
   * What ON CONFLICT waits for and then holds: the key, against others that insert or change it.
   */
  INSERTED_KEY("ON CONFLICT", 0b00100, 0b11100),
  NO_KEY_UPDATE("FOR NO KEY UPDATE", 0b01000, 0b11110),
  UPDATE("FOR UPDATE", 0b10000, 0b11111);

  private final String words;

  private final int bit;

  /** The bits of those that wait. */
  private final int conflicts;

  RowMode(String words, int bit, int conflicts) {
    this.words = words;
    this.bit = bit;
    this.conflicts = conflicts;
  }

  boolean conflictsWith(RowMode other) {
    return (conflicts & other.bit) != 0;
  }

  boolean covers(RowMode other) {
    return compareTo(other) >= 0;
  }

  String words() {
    return words;
  }
}
