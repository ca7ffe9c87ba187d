package dev.pgbelay.lock.witness;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a statement does to locks, as far as its text tells and before the catalog is asked. */
sealed interface Piece {

  /** A table as it is written: the schema may be left out. */
  record TableName(@Nullable String schema, String name) {}

  /** Where a value stands: in a parameter, or (ordinal 0) in the text. */
  record Value(int ordinal, String literal, boolean string) {}

  /** How a statement reaches the rows of a table. */
  enum Verb {
    LOCK_ROWS,
    INSERT,
    INSERT_UNLESS_THERE,
    UPSERT,
    UPDATE,
    DELETE,
    LOCK_TABLE,
    TRUNCATE,
    TRUNCATE_CASCADE
  }

  /**
   * Rows of a table are locked or written, or the table is locked as a whole.
   *
   * @param row the mode that the text names; null where it follows from the verb
   * @param table the mode on the table
   * @param waits false under NOWAIT and SKIP LOCKED, which never wait and so never deadlock
   * @param written columns that are given a value; for an insert, those that the text names
   * @param keys columns that are compared to or given one value, a map for each row that is told
   *     apart; empty where the rows are not known from the text
   * @param target the columns of ON CONFLICT (…); null where they are not named
   */
  record Touch(
      Verb verb,
      TableName name,
      @Nullable RowMode row,
      TableMode table,
      boolean waits,
      Set<String> written,
      List<Map<String, Value>> keys,
      @Nullable List<String> target)
      implements Piece {
    /** The name of the n-th column where an INSERT does not name its columns. */
    static String position(int n) {
      return "\0" + n;
    }

    private static boolean isByPosition(Map<String, Value> row) {
      return row.keySet().stream().anyMatch(name -> name.startsWith("\0"));
    }

    /** With the columns' names in place of their positions. */
    Touch withColumnsOf(TableInfo table) {
      if (keys.stream().noneMatch(Touch::isByPosition)) {
        return this;
      }
      List<Map<String, Value>> named = new ArrayList<>();
      for (Map<String, Value> row : keys) {
        Map<String, Value> values = new HashMap<>();
        for (int n = 0; n < table.columns().size(); n++) {
          Value value = row.get(position(n));
          if (value != null) {
            values.put(table.columns().get(n), value);
          }
        }
        named.add(values);
      }
      return new Touch(verb, name, row, this.table, waits, written, named, target);
    }
  }

  /**
   * An advisory lock.
   *
   * @param arguments its one or two keys; null for an expression that the text does not tell
   */
  record Advisory(List<@Nullable Value> arguments, boolean shared, boolean waits, boolean ofSession)
      implements Piece {}

  /** A session's advisory lock is given back; all of them without arguments. */
  record Unlock(List<@Nullable Value> arguments) implements Piece {}

  /** A savepoint as SQL text. */
  record Savepoint(Step step, String name) implements Piece {
    enum Step {
      SET,
      RELEASE,
      ROLLBACK_TO
    }
  }

  /** COMMIT, ROLLBACK and their synonyms. */
  record End() implements Piece {}

  /** The schema changes, so what was read of the catalog may no longer hold. */
  record Ddl() implements Piece {}

  /** A table that only its own session sees. */
  record TemporaryTable(String name) implements Piece {}

  /** What may lock and is not understood: counted, never guessed. */
  record Unknown(String what) implements Piece {}
}
