package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.TableName;
import dev.pgbelay.lock.witness.Piece.Touch;
import dev.pgbelay.lock.witness.Piece.Unknown;
import dev.pgbelay.lock.witness.Piece.Verb;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Reads what is neither a query nor a write of rows: LOCK, TRUNCATE, COPY, savepoints, ends. */
final class CommandReader {
  private final StatementReader reader;
  private final TokenRange range;

  CommandReader(StatementReader reader, TokenRange range) {
    this.reader = reader;
    this.range = range;
  }

  void read() {
    int at = range.from();
    String word = range.text(at);
    if (range.is(at, "lock")) {
      lockTables();
    } else if (range.is(at, "truncate")) {
      int names = range.is(at + 1, "table") ? at + 2 : at + 1;
      Verb verb = range.find(names, "cascade") < range.to() ? Verb.TRUNCATE_CASCADE : Verb.TRUNCATE;
      tables(range.sub(names, range.find(names, "restart", "continue", "cascade", "restrict")))
          .forEach(name -> touchTable(verb, name, TableMode.ACCESS_EXCLUSIVE, true));
    } else if (range.is(at, "copy")) {
      copy();
    } else if (range.is(at, "set")) {
      set();
    } else if (!readControl() && !LockWordsSql.WITHOUT_LOCKS.contains(word)) {
      if (LockWordsSql.DDL.contains(word)) {
        reader.add(isTemporary() ? temporaryTable() : new Piece.Ddl());
      } else if (range.is(at, "declare")) {
        int query = range.find(at, "for");
        reader.readStatement(range.sub(query + 1, range.to()));
      } else if (!range.is(at, "explain") || range.find(at, "analyze") < range.to()) {
        reader.add(new Unknown(range.token(at).isName() ? word : "statement"));
      }
    }
  }

  private boolean isTemporary() {
    int at = range.from() + 1;
    return range.is(range.from(), "create")
        && range.isAny(range.isAny(at, "global", "local") ? at + 1 : at, "temp", "temporary");
  }

  private Piece temporaryTable() {
    int name = range.find(range.from(), "table") + 1;
    FromClause.Named named =
        FromClause.name(range, range.are(name, "if", "not", "exists") ? name + 3 : name);
    return named == null ? new Piece.Ddl() : new Piece.TemporaryTable(named.table().name());
  }

  private boolean readControl() {
    int at = range.from();
    if (range.is(at, "savepoint")) {
      savepoint(Piece.Savepoint.Step.SET, at + 1);
    } else if (range.is(at, "release")) {
      savepoint(Piece.Savepoint.Step.RELEASE, range.is(at + 1, "savepoint") ? at + 2 : at + 1);
    } else if (range.isAny(at, "commit", "end", "abort", "rollback")) {
      int to = range.find(at, "to");
      if (range.find(at, "prepared") < range.to()) {
        return true; // of another transaction
      }
      if (to < range.to()) {
        savepoint(
            Piece.Savepoint.Step.ROLLBACK_TO, range.is(to + 1, "savepoint") ? to + 2 : to + 1);
      } else {
        reader.add(new Piece.End());
      }
    } else if (range.are(at, "prepare", "transaction")) {
      reader.add(new Piece.End());
    } else {
      return false;
    }
    return true;
  }

  private void savepoint(Piece.Savepoint.Step step, int name) {
    if (range.isName(name)) {
      reader.add(new Piece.Savepoint(step, range.text(name)));
    }
  }

  private void lockTables() {
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
    reader.add(new Touch(verb, name, null, mode, waits, Set.of(), List.of(), null));
  }

  /** COPY … FROM writes as an INSERT does; COPY (…) TO runs a statement. */
  private void copy() {
    int at = range.from() + 1;
    if (range.is(at, "(")) {
      reader.readStatement(range.inside(at));
      return;
    }
    FromClause.Named named = FromClause.name(range, at);
    if (named == null) {
      reader.add(new Unknown("copy"));
    } else if (range.find(named.end(), "from") < range.find(named.end(), "to")) {
      Set<String> columns = new HashSet<>();
      if (range.is(named.end(), "(")) {
        range
            .inside(named.end())
            .split(",")
            .forEach(column -> columns.add(column.text(column.from())));
      }
      reader.add(
          new Touch(
              Verb.INSERT,
              named.table(),
              null,
              TableMode.ROW_EXCLUSIVE,
              true,
              columns,
              List.of(),
              null));
    }
  }

  /** What moves names to other tables, or locks to another moment. */
  private void set() {
    int at = range.from() + 1;
    if (range.is(at, "constraints")) {
      reader.add(new Unknown("constraints"));
    } else if (range.is(range.isAny(at, "local", "session") ? at + 1 : at, "search_path")) {
      reader.add(new Unknown("search_path"));
    }
  }
}
