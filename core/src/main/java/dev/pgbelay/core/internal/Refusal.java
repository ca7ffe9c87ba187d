package dev.pgbelay.core.internal;

import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jooq.exception.DataAccessException;

/**
 * What is said of a statement about a module's tables that the database refused: what was not done,
 * and the remedy. Immutable and safe for several threads.
 */
public final class Refusal {
  private final Map<String, String> remedies;

  private Refusal(Map<String, String> remedies) {
    this.remedies = Map.copyOf(remedies);
  }

  /**
   * Of a module.
   *
   * @param module as the installer knows it
   * @param name as people call it, such as "job queue"
   */
  public static Refusal ofModule(String module, String name) {
    String missing =
        "the tables of module "
            + module
            + " are not in this schema; install them with SchemaInstaller, or name the schema that"
            + " has them";
    return new Refusal(
        Map.of(
            "42P01",
            missing,
            "3F000",
            missing,
            "42703",
            "the tables of module "
                + module
                + " are older than this version; run SchemaInstaller again",
            "42501",
            "this role lacks a grant that the guide of the " + name + " lists",
            "25006",
            "the transaction is read-only",
            "25P02",
            "an earlier statement of this transaction has failed"));
  }

  /** The same, with a remedy for one more SQLSTATE. */
  public Refusal with(String sqlState, String remedy) {
    Map<String, String> more = new LinkedHashMap<>(remedies);
    more.put(sqlState, remedy);
    return new Refusal(more);
  }

  /** The server's own message is in the cause only: it may hold values of rows. */
  public DataAccessException of(String notDone, SQLException refused) {
    String state = String.valueOf(refused.getSQLState());
    String remedy = remedies.get(state);
    return new DataAccessException(
        notDone + ": SQLSTATE " + state + (remedy == null ? "" : ": " + remedy), refused);
  }
}
