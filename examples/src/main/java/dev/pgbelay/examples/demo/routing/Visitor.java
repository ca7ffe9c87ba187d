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
   */
  record Shown(String name, boolean byReplica) {}
}
