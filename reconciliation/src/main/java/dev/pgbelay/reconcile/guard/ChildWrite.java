package dev.pgbelay.reconcile.guard;

import dev.pgbelay.reconcile.Reference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jooq.Field;
import org.jooq.FieldOrRow;
import org.jooq.Merge;
import org.jooq.Name;
import org.jooq.Param;
import org.jooq.Query;
import org.jooq.Row;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.QOM;
import org.jspecify.annotations.Nullable;

/**
 * Columns of a reference that a statement writes.
 *
 * @param key their values as texts; empty where they cannot be seen
 */
record ChildWrite(List<String> key) {
  private static final ChildWrite UNSEEN = new ChildWrite(List.of());
  private static final String MERGE_INTO = "merge into ";

  /** Refers to something, and nobody knows to what. */
  private static final String EXPRESSION = "";

  /** In place of what is no field; never rendered. */
  private static final Field<?> NOT_A_FIELD = DSL.field(DSL.name("not a field"));

  /**
   * What a statement writes into the child.
   *
   * @param bound whether its values are placeholders for those of a batch
   */
  static List<ChildWrite> of(Query query, Reference reference, boolean bound) {
    List<ChildWrite> writes = new ArrayList<>();
    if (query instanceof QOM.Insert<?> insert) {
      insert(insert, reference, writes, bound);
    } else if (query instanceof QOM.InsertReturning<?> returning) {
      insert(returning.$insert(), reference, writes, bound);
    } else if (query instanceof QOM.Update<?> update) {
      update(update, reference, writes, bound);
    } else if (query instanceof QOM.UpdateReturning<?> returning) {
      update(returning.$update(), reference, writes, bound);
    } else if (query instanceof Merge<?> && mergesInto(query, reference)) {
      writes.add(UNSEEN);
    }
    return List.copyOf(writes);
  }

  private static void insert(
      QOM.Insert<?> insert, Reference reference, List<ChildWrite> writes, boolean bound) {
    if (!isChild(insert.$into(), reference)) {
      return;
    }
    if (insert.$select() != null) {
      writes.add(UNSEEN);
      return;
    }
    List<? extends Field<?>> columns = insert.$columns();
    for (Row row : insert.$values()) {
      Map<String, Field<?>> values = new HashMap<>();
      for (int k = 0; k < columns.size(); k++) {
        values.put(columns.get(k).getName(), row.field(k));
      }
      add(values, reference, writes, false, bound);
    }
    set(insert.$updateSet(), reference, writes, bound);
  }

  private static void update(
      QOM.Update<?> update, Reference reference, List<ChildWrite> writes, boolean bound) {
    if (isChild(update.$table(), reference)) {
      set(update.$set(), reference, writes, bound);
    }
  }

  private static void set(
      Map<?, ?> set, Reference reference, List<ChildWrite> writes, boolean bound) {
    Map<String, Field<?>> values = new HashMap<>();
    for (Map.Entry<?, ?> each : set.entrySet()) {
      if (each.getKey() instanceof Field<?> column) {
        values.put(
            column.getName(), each.getValue() instanceof Field<?> value ? value : NOT_A_FIELD);
      } else if (each.getKey() instanceof FieldOrRow row && row instanceof Row columns) {
        for (Field<?> column : columns.fields()) {
          values.put(column.getName(), NOT_A_FIELD);
        }
      }
    }
    if (reference.childColumns().stream().anyMatch(each -> values.containsKey(each.getName()))) {
      add(values, reference, writes, true, bound);
    }
  }

  /**
   * One row.
   *
   * @param keepsOthers whether columns that are not given stay as they are
   */
  private static void add(
      Map<String, Field<?>> values,
      Reference reference,
      List<ChildWrite> writes,
      boolean keepsOthers,
      boolean bound) {
    List<String> key = new ArrayList<>();
    boolean unseen = false;
    boolean asBefore = true;
    for (Field<?> column : reference.childColumns()) {
      Field<?> value = values.get(column.getName());
      asBefore &= value == null ? !keepsOthers : isChecked(value, column);
      String text = value instanceof Param<?> param && !bound ? stored(param) : EXPRESSION;
      if (text == null || (value == null && !keepsOthers)) {
        return;
      }
      unseen |= bound || !(value instanceof Param<?>);
      key.add(text);
    }
    if (!asBefore) {
      writes.add(unseen ? UNSEEN : new ChildWrite(List.copyOf(key)));
    }
  }

  /** What the table's default says, or what the same statement would have inserted. */
  private static boolean isChecked(Field<?> value, Field<?> column) {
    return value instanceof QOM.Default<?>
        || (value instanceof QOM.Excluded<?> excluded
            && excluded.$field().getName().equals(column.getName()));
  }

  private static <T> @Nullable String stored(Param<T> param) {
    Object value = param.getBinding().converter().to(param.getValue());
    return value == null ? null : value.toString();
  }

  private static boolean mergesInto(Query merge, Reference reference) {
    String sql = merge.getSQL();
    int begin = sql.toLowerCase(Locale.ROOT).indexOf(MERGE_INTO);
    if (begin < 0) {
      return false;
    }
    String table = sql.substring(begin + MERGE_INTO.length()).split("\\s", 2)[0].replace("\"", "");
    return isSame(DSL.name(table.split("\\.")), reference.child().getQualifiedName());
  }

  /** A name without a schema may be that of any. */
  private static boolean isChild(@Nullable Table<?> table, Reference reference) {
    if (table instanceof QOM.TableAlias<?> alias) {
      return isChild(alias.$aliased(), reference);
    }
    return table != null && isSame(table.getQualifiedName(), reference.child().getQualifiedName());
  }

  private static boolean isSame(Name one, Name other) {
    String[] some = one.getName();
    String[] others = other.getName();
    for (int k = 1; k <= Math.min(some.length, others.length); k++) {
      if (!some[some.length - k].equals(others[others.length - k])) {
        return false;
      }
    }
    return true;
  }
}
