package dev.pgbelay.batch;

import java.io.Serial;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A value that its column cannot take, found before it was sent. Says nothing of the value itself.
 */
final class UnfitValueException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  private final String sqlState;
  private @Nullable String column;

  UnfitValueException(String sqlState, String message) {
    super(message, null, false, false);
    this.sqlState = sqlState;
  }

  static UnfitValueException type(Object value, String type) {
    return new UnfitValueException(
        "42804", "a value of " + value.getClass().getName() + " does not go into type " + type);
  }

  static UnfitValueException range(String type) {
    return new UnfitValueException("22003", "the value is out of the range of type " + type);
  }

  UnfitValueException inColumn(String name) {
    column = name;
    return this;
  }

  BatchResult.Rejection rejection(int row) {
    return new BatchResult.Rejection(
        row, sqlState, Optional.empty(), Optional.ofNullable(column), String.valueOf(getMessage()));
  }
}
