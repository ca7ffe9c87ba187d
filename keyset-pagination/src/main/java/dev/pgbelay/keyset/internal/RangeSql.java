package dev.pgbelay.keyset.internal;

import java.util.List;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.QueryPart;
import org.jooq.impl.DSL;

/**
 * Compares keys with a position. As templates, so that nothing about a value's type is taken from
 * what jOOQ knows of the field beside it: the server takes it from the column.
 */
final class RangeSql {
  private static final String BEHIND = "({0}) > ({1})";
  private static final String UP_TO = "({0}) <= ({1})";

  private RangeSql() {}

  static Condition behind(List<Field<?>> keys, List<String> position) {
    return DSL.condition(BEHIND, list(keys), values(position));
  }

  static Condition upTo(List<Field<?>> keys, List<String> position) {
    return DSL.condition(UP_TO, list(keys), values(position));
  }

  private static QueryPart values(List<String> position) {
    return DSL.list(
        position.stream().map(text -> DSL.val(text, UntypedText.TYPE)).toArray(QueryPart[]::new));
  }

  private static QueryPart list(List<Field<?>> keys) {
    return DSL.list(keys.toArray(QueryPart[]::new));
  }
}
