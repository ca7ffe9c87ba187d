package dev.pgbelay.outbox.internal;

import dev.pgbelay.core.internal.MissingTable;
import java.util.function.Supplier;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/** Statements of operators and set-up, which are the first to meet a schema without tables. */
public final class Installed {
  private Installed() {}

  /** Runs a statement; where a table is missing, what it throws says what to install. */
  public static <T extends @Nullable Object> T explained(Supplier<T> statement) {
    try {
      return statement.get();
    } catch (DataAccessException e) {
      throw MissingTable.explained(e, "the outbox", "outbox");
    }
  }
}
