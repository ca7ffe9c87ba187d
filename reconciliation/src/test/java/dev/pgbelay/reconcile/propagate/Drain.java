package dev.pgbelay.reconcile.propagate;

/** Works off what is captured, and complains where there is no end of it. */
public final class Drain {
  private Drain() {}

  /**
   * Until there is nothing to do.
   *
   * @param passes after so many that all found something, it fails
   */
  public static void within(int passes, Propagation worker) {
    for (int pass = 0; pass < passes; pass++) {
      if (worker.runOnce().work() == 0) {
        return;
      }
    }
    throw new AssertionError(
        "still work after %d passes: %s".formatted(passes, worker.open(1_000)));
  }
}
