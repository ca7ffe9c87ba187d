package dev.pgbelay.outbox;

import java.sql.SQLException;
import org.jooq.exception.DataAccessException;

/** What is said of a statement that the database refused: what was not done, and the remedy. */
final class Refusal {
  private Refusal() {}

  /** The server's own message is in the cause only: it may hold values of rows. */
  static DataAccessException of(String notDone, SQLException refused) {
    String state = refused.getSQLState();
    return new DataAccessException(notDone + ": SQLSTATE " + state + remedy(state), refused);
  }

  private static String remedy(String state) {
    return switch (String.valueOf(state)) {
      case "42P01", "3F000" ->
          ": the tables of module outbox are not in this schema; install them with"
              + " SchemaInstaller, or name the schema that has them";
      case "42703" ->
          ": the tables of module outbox are older than this version; run SchemaInstaller again";
      case "42501" -> ": this role lacks a grant that the guide of the outbox lists";
      case "25006" -> ": the transaction is read-only";
      case "25P02" -> ": an earlier statement of this transaction has failed";
      case "40P01" ->
          ": it waited for another transaction that waited for it; append in one call what has"
              + " strict order or ids of its own, and retry the transaction";
      default -> "";
    };
  }
}
