package dev.pgbelay.keyset;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import java.util.ArrayList;
import java.util.List;
import org.jooq.Field;
import org.jooq.SelectFieldOrAsterisk;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * The columns of a page's rows, outermost and in between: the caller's, then what the cursor needs
 * and the caller did not select, then the types of the keys where they are asked for.
 */
final class RowColumns {
  private final BaseSelect base;

  RowColumns(BaseSelect base) {
    this.base = base;
  }

  /** Where in a row the cursor's values stand, counted from 1. */
  int[] keyColumns() {
    int[] columns = new int[base.keys().size()];
    int next = base.outputs().size() + 1;
    for (int k = 0; k < columns.length; k++) {
      int inPlace = inPlace(base.keys().get(k));
      columns[k] = inPlace >= 0 ? inPlace + 1 : next++;
    }
    return columns;
  }

  private int inPlace(SortKey key) {
    return key.type().readInPlace() ? base.columns().indexOf(key.field()) : -1;
  }

  /** Folded to a constant by the planner: nothing but its type is left of the key. */
  private static Field<?> onlyItsType(Field<?> key) {
    return DSL.when(DSL.falseCondition(), key);
  }

  /** The row of a statement with nothing around the caller's select. */
  List<SelectFieldOrAsterisk> direct(boolean typed) {
    List<SelectFieldOrAsterisk> list = new ArrayList<>(base.columns());
    for (SortKey key : base.keys()) {
      if (inPlace(key) < 0) {
        list.add(key.type().output(key.field()));
      }
    }
    if (typed) {
      base.keys().forEach(key -> list.add(onlyItsType(key.field())));
    }
    return list;
  }

  /** The row of a select that another one is put around: {@code c1 … cn, k1 … km}. */
  List<SelectFieldOrAsterisk> aliased() {
    List<SelectFieldOrAsterisk> list = new ArrayList<>();
    for (int i = 0; i < base.columns().size(); i++) {
      list.add(base.columns().get(i).as(columnName(i)));
    }
    list.addAll(keysAlone());
    return list;
  }

  /** {@code k1 … km}, for a statement that needs no more. */
  List<SelectFieldOrAsterisk> keysAlone() {
    List<SelectFieldOrAsterisk> list = new ArrayList<>();
    for (int k = 0; k < base.keys().size(); k++) {
      list.add(base.keys().get(k).field().as(keyName(k)));
    }
    return list;
  }

  /** The caller's columns and the cursor's values, from a table of {@code c1 … cn, k1 … km}. */
  List<Field<?>> outputs(Table<?> page) {
    List<Field<?>> list = new ArrayList<>();
    for (int i = 0; i < base.columns().size(); i++) {
      list.add(column(page, columnName(i), base.columns().get(i)));
    }
    for (int k = 0; k < base.keys().size(); k++) {
      SortKey key = base.keys().get(k);
      if (inPlace(key) < 0) {
        list.add(key.type().output(keyColumn(page, k)));
      }
    }
    return list;
  }

  void addTypes(List<Field<?>> list, Table<?> page) {
    for (int k = 0; k < base.keys().size(); k++) {
      list.add(onlyItsType(keyColumn(page, k)));
    }
  }

  List<Field<?>> rowColumns(Table<?> rows) {
    List<Field<?>> list = new ArrayList<>();
    for (int i = 0; i < base.columns().size(); i++) {
      list.add(column(rows, columnName(i), base.columns().get(i)));
    }
    for (int k = 0; k < base.keys().size(); k++) {
      list.add(keyColumn(rows, k));
    }
    return list;
  }

  List<SortField<?>> order(Table<?> rows, boolean backward) {
    List<SortField<?>> order = new ArrayList<>();
    for (int k = 0; k < base.keys().size(); k++) {
      SortKey key = base.keys().get(k);
      order.add((backward ? key.flipped() : key).orderBy(keyColumn(rows, k)));
    }
    return order;
  }

  private static String columnName(int index) {
    return "pgbelay_c" + (index + 1);
  }

  private static String keyName(int index) {
    return "pgbelay_k" + (index + 1);
  }

  static <T> Field<T> column(Table<?> table, String column, Field<T> like) {
    return field(name(table.getName(), column), like.getDataType());
  }

  Field<?> keyColumn(Table<?> table, int key) {
    return column(table, keyName(key), base.keys().get(key).field());
  }
}
