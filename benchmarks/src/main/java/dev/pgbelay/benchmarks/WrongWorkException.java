package dev.pgbelay.benchmarks;

import dev.pgbelay.core.PgBelayException;

/** A contestant returned or wrote something else than the work it was measured by. */
public final class WrongWorkException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  WrongWorkException(String message) {
    super(message);
  }
}
