package dev.pgbelay.reconcile.migrate;

import java.util.List;

/**
 * What the catalog has of a reference's foreign keys.
 *
 * @param serverVersion such as 180006
 * @param partitioned whether the child is
 * @param keys those on the child itself
 * @param leaves the child's partitions that have rows, with the keys of each; empty unless
 *     partitioned
 */
record KeyState(int serverVersion, boolean partitioned, List<Key> keys, List<Leaf> leaves) {
  private static final int NOT_VALID_ON_PARTITIONED = 180000;

  /**
   * One foreign key.
   *
   * @param valid whether it holds for every row
   * @param enforced whether it holds for what is written from now on
   * @param differences to what the reference says
   */
  record Key(String name, boolean valid, boolean enforced, List<String> differences) {}

  /** One partition. */
  record Leaf(String table, List<Key> keys) {
    boolean has() {
      return !keys.isEmpty();
    }

    boolean isValid() {
      return keys.stream().anyMatch(Key::valid);
    }
  }

  /** One that keeps something. */
  boolean hasKey() {
    return keys.stream().anyMatch(Key::enforced);
  }

  /** Partitions may have keys of their own. */
  boolean isWithoutKeys() {
    return keys.isEmpty() && leaves.stream().noneMatch(Leaf::has);
  }

  /** Keys that are NOT ENFORCED. */
  List<Key> idle() {
    return keys.stream().filter(each -> !each.enforced()).toList();
  }

  List<Key> enforced() {
    return keys.stream().filter(Key::enforced).toList();
  }

  boolean isValid() {
    return keys.stream().anyMatch(Key::valid);
  }

  /** Whether each partition has to get a key of its own first. */
  boolean byPartition() {
    return partitioned && serverVersion < NOT_VALID_ON_PARTITIONED;
  }
}
