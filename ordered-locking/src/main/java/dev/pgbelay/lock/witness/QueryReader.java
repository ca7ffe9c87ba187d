package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.Touch;
import dev.pgbelay.lock.witness.Piece.Unknown;
import dev.pgbelay.lock.witness.Piece.Value;
import dev.pgbelay.lock.witness.Piece.Verb;
import dev.pgbelay.lock.witness.StatementReader.With;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads SELECT: its locking clauses, and what stands inside its expressions. */
final class QueryReader {
  private final StatementReader reader;

  QueryReader(StatementReader reader) {
    this.reader = reader;
  }

  static boolean isQuery(TokenRange range) {
    int at = range.from();
    while (range.is(at, "(")) {
      at++;
    }
    return range.isAny(at, "select", "with", "values", "table");
  }

  /** A SELECT, VALUES, or several of them with UNION and the like between them. */
  void read(TokenRange range, @Nullable Locking outer) {
    if (range.isEmpty()) {
      return;
    }
    if (range.is(range.from(), "with")) {
      With with = reader.with(range);
      read(with.rest(), outer);
      with.atEnd().forEach(reader::readStatement);
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
  record Locking(RowMode mode, List<String> of, boolean waits) {}

  private void readBlock(TokenRange block, @Nullable Locking outer) {
    if (block.is(block.from(), "(") && block.next(block.from()) == block.to()) {
      read(block.inside(block.from()), outer);
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
      read(subquery.body(), lockingOf(lockings, subquery.alias()));
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
    for (String alias : inOrderOfLocking(lockings, tables)) {
      for (FromClause.Item item : tables.tables()) {
        Locking locking = lockingOf(lockings, alias);
        if (item.alias().equals(alias) && locking != null && !reader.isCommonTable(item.table())) {
          add(item, locking, Equalities.of(condition, alias, alone));
        }
      }
    }
  }

  /** As the server takes them: clause by clause, and in a clause as OF names them. */
  private static Set<String> inOrderOfLocking(List<Locking> lockings, FromClause tables) {
    Set<String> aliases = new LinkedHashSet<>();
    for (Locking locking : lockings) {
      aliases.addAll(locking.of());
      if (locking.of().isEmpty()) {
        tables.tables().forEach(item -> aliases.add(item.alias()));
      }
    }
    return aliases;
  }

  private void add(FromClause.Item item, Locking locking, Map<String, Value> keys) {
    reader.add(
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

  /** The strongest of the clauses that are about this alias. */
  private static @Nullable Locking lockingOf(List<Locking> lockings, String alias) {
    Locking strongest = null;
    for (Locking locking : lockings) {
      boolean meant = locking.of().isEmpty() || locking.of().contains(alias);
      if (meant && (strongest == null || locking.mode().covers(strongest.mode()))) {
        strongest = new Locking(locking.mode(), List.of(), locking.waits());
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
        List<String> aliases = new ArrayList<>();
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
        String function = range.isName(i - 1) ? range.text(i - 1) : "";
        if (AdvisoryFunctions.isOne(function)) {
          reader.add(AdvisoryFunctions.read(function, inside));
        } else if (isQuery(inside)) {
          read(inside, null);
        } else {
          call(function, inside);
          lookThrough(inside);
        }
        i = range.next(i) - 1;
      }
    }
  }

  private void call(String function, TokenRange inside) {
    if (!function.isEmpty()) {
      reader.addCall(function);
    }
    if (function.equals("set_config")
        && inside.token(inside.from()).kind() == SqlToken.Kind.STRING
        && inside.text(inside.from()).equals("search_path")) {
      reader.add(new Unknown("search_path"));
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
