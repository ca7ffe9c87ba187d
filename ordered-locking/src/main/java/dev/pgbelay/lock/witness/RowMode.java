package dev.pgbelay.lock.witness;

/** The lock on a row, weakest first, and what waits for what. */
enum RowMode {
  KEY_SHARE(LockWordsSql.FOR_KEY_SHARE, 0b00001, 0b10000),
  SHARE(LockWordsSql.FOR_SHARE, 0b00010, 0b11000),
  /**
   * What ON CONFLICT waits for and then holds: the key, against others that insert or change it.
   */
  INSERTED_KEY(LockWordsSql.ON_CONFLICT, 0b00100, 0b11100),
  NO_KEY_UPDATE(LockWordsSql.FOR_NO_KEY_UPDATE, 0b01000, 0b11110),
  UPDATE(LockWordsSql.FOR_UPDATE, 0b10000, 0b11111);

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
