package dev.pgbelay.batch;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.SQLException;

/** Tells failures that a row brought about from those that have nothing to do with it. */
final class RowFailure {
  private RowFailure() {}

  static boolean is(SQLException failure, boolean rowSecurity) {
    String state = failure.getSQLState();
    if (state == null || state.length() != 5 || !PgDriver.isFromServer(failure)) {
      return false;
    }
    return switch (state.substring(0, 2)) {
      // Connection, features, transactions, cursors, authorization, names, resources, states of
      // the server, intervention, system, configuration, foreign data, faults of the server.
      case "08", "0A", "25", "26", "28", "2D", "34", "3B", "3D", "3F", "40" -> false;
      case "53", "55", "57", "58", "F0", "HV", "XX" -> false;
      case "42" -> state.equals("42501") && rowSecurity;
      // Data, integrity, a limit that a value exceeds, and whatever a trigger raises.
      default -> true;
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
