package dev.pgbelay.lock.witness;

/** What order is kept between: the rows of a table, or advisory locks of one kind. */
record LockClass(String name, boolean advisory) {
  static LockClass table(String name) {
    return new LockClass(name, false);
  }

  @Override
  public String toString() {
    return name;
  }
}
