package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.TableName;
import dev.pgbelay.lock.witness.Piece.Touch;
import dev.pgbelay.lock.witness.Piece.Unknown;
import dev.pgbelay.lock.witness.Piece.Value;
import dev.pgbelay.lock.witness.Piece.Verb;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads INSERT, UPDATE, DELETE and MERGE: first what they read from, then what they write. */
final class WriteReader {
  private final StatementReader reader;
  private final QueryReader queries;
  private final TokenRange range;

  WriteReader(StatementReader reader, TokenRange range) {
    this.reader = reader;
    this.queries = new QueryReader(reader);
    this.range = range;
  }

  private record Target(TableName table, String alias, int end) {}

  private @Nullable Target target(int start) {
    int at = range.is(start, "only") ? start + 1 : start;
    FromClause.Named named = FromClause.name(range, at);
    if (named == null) {
      reader.add(new Unknown(range.text(range.from())));
      return null;
    }
    int end = range.is(named.end(), "*") ? named.end() + 1 : named.end();
    String alias = FromClause.aliasAt(range, end);
    if (!alias.isEmpty()) {
      end += range.is(end, "as") ? 2 : 1;
    }
    return new Target(named.table(), alias.isEmpty() ? named.table().name() : alias, end);
  }

  void update() {
    Target target = target(range.from() + 1);
    if (target == null) {
      return;
    }
    int set = range.find(target.end(), "set");
    int from = range.find(set, "from");
    int where = range.find(set, "where");
    int returning = range.find(set, "returning");
    int end = Math.min(Math.min(from, where), returning);
    queries.lookThrough(range.sub(set, range.to()));
    touch(
        Verb.UPDATE,
        target,
        assigned(range.sub(set + 1, end)),
        rows(range.sub(where + 1, returning), target.alias(), from > where));
  }

  void delete() {
    Target target = target(range.from() + 2);
    if (target == null) {
      return;
    }
    int using = range.find(target.end(), "using");
    int where = range.find(target.end(), "where");
    int returning = range.find(target.end(), "returning");
    queries.lookThrough(range.sub(target.end(), range.to()));
    touch(
        Verb.DELETE,
        target,
        Set.of(),
        rows(range.sub(where + 1, returning), target.alias(), using > where));
  }

  private static List<Map<String, Value>> rows(TokenRange where, String alias, boolean alone) {
    if (where.is(where.from(), "current")) {
      return List.of();
    }
    Map<String, Value> equal = Equalities.of(where, alias, alone);
    return equal.isEmpty() ? List.of() : List.of(equal);
  }

  private static Set<String> assigned(TokenRange set) {
    Set<String> columns = new HashSet<>();
    for (TokenRange part : set.split(",")) {
      if (part.is(part.from(), "(")) {
        part.inside(part.from()).split(",").forEach(column -> addName(column, columns));
      } else {
        addName(part, columns);
      }
    }
    return columns;
  }

  private static void addName(TokenRange part, Set<String> names) {
    if (part.isName(part.from())) {
      names.add(part.text(part.from()));
    }
  }

  void insert() {
    Target target = target(range.from() + 2);
    if (target == null) {
      return;
    }
    List<String> columns = null;
    int at = target.end();
    if (range.is(at, "(") && !QueryReader.isQuery(range.inside(at))) {
      columns = new ArrayList<>();
      for (TokenRange column : range.inside(at).split(",")) {
        columns.add(column.isName(column.from()) ? column.text(column.from()) : "");
      }
      at = range.next(at);
    }
    at = range.is(at, "overriding") ? at + 3 : at;
    int conflict = conflict(at);
    int returning = range.find(at, "returning");
    TokenRange source = range.sub(at, Math.min(conflict, returning));
    List<Map<String, Value>> rows = List.of();
    if (source.is(source.from(), "values")) {
      queries.lookThrough(source);
      rows = rows(source, columns);
    } else if (!source.is(source.from(), "default")) {
      queries.read(source, null);
    }
    Set<String> named = columns == null ? Set.of() : Set.copyOf(columns);
    if (conflict == range.to()) {
      touch(Verb.INSERT, target, named, rows);
    } else {
      onConflict(target, conflict, named, rows);
    }
  }

  private int conflict(int start) {
    int on = range.find(start, "on");
    while (on < range.to() && !range.is(on + 1, "conflict")) {
      on = range.find(on + 1, "on");
    }
    return on;
  }

  private void onConflict(
      Target target, int conflict, Set<String> columns, List<Map<String, Value>> rows) {
    int what = range.find(conflict, "do");
    queries.lookThrough(range.sub(what, range.to()));
    List<String> keys = null;
    if (range.is(conflict + 2, "(")) {
      keys = new ArrayList<>();
      for (TokenRange column : range.inside(conflict + 2).split(",")) {
        boolean plain = column.to() - column.from() == 1 && column.isName(column.from());
        keys.add(plain ? column.text(column.from()) : "");
      }
    }
    boolean update = range.is(what + 1, "update");
    Set<String> written = new HashSet<>(columns);
    if (update) {
      int set = range.find(what, "set");
      written =
          assigned(
              range.sub(set + 1, Math.min(range.find(set, "where"), range.find(set, "returning"))));
    }
    reader.add(
        new Touch(
            update ? Verb.UPSERT : Verb.INSERT_UNLESS_THERE,
            target.table(),
            null,
            TableMode.ROW_EXCLUSIVE,
            true,
            written,
            rows,
            keys));
  }

  private static List<Map<String, Value>> rows(TokenRange values, @Nullable List<String> columns) {
    List<Map<String, Value>> rows = new ArrayList<>();
    for (int i = values.from() + 1; i < values.to(); i = values.next(i)) {
      if (values.is(i, "(")) {
        List<TokenRange> parts = values.inside(i).split(",");
        Map<String, Value> row = new HashMap<>();
        int count = columns == null ? parts.size() : Math.min(parts.size(), columns.size());
        for (int column = 0; column < count; column++) {
          Value value = Equalities.value(parts.get(column));
          if (value != null) {
            row.put(columns == null ? Touch.position(column) : columns.get(column), value);
          }
        }
        rows.add(row);
      }
    }
    return rows;
  }

  void merge() {
    Target target = target(range.from() + 2);
    if (target == null) {
      return;
    }
    queries.lookThrough(range.sub(target.end(), range.to()));
    Set<String> written = new HashSet<>();
    boolean updates = false;
    boolean deletes = false;
    boolean inserts = false;
    for (int then = range.find(target.end(), "then");
        then < range.to();
        then = range.find(then + 1, "then")) {
      if (range.is(then + 1, "update")) {
        updates = true;
        written.addAll(assigned(range.sub(then + 3, range.find(then + 3, "when", "returning"))));
      }
      deletes |= range.is(then + 1, "delete");
      inserts |= range.is(then + 1, "insert");
    }
    if (deletes) {
      touch(Verb.DELETE, target, Set.of(), List.of());
    }
    if (updates) {
      touch(Verb.UPDATE, target, written, List.of());
    }
    if (inserts) {
      touch(Verb.INSERT, target, Set.of(), List.of());
    }
  }

  private void touch(Verb verb, Target target, Set<String> written, List<Map<String, Value>> rows) {
    reader.add(
        new Touch(verb, target.table(), null, TableMode.ROW_EXCLUSIVE, true, written, rows, null));
  }
}
