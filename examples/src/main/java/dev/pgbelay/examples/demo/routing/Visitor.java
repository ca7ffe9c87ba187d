package dev.pgbelay.examples.demo.routing;

/** One user who saves a profile and looks at it. */
interface Visitor {
  /** What the profile of this id is from now on. */
  void save(int id, String name);

  /** What the page shows. */
  Shown show(int id);

  /**
   * A name, and who told it.
   *
   * @param byReplica whether a replica did
   * @param toldLost whether the visitor was told that the last save may be lost
   */
  record Shown(String name, boolean byReplica, boolean toldLost) {
    /** Something else than was saved, without a word. */
    boolean isStale(String saved) {
      return !name.equals(saved) && !toldLost;
    }
  }
}
