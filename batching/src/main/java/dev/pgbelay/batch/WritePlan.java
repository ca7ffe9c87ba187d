package dev.pgbelay.batch;

import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * How a writer would write a number of rows, and why. What a call really did is in its {@link
 * BatchResult#path()}.
 *
 * @param operation what is done with the rows
 * @param path how the rows travel
 * @param reason why this way and not another
 * @param keyIndex the unique index that tells rows apart; empty for an insert
 * @param sql the statements in the order in which they are sent, without savepoints
 */
public record WritePlan(
    Operation operation, Path path, String reason, Optional<String> keyIndex, List<String> sql) {

  /** What a writer does with the rows it is given. */
  public enum Operation {
    INSERT,
    UPSERT,
    UPDATE,
    DELETE;

    String tag() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How the rows travel to the server. */
  public enum Path {
    /** As one array per column, in the statement itself. */
    UNNEST,
    /** By COPY BINARY into the table. Only inserts. */
    COPY,
    /**
     * By COPY BINARY into a temporary table that is dropped at the end of the call, from which one
     * statement writes all rows. Not for inserts.
     */
    STAGED;

    String tag() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
