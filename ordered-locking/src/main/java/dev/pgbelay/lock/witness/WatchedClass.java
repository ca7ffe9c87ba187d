package dev.pgbelay.lock.witness;

/** What order is kept between: the rows of a table, or advisory locks of one kind. */
record WatchedClass(String name, boolean advisory) {
  static WatchedClass table(String name) {
    return new WatchedClass(name, false);
  }

  @Override
  public String toString() {
    return name;
  }
}
