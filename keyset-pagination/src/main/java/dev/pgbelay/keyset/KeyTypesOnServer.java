package dev.pgbelay.keyset;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;

/**
 * Whether the server has the types for the keys that jOOQ believes. A value that is converted on
 * its way into the cursor is another value when it comes back, and a walk with it repeats rows or
 * skips them; so this is looked at once, in the first page's own result, before any row of it is
 * handed on. Safe for use by several threads.
 */
final class KeyTypesOnServer {
  private final String queryName;
  private final List<SortKey> keys;
  private volatile boolean agreed;

  KeyTypesOnServer(String queryName, List<SortKey> keys) {
    this.queryName = queryName;
    this.keys = keys;
  }

  boolean agreed() {
    return agreed;
  }

  /**
   * Looks at a result whose last columns are of the keys' types.
   *
   * @throws InvalidKeysetQueryException if one of them is not what jOOQ believes
   */
  void requireAgreed(ResultSet rows) throws SQLException {
    List<String> differences = differences(rows);
    if (!differences.isEmpty()) {
      throw new InvalidKeysetQueryException(
          InvalidKeysetQueryException.Reason.KEY_TYPE,
          "query '%s': %s".formatted(queryName, String.join("; ", differences)));
    }
    agreed = true;
  }

  /** One sentence for each key of another type; empty if there is none. */
  List<String> differences(ResultSet rows) throws SQLException {
    List<String> differences = new ArrayList<>();
    int first = rows.getMetaData().getColumnCount() - keys.size() + 1;
    for (int k = 0; k < keys.size(); k++) {
      SortKey key = keys.get(k);
      if (!carries(key, rows, first + k)) {
        differences.add(
            "key %s is of type %s on the server, but jOOQ has it as %s (%s): its cursors would repeat or skip rows; tell jOOQ the server's type (DSL.field(name, type), or coerce(type) on an expression), or cast the key to the type it is meant to have"
                .formatted(
                    key.label(),
                    rows.getMetaData().getColumnTypeName(first + k),
                    key.field().getDataType().getTypeName(),
                    key.field().getType().getSimpleName()));
      }
    }
    return differences;
  }

  private static boolean carries(SortKey key, ResultSet rows, int column) throws SQLException {
    int type = PgDriver.columnType(rows, column);
    // Of the types that a database adds, only the driver's catalog knows which are arrays.
    return key.type().carries(type)
        && !(key.type() == KeyType.TEXT
            && key.field().getType() == String.class
            && KeyType.isOfTheDatabase(type)
            && rows.getMetaData().getColumnType(column) == Types.ARRAY);
  }
}
