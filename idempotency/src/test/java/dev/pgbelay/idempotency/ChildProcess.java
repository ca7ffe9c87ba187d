package dev.pgbelay.idempotency;

import java.util.concurrent.CompletableFuture;

/** A JVM that a test started. */
public final class ChildProcess {
  private ChildProcess() {}

  /** A test that is killed leaves no process behind. */
  public static void endWithParent() {
    ProcessHandle.current()
        .parent()
        .ifPresent(
            test -> {
              CompletableFuture<Void> unused =
                  test.onExit().thenRun(() -> Runtime.getRuntime().halt(1));
            });
  }
}
