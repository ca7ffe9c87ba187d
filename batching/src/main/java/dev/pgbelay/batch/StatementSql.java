package dev.pgbelay.batch;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jooq.Param;

/**
 * SQL text, and what is to be bound at each of its question marks, in their order.
 *
 * @param text for JDBC
 * @param slots one per question mark
 */
record StatementSql(String text, List<Slot> slots) {
  /** What one question mark stands for. */
  sealed interface Slot {
    /** All values of one column. */
    record Values(int column) implements Slot {}

    /** Which rows take the column's default. */
    record Defaults(int column) implements Slot {}

    /** The first ordinal of a stage's range. */
    record From() implements Slot {}

    /** The ordinal behind the last of a stage's range. */
    record To() implements Slot {}

    /** The first ordinal that the first row of a group may have. */
    record FirstGroup() implements Slot {}

    /** The ordinal behind the last that the first row of a group may have. */
    record EndGroup() implements Slot {}

    /** Ordinals to leave out. */
    record Excluded() implements Slot {}

    /** A value in the caller's own condition or expression. */
    record Value(Param<?> param) implements Slot {}
  }

  static final StatementSql EMPTY = new StatementSql("", List.of());

  static StatementSql of(String text) {
    return new StatementSql(text, List.of());
  }

  static StatementSql slot(String text, Slot slot) {
    return new StatementSql(text, List.of(slot));
  }

  static String quote(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  static String stage(int number) {
    return "pg_temp." + quote("pgbelay_stage_" + number);
  }

  boolean isEmpty() {
    return text.isEmpty();
  }

  /** Replaces each {@code {name}} of the template by the part of that name. */
  static StatementSql fill(String template, Map<String, StatementSql> parts) {
    StringBuilder text = new StringBuilder();
    List<Slot> slots = new ArrayList<>();
    int at = 0;
    while (true) {
      int open = template.indexOf('{', at);
      if (open < 0) {
        text.append(template, at, template.length());
        return new StatementSql(text.toString().strip(), List.copyOf(slots));
      }
      int close = template.indexOf('}', open);
      StatementSql part = parts.get(template.substring(open + 1, close));
      if (part == null) {
        throw new IllegalStateException("no part " + template.substring(open, close + 1));
      }
      text.append(template, at, open).append(part.text);
      slots.addAll(part.slots);
      at = close + 1;
    }
  }

  static StatementSql join(String separator, List<StatementSql> parts) {
    StringBuilder text = new StringBuilder();
    List<Slot> slots = new ArrayList<>();
    for (StatementSql part : parts) {
      if (part.isEmpty()) {
        continue;
      }
      if (text.length() > 0) {
        text.append(separator);
      }
      text.append(part.text);
      slots.addAll(part.slots);
    }
    return new StatementSql(text.toString(), List.copyOf(slots));
  }

  StatementSql wrap(String before, String after) {
    return new StatementSql(before + text + after, slots);
  }

  /** Text of the catalog's, in which a question mark is an operator and never a parameter. */
  static StatementSql fromCatalog(String expression) {
    StringBuilder text = new StringBuilder();
    char quote = 0;
    for (int i = 0; i < expression.length(); i++) {
      char c = expression.charAt(i);
      if (quote != 0) {
        quote = c == quote ? 0 : quote;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == '?') {
        text.append('?');
      }
      text.append(c);
    }
    return of(text.toString());
  }
}
