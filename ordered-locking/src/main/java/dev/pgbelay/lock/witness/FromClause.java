package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.TableName;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The tables and subqueries of a FROM or USING, with their aliases, joins laid flat. */
final class FromClause {
  private static final Set<String> NOT_AN_ALIAS =
      Set.of(
          "on",
          "using",
          "join",
          "inner",
          "left",
          "right",
          "full",
          "cross",
          "natural",
          "as",
          "where",
          "set",
          "tablesample",
          "for",
          "group",
          "order",
          "limit",
          "offset",
          "fetch",
          "having",
          "window",
          "union",
          "intersect",
          "except",
          "returning",
          "when",
          "values",
          "select",
          "default",
          "overriding",
          "in",
          "nowait",
          "with",
          "do");

  record Item(TableName table, String alias) {}

  record Subquery(TokenRange body, String alias) {}

  private final List<Item> tables = new ArrayList<>();
  private final List<Subquery> subqueries = new ArrayList<>();

  private FromClause() {}

  static FromClause read(TokenRange range) {
    FromClause clause = new FromClause();
    clause.readItems(range);
    return clause;
  }

  List<Item> tables() {
    return tables;
  }

  List<Subquery> subqueries() {
    return subqueries;
  }

  private void readItems(TokenRange range) {
    boolean itemFollows = true;
    for (int i = range.from(); i < range.to(); ) {
      if (itemFollows && !range.isAny(i, "lateral", "only")) {
        i = readItem(range, i);
        itemFollows = false;
      } else {
        itemFollows = itemFollows || range.isAny(i, ",", "join");
        i = range.next(i);
      }
    }
  }

  private int readItem(TokenRange range, int start) {
    if (range.is(start, "(")) {
      TokenRange inside = range.inside(start);
      int after = range.next(start);
      if (QueryReader.isQuery(inside)) {
        subqueries.add(new Subquery(inside, aliasAt(range, after)));
      } else {
        readItems(inside);
      }
      return after;
    }
    Named named = name(range, start);
    if (named == null) {
      return range.next(start);
    }
    if (!range.is(named.end(), "(")) {
      int end = range.is(named.end(), "*") ? named.end() + 1 : named.end();
      String alias = aliasAt(range, end);
      tables.add(new Item(named.table(), alias.isEmpty() ? named.table().name() : alias));
    }
    return named.end();
  }

  record Named(TableName table, int end) {}

  /** A table's name at {@code start}; the database in front of a schema is dropped. */
  static @Nullable Named name(TokenRange range, int start) {
    int at = start;
    if (!range.isName(at)) {
      return null;
    }
    String schema = null;
    String name = range.text(at++);
    while (range.is(at, ".") && range.isName(at + 1)) {
      schema = name;
      name = range.text(at + 1);
      at += 2;
    }
    return new Named(new TableName(schema, name), at);
  }

  /** The alias at {@code index}, or the empty string. */
  static String aliasAt(TokenRange range, int index) {
    int at = range.is(index, "as") ? index + 1 : index;
    boolean named =
        range.isName(at)
            && (at > index
                || range.token(at).kind() == SqlToken.Kind.QUOTED
                || !NOT_AN_ALIAS.contains(range.text(at)));
    return named ? range.text(at) : "";
  }
}
