package dev.pgbelay.outbox;

import java.time.Duration;
import java.util.Optional;

/** How many messages may be begun just now. */
interface RelayPermit {
  RelayPermit ALL = wanted -> wanted;

  int reserve(int wanted);

  default void release(int unused) {}

  default boolean begin() {
    return true;
  }

  default void end(Duration took, Optional<Throwable> failure) {}
}
