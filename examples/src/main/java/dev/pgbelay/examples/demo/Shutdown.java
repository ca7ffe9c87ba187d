package dev.pgbelay.examples.demo;

import java.io.PrintStream;

/** Knows that the run was told to end, so that what then fails is not reported as a failure. */
final class Shutdown {
  private static volatile boolean begun;

  private Shutdown() {}

  /** Says so when Ctrl-C or a signal ends the JVM; remove the hook before an ordinary end. */
  static Thread announceOn(PrintStream console) {
    Thread hook =
        new Thread(
            () -> {
              begun = true;
              console.println();
              console.println("demo: stopping, the servers end with it …");
            },
            "demo-shutdown");
    Runtime.getRuntime().addShutdownHook(hook);
    return hook;
  }

  static boolean begun() {
    return begun;
  }
}
