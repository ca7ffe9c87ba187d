package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.TableName;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Reads what locks an SQL text asks for. It knows the clauses that lock and where tables are named
 * in them, not expressions: those it looks through for subqueries and functions alone. What it does
 * not know it says.
 */
final class StatementReader {
  private static final int MASKED_LENGTH = 300;

  private final List<Piece> pieces = new ArrayList<>();
  private final Set<String> calls = new HashSet<>();
  private final Set<String> commonTables = new HashSet<>();

  private StatementReader() {}

  static Footprint read(String sql) {
    List<SqlToken> tokens = SqlLexer.tokens(sql);
    TokenRange all = TokenRange.of(tokens);
    StatementReader reader = new StatementReader();
    for (TokenRange statement : all.split(";")) {
      if (!statement.isEmpty()) {
        reader.commonTables.clear();
        reader.readStatement(statement);
      }
    }
    if (isOfLockOrder(tokens)) {
      reader.pieces.removeIf(Piece.Advisory.class::isInstance);
    }
    return new Footprint(List.copyOf(reader.pieces), Set.copyOf(reader.calls), masked(tokens));
  }

  /** Its names are of classes that cannot be told here, and it keeps their order itself. */
  private static boolean isOfLockOrder(List<SqlToken> tokens) {
    return tokens.stream()
        .anyMatch(
            token ->
                token.kind() == SqlToken.Kind.STRING
                    && token.text().equals(LockWordsSql.EPOCH_OF_LOCK_ORDER));
  }

  /** The text without values and comments, cut where it gets long. */
  private static String masked(List<SqlToken> tokens) {
    StringBuilder text = new StringBuilder();
    for (SqlToken token : tokens) {
      boolean tight = text.isEmpty() || token.is(",") || token.is(")") || token.is(".");
      tight |= text.length() > 0 && "(.".indexOf(text.charAt(text.length() - 1)) >= 0;
      text.append(tight ? "" : " ").append(token.masked());
      if (text.length() > MASKED_LENGTH) {
        return text.substring(0, MASKED_LENGTH) + " …";
      }
    }
    return text.toString();
  }

  void readStatement(TokenRange range) {
    int at = range.from();
    if (range.is(at, "with")) {
      With with = with(range);
      readStatement(with.rest());
      with.atEnd().forEach(this::readStatement);
    } else if (range.isAny(at, "select", "values", "(", "table")) {
      new QueryReader(this).read(range, null);
    } else if (range.is(at, "insert")) {
      new WriteReader(this, range).insert();
    } else if (range.is(at, "update")) {
      new WriteReader(this, range).update();
    } else if (range.is(at, "delete")) {
      new WriteReader(this, range).delete();
    } else if (range.is(at, "merge")) {
      new WriteReader(this, range).merge();
    } else {
      new CommandReader(this, range).read();
    }
  }

  /**
   * What follows the WITH list, and those of it that the server runs at the very end: they write,
   * and nobody reads them.
   */
  record With(TokenRange rest, List<TokenRange> atEnd) {}

  /** Reads the WITH list except for what runs at the end. */
  With with(TokenRange range) {
    List<TokenRange> atEnd = new ArrayList<>();
    int at = range.is(range.from() + 1, "recursive") ? range.from() + 2 : range.from() + 1;
    while (range.isName(at)) {
      String name = range.text(at);
      int body = range.find(at, "as");
      while (body < range.to() && !range.is(body, "(")) {
        body++;
      }
      if (body >= range.to()) {
        add(new Piece.Unknown("with"));
        return new With(range.sub(range.to(), range.to()), atEnd);
      }
      int end = range.next(body);
      TokenRange inside = range.inside(body);
      if (isNamed(name, range.sub(range.from(), at)) || isNamed(name, range.sub(end, range.to()))) {
        readStatement(inside);
      } else if (!inside.isAny(inside.from(), "select", "values", "table", "(")) {
        atEnd.add(inside);
      } // else the server does not run it at all
      commonTables.add(name);
      int comma =
          range.find(end, ",", "select", "insert", "update", "delete", "merge", "values", "(");
      if (!range.is(comma, ",")) {
        return new With(range.sub(comma, range.to()), atEnd);
      }
      at = comma + 1;
    }
    return new With(range.sub(at, range.to()), atEnd);
  }

  private static boolean isNamed(String name, TokenRange range) {
    for (int i = range.from(); i < range.to(); i++) {
      if (range.isName(i) && range.text(i).equals(name)) {
        return true;
      }
    }
    return false;
  }

  boolean isCommonTable(TableName name) {
    return name.schema() == null && commonTables.contains(name.name());
  }

  void add(Piece piece) {
    pieces.add(piece);
  }

  /** A function is called; whether it can lock is for the catalog to say. */
  void addCall(String function) {
    calls.add(function);
  }
}
