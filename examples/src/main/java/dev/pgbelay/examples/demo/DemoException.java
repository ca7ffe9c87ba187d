package dev.pgbelay.examples.demo;

import org.jspecify.annotations.Nullable;

/** The demo cannot go on; the message says why and what to do, and is shown without a trace. */
final class DemoException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  DemoException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
