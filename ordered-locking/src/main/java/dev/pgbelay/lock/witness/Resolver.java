package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.Touch;
import dev.pgbelay.lock.witness.Piece.Value;
import dev.pgbelay.lock.witness.Piece.Verb;
import dev.pgbelay.lock.witness.TableInfo.ForeignKey;
import dev.pgbelay.lock.witness.TableInfo.KeyColumn;
import dev.pgbelay.lock.witness.TableInfo.UniqueKey;
import dev.pgbelay.lock.witness.Wanted.InTable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Adds to a statement's footprint what only the catalog knows. */
final class Resolver {
  private static final int CASCADE_DEPTH = 8;
  private static final int MOST_TEMPORARY = 1_000;

  private final CatalogReader reader;

  /** Tables of sessions of their own, which no other session can look up. */
  private final Set<String> temporary = ConcurrentHashMap.newKeySet();

  Resolver(CatalogReader reader) {
    this.reader = reader;
  }

  Resolved resolve(Footprint footprint) {
    List<Wanted> wanted = new ArrayList<>();
    List<String> unknown = new ArrayList<>();
    TableCatalog catalog = reader.current();
    for (Piece piece : footprint.pieces()) {
      if (piece instanceof Touch touch) {
        Optional<TableInfo> info = catalog.find(touch.name());
        if (info.isEmpty() && temporary.contains(touch.name().name())) {
          continue;
        }
        if (info.isEmpty() && !isOfSystem(touch)) {
          catalog = reader.again();
          info = catalog.find(touch.name());
        }
        if (info.isPresent() || !isOfSystem(touch)) {
          resolve(info.map(touch::withColumnsOf).orElse(touch), info, wanted, unknown);
        }
      } else if (piece instanceof Piece.Advisory advisory) {
        wanted.add(
            new Wanted.InAdvisory(
                advisory.arguments(),
                Strength.advisory(advisory.shared()),
                advisory.waits(),
                advisory.ofSession()));
      } else if (piece instanceof Piece.Unknown what) {
        unknown.add(what.what());
      } else if (piece instanceof Piece.TemporaryTable table) {
        if (temporary.size() < MOST_TEMPORARY) {
          temporary.add(table.name());
        }
        wanted.add(new Wanted.Other(piece));
      } else {
        wanted.add(new Wanted.Other(piece));
      }
    }
    if (catalog.mayLock(footprint.calls())) {
      unknown.add("function");
    }
    return Resolved.of(footprint, catalog.version(), wanted, unknown);
  }

  private static boolean isOfSystem(Touch touch) {
    String schema = touch.name().schema();
    return schema == null
        ? touch.name().name().startsWith("pg_")
        : schema.startsWith("pg_") || schema.equals("information_schema");
  }

  private static void resolve(
      Touch touch, Optional<TableInfo> found, List<Wanted> wanted, List<String> unknown) {
    if (found.isEmpty()) {
      unknown.add("table");
      String schema = touch.name().schema();
      String name = schema == null || schema.equals("public") ? "" : schema + ".";
      wanted.add(
          inTable(
              touch, WatchedClass.table(name + touch.name().name()), strength(touch, null), null));
      return;
    }
    TableInfo info = found.get();
    if (info.isTemporary()) {
      return;
    }
    if (!info.isTable()) {
      unknown.add("view");
      return;
    }
    if (!info.hidden().isEmpty()
        && touch.verb() != Verb.LOCK_ROWS
        && touch.verb() != Verb.LOCK_TABLE) {
      unknown.add(info.hidden());
    }
    wanted.add(
        inTable(
            touch,
            WatchedClass.table(info.lockClass()),
            strength(touch, info),
            keyOf(touch, info)));
    switch (touch.verb()) {
      case INSERT, INSERT_UNLESS_THERE, UPSERT, UPDATE -> addParents(touch, info, wanted);
      case DELETE ->
          addChildren(WatchedClass.table(info.lockClass()), info, true, new HashSet<>(), 0, wanted);
      case TRUNCATE_CASCADE -> addTruncated(info, new HashSet<>(Set.of(info.lockClass())), wanted);
      default -> {}
    }
    if (touch.verb() == Verb.UPDATE && info.changesKey(touch.written())) {
      addChildren(WatchedClass.table(info.lockClass()), info, false, new HashSet<>(), 0, wanted);
    }
  }

  private static Strength strength(Touch touch, @Nullable TableInfo info) {
    boolean key = info != null && info.changesKey(touch.written());
    RowMode row =
        switch (touch.verb()) {
          case LOCK_ROWS -> touch.row();
          case INSERT, LOCK_TABLE, TRUNCATE, TRUNCATE_CASCADE -> null;
          case INSERT_UNLESS_THERE -> RowMode.INSERTED_KEY;
          case UPSERT, UPDATE -> key ? RowMode.UPDATE : RowMode.NO_KEY_UPDATE;
          case DELETE -> RowMode.UPDATE;
        };
    return new Strength(row, touch.table());
  }

  private static InTable inTable(
      Touch touch, WatchedClass lockClass, Strength strength, @Nullable UniqueKey key) {
    List<KeyColumn> columns = key == null ? List.of() : key.columns();
    List<List<Value>> rows = new ArrayList<>();
    for (Map<String, Value> row :
        columns.isEmpty() ? List.<Map<String, Value>>of() : touch.keys()) {
      rows.add(values(row, key == null ? List.of() : key.names()));
    }
    return new InTable(
        lockClass,
        strength,
        "",
        touch.waits(),
        touch.verb() == Verb.INSERT,
        false,
        null,
        columns,
        rows);
  }

  private static List<Value> values(Map<String, Value> row, List<String> columns) {
    List<Value> values = new ArrayList<>();
    for (String column : columns) {
      Value value = row.get(column);
      if (value != null) {
        values.add(value);
      }
    }
    return values;
  }

  /** The unique key whose columns all have a value, in each of the rows that are told apart. */
  private static @Nullable UniqueKey keyOf(Touch touch, TableInfo info) {
    if (touch.keys().isEmpty()) {
      return null;
    }
    for (UniqueKey key : info.keys()) {
      boolean meant =
          touch.target() == null || Set.copyOf(touch.target()).equals(Set.copyOf(key.names()));
      if (meant && touch.keys().stream().allMatch(row -> row.keySet().containsAll(key.names()))) {
        return key;
      }
    }
    return null;
  }

  /** A row that points to another one holds its key: the check is {@code FOR KEY SHARE}. */
  private static void addParents(Touch touch, TableInfo info, List<Wanted> wanted) {
    for (ForeignKey key : info.parents()) {
      boolean namesColumns = !touch.written().isEmpty();
      boolean inserts = touch.verb() != Verb.UPDATE;
      boolean given =
          touch.verb() == Verb.UPSERT
              || (inserts && !namesColumns)
              || key.columns().stream().anyMatch(touch.written()::contains);
      if (given) {
        List<KeyColumn> columns = columnsOf(key);
        List<List<Value>> rows = new ArrayList<>();
        if (inserts && !columns.isEmpty()) {
          for (Map<String, Value> row : touch.keys()) {
            rows.add(values(row, key.columns()));
          }
        }
        boolean known =
            !rows.isEmpty() && rows.stream().allMatch(row -> row.size() == columns.size());
        wanted.add(
            new InTable(
                WatchedClass.table(key.parent().lockClass()),
                new Strength(RowMode.KEY_SHARE, TableMode.ROW_SHARE),
                "foreign key " + key.name(),
                true,
                false,
                key.deferred(),
                null,
                known ? columns : List.of(),
                known ? rows : List.of()));
      }
    }
  }

  /** The parent's columns in the order of the foreign key, if that is a key's own order too. */
  private static List<KeyColumn> columnsOf(ForeignKey key) {
    return key.parent().keys().stream()
        .filter(unique -> unique.names().equals(key.parentColumns()))
        .map(UniqueKey::columns)
        .findFirst()
        .orElse(List.of());
  }

  /** Cascades write the rows that point here, after the row itself. */
  private static void addChildren(
      WatchedClass top,
      TableInfo info,
      boolean deletes,
      Set<String> seen,
      int depth,
      List<Wanted> wanted) {
    for (ForeignKey key : info.children()) {
      char action = deletes ? key.onDelete() : key.onUpdate();
      boolean cascades = action == 'c';
      if ((cascades || action == 'n' || action == 'd')
          && seen.add(key.name() + "/" + key.child().lockClass())) {
        boolean changesKey = key.child().changesKey(Set.copyOf(key.columns()));
        RowMode row = (cascades && deletes) || changesKey ? RowMode.UPDATE : RowMode.NO_KEY_UPDATE;
        wanted.add(
            new InTable(
                WatchedClass.table(key.child().lockClass()),
                new Strength(row, TableMode.ROW_EXCLUSIVE),
                "cascade of foreign key " + key.name(),
                true,
                false,
                false,
                top,
                List.of(),
                List.of()));
        if (cascades && deletes && depth < CASCADE_DEPTH) {
          addChildren(top, key.child(), true, seen, depth + 1, wanted);
        }
      }
    }
  }

  private static void addTruncated(TableInfo info, Set<String> seen, List<Wanted> wanted) {
    for (ForeignKey key : info.children()) {
      if (seen.add(key.child().lockClass())) {
        wanted.add(
            new InTable(
                WatchedClass.table(key.child().lockClass()),
                new Strength(null, TableMode.ACCESS_EXCLUSIVE),
                "cascade of foreign key " + key.name(),
                true,
                false,
                false,
                null,
                List.of(),
                List.of()));
        addTruncated(key.child(), seen, wanted);
      }
    }
  }
}
