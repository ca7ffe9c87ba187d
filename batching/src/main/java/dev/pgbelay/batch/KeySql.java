package dev.pgbelay.batch;

import java.util.ArrayList;
import java.util.List;

/** The key index of a shape, as parts of its statements. */
final class KeySql {
  private final Shape<?> shape;

  KeySql(Shape<?> shape) {
    this.shape = shape;
  }

  /** A key of the index over rows that are named by the prefix, in the collation of the index. */
  String expression(UniqueIndex index, int k, String prefix) {
    int number = index.columns().get(k);
    String expression =
        number == 0
            ? index.expressions().get(k)
            : prefix + StatementSql.quote(shape.columnNumbered(number).name());
    String collation = index.collations().get(k);
    return collation.isEmpty() ? expression : "(" + expression + ") collate " + collation;
  }

  /** Whether a row can conflict at all: its keys are known, and the index covers it. */
  String escapes(String prefix) {
    List<String> conditions = new ArrayList<>();
    UniqueIndex index = shape.keyIndex();
    if (!index.nullsNotDistinct()) {
      for (int k = 0; k < index.expressions().size(); k++) {
        conditions.add("(" + expression(index, k, prefix) + ") is not null");
      }
    }
    if (index.predicate() != null) {
      conditions.add("(" + index.predicate() + ") is true");
    }
    return conditions.isEmpty() ? "true" : "(" + String.join(" and ", conditions) + ")";
  }

  String names(String prefix) {
    List<String> names = new ArrayList<>();
    for (int k = 1; k <= shape.keyIndex().expressions().size(); k++) {
      names.add(prefix + "pgbelay_k" + k);
    }
    return String.join(", ", names);
  }

  StatementSql distinct() {
    String keys = names("i.");
    return StatementSql.of(
        shape.mayEscapeKey() ? keys + ", case when not i.pgbelay_cf then i.pgbelay_ord end" : keys);
  }

  StatementSql target() {
    UniqueIndex index = shape.keyIndex();
    List<String> keys = new ArrayList<>();
    for (int k = 0; k < index.expressions().size(); k++) {
      int number = index.columns().get(k);
      String key =
          number == 0
              ? "(" + index.expressions().get(k) + ")"
              : StatementSql.quote(shape.columnNumbered(number).name());
      String collation = index.collations().get(k);
      keys.add(collation.isEmpty() ? key : key + " collate " + collation);
    }
    return StatementSql.fromCatalog(String.join(", ", keys));
  }

  StatementSql predicate() {
    String predicate = shape.keyIndex().predicate();
    return predicate == null ? StatementSql.EMPTY : StatementSql.fromCatalog(" where " + predicate);
  }

  StatementSql stored() {
    UniqueIndex index = shape.keyIndex();
    List<String> keys = new ArrayList<>();
    String prefix = shape.renderedTable() + ".";
    for (int k = 0; k < index.expressions().size(); k++) {
      keys.add("(" + expression(index, k, prefix) + ") as pgbelay_k" + (k + 1));
    }
    if (shape.mayEscapeKey()) {
      keys.add(escapes(prefix) + " as pgbelay_cf");
    }
    return StatementSql.fromCatalog(String.join(", ", keys));
  }

  String pairing() {
    UniqueIndex index = shape.keyIndex();
    if (index.nullsNotDistinct()) {
      // Compared as whole records, in which two NULLs are equal and which can still be hashed.
      return "row("
          + names("w.")
          + ")::record = row("
          + names("s.")
          + ")::record"
          + (shape.mayEscapeKey() ? " and w.pgbelay_cf and s.pgbelay_cf" : "");
    }
    List<String> join = new ArrayList<>();
    for (int k = 1; k <= index.expressions().size(); k++) {
      join.add("w.pgbelay_k" + k + " = s.pgbelay_k" + k);
    }
    if (shape.mayEscapeKey()) {
      join.add("w.pgbelay_cf and s.pgbelay_cf");
    }
    return String.join(" and ", join);
  }

  /** The stored row of a key: the table against rows that are named {@code excluded}. */
  String join() {
    List<String> join = new ArrayList<>();
    UniqueIndex index = shape.keyIndex();
    for (int k = 0; k < index.columns().size(); k++) {
      // The server drops a collation that is the column's own.
      String stored = expression(index, k, shape.renderedTable() + ".");
      String given = expression(index, k, "excluded.");
      String equal = stored + " = " + given;
      join.add(
          index.nullsNotDistinct() && !shape.columnNumbered(index.columns().get(k)).notNull()
              ? "(" + equal + " or (" + stored + " is null and " + given + " is null))"
              : equal);
    }
    return String.join(" and ", join);
  }
}
