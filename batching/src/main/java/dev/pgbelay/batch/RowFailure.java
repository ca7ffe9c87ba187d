package dev.pgbelay.batch;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.SQLException;

/** Tells failures that a row brought about from those that have nothing to do with it. */
final class RowFailure {
  private RowFailure() {}

  static boolean is(SQLException failure, boolean rowSecurity) {
    String state = failure.getSQLState();
    if (state == null || state.length() != 5) {
      return false;
    }
    return switch (state.substring(0, 2)) {
      // Cardinality (a second row with the key), data, integrity, check option, RAISE in a trigger.
      case "21", "22", "23", "44", "P0" -> true;
      default -> state.equals("42501") && rowSecurity;
    };
  }

  static BatchResult.Rejection of(int row, SQLException failure) {
    return new BatchResult.Rejection(
        row,
        String.valueOf(failure.getSQLState()),
        PgDriver.constraint(failure),
        PgDriver.column(failure),
        PgDriver.serverMessage(failure));
  }
}
