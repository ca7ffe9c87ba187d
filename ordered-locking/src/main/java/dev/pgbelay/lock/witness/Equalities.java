package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.Value;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The columns that a condition compares to one value each, AND between them. */
final class Equalities {
  private Equalities() {}

  /**
   * @param alias what a qualified column must be qualified with
   * @param alone whether a column without qualification can only be of this table
   */
  static Map<String, Value> of(TokenRange where, String alias, boolean alone) {
    Map<String, Value> found = new HashMap<>();
    if (where.find(where.from(), "or") < where.to()) {
      return found;
    }
    for (TokenRange part : where.split("and")) {
      TokenRange inner = stripped(part);
      if (inner.from() > part.from()) {
        of(inner, alias, alone).forEach(found::putIfAbsent);
      } else {
        addEquality(part, alias, alone, found);
      }
    }
    return found;
  }

  private static TokenRange stripped(TokenRange range) {
    TokenRange inner = range;
    while (inner.is(inner.from(), "(") && inner.next(inner.from()) == inner.to()) {
      inner = inner.inside(inner.from());
    }
    return inner;
  }

  private static void addEquality(
      TokenRange part, String alias, boolean alone, Map<String, Value> found) {
    int equals = part.find(part.from(), "=");
    if (equals == part.to()) {
      return;
    }
    TokenRange left = part.sub(part.from(), equals);
    TokenRange right = part.sub(equals + 1, part.to());
    String column = column(left, alias, alone);
    Value value = value(right);
    if (column == null) {
      column = column(right, alias, alone);
      value = value(left);
    }
    if (column != null && value != null) {
      found.putIfAbsent(column, value);
    }
  }

  /** A name with nothing but its qualification: {@code not a.id} is no column. */
  private static @Nullable String column(TokenRange range, String alias, boolean alone) {
    int last = range.to() - 1;
    for (int i = last; i > range.from(); i -= 2) {
      if (!range.is(i - 1, ".") || !range.isName(i)) {
        return null;
      }
    }
    if (range.isEmpty() || (last - range.from()) % 2 != 0 || !range.isName(range.from())) {
      return null;
    }
    boolean own = last == range.from() ? alone : range.text(last - 2).equals(alias);
    return own ? range.text(last) : null;
  }

  /**
   * One parameter or literal, with or without a cast; anything else is not a value that is known.
   */
  static @Nullable Value value(TokenRange range) {
    TokenRange inner = stripped(range);
    if (inner.is(inner.from(), "cast") && inner.is(inner.from() + 1, "(")) {
      TokenRange cast = inner.inside(inner.from() + 1);
      return inner.next(inner.from() + 1) == inner.to()
          ? value(cast.sub(cast.from(), cast.find(cast.from(), "as")))
          : null;
    }
    int cast = inner.find(inner.from(), "::");
    TokenRange bare = inner.sub(inner.from(), cast);
    boolean negative = bare.is(bare.from(), "-");
    int at = negative ? bare.from() + 1 : bare.from();
    if (bare.to() - at != 1) {
      return null;
    }
    SqlToken token = bare.token(at);
    return switch (token.kind()) {
      case PARAMETER -> negative ? null : new Value(token.ordinal(), "", false);
      case NUMBER -> new Value(0, (negative ? "-" : "") + token.text(), false);
      case STRING ->
          negative || token.text().indexOf('\\') >= 0 ? null : new Value(0, token.text(), true);
      default -> null;
    };
  }
}
