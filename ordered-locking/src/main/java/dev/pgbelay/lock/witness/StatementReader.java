package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.TableName;
import dev.pgbelay.lock.witness.Piece.Touch;
import dev.pgbelay.lock.witness.Piece.Unknown;
import dev.pgbelay.lock.witness.Piece.Value;
import dev.pgbelay.lock.witness.Piece.Verb;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads what locks an SQL text asks for. It knows the clauses that lock and where tables are named
 * in them, not expressions: those it looks through for subqueries and advisory functions alone.
 * What it does not know it says.
 */
final class StatementReader {
  private static final int MASKED_LENGTH = 300;

  private final List<Piece> pieces = new ArrayList<>();
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
    return new Footprint(List.copyOf(reader.pieces), masked(tokens));
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

  static boolean isQuery(TokenRange range) {
    int at = range.from();
    while (range.is(at, "(")) {
      at++;
    }
    return range.isAny(at, "select", "with", "values", "table");
  }

  private void readStatement(TokenRange range) {
    int at = range.from();
    if (range.is(at, "with")) {
      readStatement(afterCommonTables(range));
      return;
    }
    if (range.isAny(at, "select", "values", "(", "table")) {
      readQuery(range, null);
    } else if (range.is(at, "insert")) {
      new WriteReader(this, range).insert();
    } else if (range.is(at, "update")) {
      new WriteReader(this, range).update();
    } else if (range.is(at, "delete")) {
      new WriteReader(this, range).delete();
    } else if (range.is(at, "merge")) {
      new WriteReader(this, range).merge();
    } else {
      readCommand(range);
    }
  }

  private void readCommand(TokenRange range) {
    int at = range.from();
    String word = range.text(at);
    if (range.is(at, "lock")) {
      lockTables(range);
    } else if (range.is(at, "truncate")) {
      int names = range.is(at + 1, "table") ? at + 2 : at + 1;
      tables(range.sub(names, range.find(names, "restart", "continue", "cascade", "restrict")))
          .forEach(name -> touchTable(Verb.TRUNCATE, name, TableMode.ACCESS_EXCLUSIVE, true));
    } else if (!readControl(range) && !LockWordsSql.WITHOUT_LOCKS.contains(word)) {
      if (LockWordsSql.DDL.contains(word)) {
        pieces.add(new Piece.Ddl());
      } else if (range.is(at, "declare")) {
        int query = range.find(at, "for");
        readStatement(range.sub(query + 1, range.to()));
      } else if (!range.is(at, "explain") || range.find(at, "analyze") < range.to()) {
        pieces.add(new Unknown(range.token(at).isName() ? word : "statement"));
      }
    }
  }

  private boolean readControl(TokenRange range) {
    int at = range.from();
    if (range.is(at, "savepoint")) {
      savepoint(Piece.Savepoint.Step.SET, range, at + 1);
    } else if (range.is(at, "release")) {
      savepoint(
          Piece.Savepoint.Step.RELEASE, range, range.is(at + 1, "savepoint") ? at + 2 : at + 1);
    } else if (range.isAny(at, "commit", "end", "abort", "rollback")) {
      int to = range.find(at, "to");
      if (range.find(at, "prepared") < range.to()) {
        return true; // of another transaction
      }
      if (to < range.to()) {
        savepoint(
            Piece.Savepoint.Step.ROLLBACK_TO,
            range,
            range.is(to + 1, "savepoint") ? to + 2 : to + 1);
      } else {
        pieces.add(new Piece.End());
      }
    } else if (range.are(at, "prepare", "transaction")) {
      pieces.add(new Piece.End());
    } else {
      return false;
    }
    return true;
  }

  private void savepoint(Piece.Savepoint.Step step, TokenRange range, int name) {
    if (range.isName(name)) {
      pieces.add(new Piece.Savepoint(step, range.text(name)));
    }
  }

  private void lockTables(TokenRange range) {
    int names = range.is(range.from() + 1, "table") ? range.from() + 2 : range.from() + 1;
    int in = range.find(names, "in");
    int end = Math.min(in, range.find(names, "nowait"));
    TableMode mode = TableMode.ACCESS_EXCLUSIVE;
    if (in < range.to()) {
      StringBuilder words = new StringBuilder();
      for (int i = in + 1; i < range.to() && !range.is(i, "mode"); i++) {
        words.append(words.isEmpty() ? "" : " ").append(range.text(i));
      }
      mode = TableMode.named(words.toString()).orElse(TableMode.ACCESS_EXCLUSIVE);
    }
    boolean waits = range.find(names, "nowait") == range.to();
    for (TableName name : tables(range.sub(names, end))) {
      touchTable(Verb.LOCK_TABLE, name, mode, waits);
    }
  }

  private static List<TableName> tables(TokenRange range) {
    List<TableName> names = new ArrayList<>();
    for (TokenRange part : range.split(",")) {
      FromClause.Named named =
          FromClause.name(part, part.is(part.from(), "only") ? part.from() + 1 : part.from());
      if (named != null) {
        names.add(named.table());
      }
    }
    return names;
  }

  private void touchTable(Verb verb, TableName name, TableMode mode, boolean waits) {
    pieces.add(new Touch(verb, name, null, mode, waits, Set.of(), List.of(), null));
  }

  /** Reads the WITH list and returns what follows it. */
  private TokenRange afterCommonTables(TokenRange range) {
    int at = range.is(range.from() + 1, "recursive") ? range.from() + 2 : range.from() + 1;
    while (range.isName(at)) {
      String name = range.text(at);
      int body = range.find(at, "as");
      while (body < range.to() && !range.is(body, "(")) {
        body++;
      }
      if (body >= range.to()) {
        pieces.add(new Unknown("with"));
        return range.sub(range.to(), range.to());
      }
      readStatement(range.inside(body));
      commonTables.add(name);
      int end = range.next(body);
      int comma =
          range.find(end, ",", "select", "insert", "update", "delete", "merge", "values", "(");
      if (!range.is(comma, ",")) {
        return range.sub(comma, range.to());
      }
      at = comma + 1;
    }
    return range.sub(at, range.to());
  }

  boolean isCommonTable(TableName name) {
    return name.schema() == null && commonTables.contains(name.name());
  }

  void add(Piece piece) {
    pieces.add(piece);
  }

  /** A SELECT, VALUES, or several of them with UNION and the like between them. */
  void readQuery(TokenRange range, @Nullable Locking outer) {
    if (range.isEmpty()) {
      return;
    }
    if (range.is(range.from(), "with")) {
      readQuery(afterCommonTables(range), outer);
      return;
    }
    int start = range.from();
    for (int i = range.from(); i <= range.to(); i = i == range.to() ? i + 1 : range.next(i)) {
      if (i == range.to() || range.isAny(i, "union", "intersect", "except")) {
        readBlock(range.sub(start, i), outer);
        start = range.isAny(i + 1, "all", "distinct") ? i + 2 : i + 1;
      }
    }
  }

  /** A locking clause: the mode, the aliases after OF (none: all), whether it waits. */
  record Locking(RowMode mode, Set<String> of, boolean waits) {}

  private void readBlock(TokenRange block, @Nullable Locking outer) {
    if (block.is(block.from(), "(") && block.next(block.from()) == block.to()) {
      readQuery(block.inside(block.from()), outer);
      return;
    }
    List<Locking> lockings = lockings(block);
    if (outer != null) {
      lockings.add(outer);
    }
    int from = block.find(block.from(), "from");
    int where = block.find(from, "where");
    int end =
        block.find(
            from, "where", "group", "having", "window", "order", "limit", "offset", "fetch", "for");
    lookThrough(block.sub(block.from(), from));
    FromClause tables = FromClause.read(block.sub(from + 1, end));
    for (FromClause.Subquery subquery : tables.subqueries()) {
      readQuery(subquery.body(), lockingOf(lockings, subquery.alias()));
    }
    lookThroughOthers(block.sub(from + 1, end));
    lookThrough(block.sub(end, block.to()));
    TokenRange condition =
        block.sub(
            where + 1,
            block.find(
                where + 1, "group", "having", "window", "order", "limit", "offset", "fetch",
                "for"));
    boolean alone = tables.tables().size() == 1 && tables.subqueries().isEmpty();
    for (FromClause.Item item : tables.tables()) {
      Locking locking = lockingOf(lockings, item.alias());
      if (locking != null && !isCommonTable(item.table())) {
        Map<String, Value> keys = Equalities.of(condition, item.alias(), alone);
        pieces.add(
            new Touch(
                Verb.LOCK_ROWS,
                item.table(),
                locking.mode(),
                TableMode.ROW_SHARE,
                locking.waits(),
                Set.of(),
                keys.isEmpty() ? List.of() : List.of(keys),
                null));
      }
    }
  }

  /** The strongest of the clauses that are about this alias. */
  private static @Nullable Locking lockingOf(List<Locking> lockings, String alias) {
    Locking strongest = null;
    for (Locking locking : lockings) {
      boolean meant = locking.of().isEmpty() || locking.of().contains(alias);
      if (meant && (strongest == null || locking.mode().covers(strongest.mode()))) {
        strongest = new Locking(locking.mode(), Set.of(), locking.waits());
      }
    }
    return strongest;
  }

  private static List<Locking> lockings(TokenRange block) {
    List<Locking> found = new ArrayList<>();
    int at = block.find(block.from(), "for");
    while (at < block.to()) {
      int next = block.find(at + 1, "for");
      RowMode mode =
          block.is(at + 1, "update")
              ? RowMode.UPDATE
              : block.is(at + 1, "share")
                  ? RowMode.SHARE
                  : block.are(at + 1, "no", "key", "update")
                      ? RowMode.NO_KEY_UPDATE
                      : block.are(at + 1, "key", "share") ? RowMode.KEY_SHARE : null;
      if (mode != null) {
        int of = block.sub(at, next).find(at, "of");
        Set<String> aliases = new HashSet<>();
        if (of < next) {
          int stop = block.sub(of, next).find(of, "nowait", "skip", "limit", "offset", "fetch");
          for (TokenRange alias : block.sub(of + 1, stop).split(",")) {
            aliases.add(alias.text(alias.to() - 1));
          }
        }
        boolean waits = block.sub(at, next).find(at, "nowait", "skip") == next;
        found.add(new Locking(mode, aliases, waits));
      }
      at = next;
    }
    return found;
  }

  /** Subqueries and advisory functions of an expression, wherever they stand in it. */
  void lookThrough(TokenRange range) {
    for (int i = range.from(); i < range.to(); i++) {
      if (range.is(i, "(")) {
        TokenRange inside = range.inside(i);
        boolean function = range.isName(i - 1) && AdvisoryFunctions.isOne(range.text(i - 1));
        if (function) {
          pieces.add(AdvisoryFunctions.read(range.text(i - 1), inside));
        } else if (isQuery(inside)) {
          readQuery(inside, null);
        } else {
          lookThrough(inside);
        }
        i = range.next(i) - 1;
      }
    }
  }

  /** As {@link #lookThrough}, past the subqueries that are items of FROM. */
  private void lookThroughOthers(TokenRange from) {
    for (int i = from.from(); i < from.to(); i = from.next(i)) {
      if (from.is(i, "(") && !isQuery(from.inside(i))) {
        lookThrough(from.sub(i > from.from() ? i - 1 : i, from.next(i)));
      }
    }
  }
}
