package dev.pgbelay.examples.demo;

import java.io.PrintStream;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Knows that the run was told to end, so that what then fails is not reported as a failure. */
final class Shutdown {
  private static final CountDownLatch BEGUN = new CountDownLatch(1);

  private Shutdown() {}

  /** Says so when Ctrl-C or a signal ends the JVM; remove the hook before an ordinary end. */
  static Thread announceOn(PrintStream console) {
    Thread hook =
        new Thread(
            () -> {
              BEGUN.countDown();
              console.println();
              console.println("demo: stopping, the servers end with it …");
            },
            "demo-shutdown");
    Runtime.getRuntime().addShutdownHook(hook);
    return hook;
  }

  /** Ctrl-C reaches the servers as well, and their end may be noticed before the signal is. */
  static boolean begunWithin(Duration wait) {
    try {
      return BEGUN.await(wait.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
