package dev.pgbelay.benchmarks;

import java.lang.management.ManagementFactory;
import java.lang.management.MemoryType;

/** What is reachable in this JVM, its classes' data included. */
public final class LiveHeap {
  private LiveHeap() {}

  /** Collects all garbage and says what was left. */
  public static synchronized long bytes() {
    System.gc();
    return ManagementFactory.getMemoryPoolMXBeans().stream()
        .filter(pool -> pool.getType() == MemoryType.HEAP && pool.getCollectionUsage() != null)
        .mapToLong(pool -> pool.getCollectionUsage().getUsed())
        .sum();
  }
}
