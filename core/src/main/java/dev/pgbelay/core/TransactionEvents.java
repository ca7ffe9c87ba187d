package dev.pgbelay.core;

import java.time.Duration;

/** What is counted; the Micrometer side is loaded only where a registry was given. */
interface TransactionEvents {
  TransactionEvents NONE = new TransactionEvents() {};

  default void committed(String path, Duration time) {}

  /** Not committed, or not known to be: {@link FailureKind#fate()} tells. */
  default void failed(String path, FailureKind kind, Duration time) {}

  default void retried(String path, FailureKind kind) {}

  default void bulkheadRefused(String path) {}

  default void hookFailed(String path) {}
}
