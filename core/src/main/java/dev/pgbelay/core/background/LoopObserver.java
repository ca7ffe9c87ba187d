package dev.pgbelay.core.background;

/** What a loop tells its meters; does nothing where there is no registry. */
interface LoopObserver {
  LoopObserver NONE = new LoopObserver() {};

  /**
   * The loop's thread is about to start.
   *
   * @return false if another loop of that name is being observed, whose gauges would hide this
   *     one's
   */
  default boolean started(BackgroundLoop loop) {
    return true;
  }

  default void passed(Pass pass, long nanos) {}

  default void failed(long nanos) {}

  default void ended() {}
}
