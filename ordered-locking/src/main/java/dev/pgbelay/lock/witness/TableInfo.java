package dev.pgbelay.lock.witness;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What the catalog says of one table that matters for locks. Filled once, then only read. */
final class TableInfo {
  /** One unique key, in the order of its columns. */
  record UniqueKey(boolean immediate, List<KeyColumn> columns) {
    List<String> names() {
      return columns.stream().map(KeyColumn::name).toList();
    }
  }

  /** A column of a key with what its order depends on; no collation is the empty string. */
  record KeyColumn(String name, String type, String collationSchema, String collation) {}

  /** A foreign key; the actions by PostgreSQL's letters, deferred if it is checked at COMMIT. */
  record ForeignKey(
      String name,
      TableInfo child,
      TableInfo parent,
      List<String> columns,
      List<String> parentColumns,
      char onDelete,
      char onUpdate,
      boolean deferred) {}

  private final String lockClass;
  private final String kind;
  private final boolean temporary;
  private final String hidden;
  private final int pathPosition;
  private final List<String> columns;
  private final List<UniqueKey> keys = new ArrayList<>();
  private final List<ForeignKey> parents = new ArrayList<>();
  private final List<ForeignKey> children = new ArrayList<>();
  private final Set<String> keyColumns = new HashSet<>();

  TableInfo(
      String lockClass,
      String kind,
      boolean temporary,
      String hidden,
      int pathPosition,
      List<String> columns) {
    this.lockClass = lockClass;
    this.kind = kind;
    this.temporary = temporary;
    this.hidden = hidden;
    this.pathPosition = pathPosition;
    this.columns = columns;
  }

  void add(UniqueKey key) {
    keys.add(key);
    if (key.immediate()) {
      keyColumns.addAll(key.names());
    }
  }

  static void add(ForeignKey key) {
    key.child().parents.add(key);
    key.parent().children.add(key);
  }

  /** The foreign keys of a partitioned table hold for each of its partitions. */
  void inherit(TableInfo root) {
    parents.addAll(root.parents);
    children.addAll(root.children);
  }

  /** The class that its rows belong to: the table, or the root of the partitions. */
  String lockClass() {
    return lockClass;
  }

  boolean isTable() {
    return kind.equals("r") || kind.equals("p");
  }

  boolean isTemporary() {
    return temporary;
  }

  /** What writes to it may set off and lock unseen: trigger, rule, or the empty string. */
  String hidden() {
    return hidden;
  }

  int pathPosition() {
    return pathPosition;
  }

  List<String> columns() {
    return columns;
  }

  List<UniqueKey> keys() {
    return keys;
  }

  List<ForeignKey> parents() {
    return parents;
  }

  List<ForeignKey> children() {
    return children;
  }

  /** Whether giving these columns a value may change a key that others can point to. */
  boolean changesKey(Set<String> written) {
    return written.stream().anyMatch(keyColumns::contains);
  }
}
