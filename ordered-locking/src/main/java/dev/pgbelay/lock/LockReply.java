package dev.pgbelay.lock;

import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntPredicate;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a locking statement answered.
 *
 * @param epoch the counter on the server, before the statement
 * @param isLocked for each resource that was sent, whether it is locked; empty if all are
 * @param rows the locked rows, if they were read
 */
record LockReply(
    String epoch, Optional<IntPredicate> isLocked, Optional<Result<? extends Record>> rows) {
  private static final Logger LOG = LoggerFactory.getLogger(LockReply.class);

  /** Setting, ordinal and place of the row come before its columns. */
  private static final int BEFORE_COLUMNS = 3;

  private static LockReply of(String epoch, int sent, int locked, IntPredicate isLocked) {
    return new LockReply(
        epoch, sent == locked ? Optional.empty() : Optional.of(isLocked), Optional.empty());
  }

  /** Told by their numbers, from 1. */
  static LockReply ofOrdinals(String epoch, int sent, List<Integer> ordinals) {
    Set<Integer> locked = Set.copyOf(ordinals);
    return of(epoch, sent, locked.size(), index -> locked.contains(index + 1));
  }

  /** Told by their keys, and if all are locked by their number alone. */
  static LockReply ofValues(
      String epoch, List<Resource> sent, Comparator<List<Object>> comparator, ResultSet result)
      throws SQLException {
    result.next();
    int count = result.getInt(1);
    Set<List<Object>> locked = new TreeSet<>(comparator);
    Array keys = result.getArray(2);
    if (keys != null) {
      for (Object key : (Object[]) keys.getArray()) {
        locked.add(List.of(key));
      }
    }
    return of(epoch, sent.size(), count, index -> locked.contains(sent.get(index).values()));
  }

  static LockReply withRows(
      String epoch, int sent, DSLContext dsl, LockClass lockClass, ResultSet result) {
    Table<?> table = lockClass.table();
    boolean known = table.fields().length > 0;
    Result<Record> read = known ? dsl.fetch(result, fields(table)) : dsl.fetch(result);
    Field<?>[] columns =
        known
            ? table.fields()
            : List.of(read.fields())
                .subList(BEFORE_COLUMNS, read.fields().length)
                .toArray(Field<?>[]::new);
    Result<Record> rows = dsl.newResult(columns);
    Set<Integer> ordinals = new HashSet<>();
    Set<String> seen = new HashSet<>();
    for (Record row : read) {
      Integer ordinal = row.get(1, Integer.class);
      if (ordinal == null) {
        continue;
      }
      ordinals.add(ordinal);
      if (seen.add(row.get(2, String.class))) {
        rows.add(columnsOf(dsl, row, columns));
      }
    }
    Optional<IntPredicate> isLocked =
        ordinals.size() == sent
            ? Optional.empty()
            : Optional.of(index -> ordinals.contains(index + 1));
    return new LockReply(epoch, isLocked, Optional.of(rows));
  }

  private static Record columnsOf(DSLContext dsl, Record row, Field<?>[] columns) {
    Record copy = dsl.newRecord(columns);
    for (int i = 0; i < columns.length; i++) {
      copy.set(untyped(columns[i]), row.get(BEFORE_COLUMNS + i));
    }
    copy.changed(false);
    return copy;
  }

  @SuppressWarnings("unchecked")
  private static Field<Object> untyped(Field<?> field) {
    return (Field<Object>) field;
  }

  private static Field<?>[] fields(Table<?> table) {
    List<Field<?>> fields = new ArrayList<>();
    fields.add(DSL.field(DSL.name("set_config"), SQLDataType.CLOB));
    fields.add(DSL.field(DSL.name("pgbelay_n"), SQLDataType.BIGINT));
    fields.add(DSL.field(DSL.name("pgbelay_row"), SQLDataType.CLOB));
    fields.addAll(List.of(table.fields()));
    return fields.toArray(Field<?>[]::new);
  }

  static void warnOfSharedKey(Resource name) {
    LOG.warn(
        "a name of class '{}' falls on the same lock as another one: each waits for the other; rename"
            + " one of them (table lock_name has the other, key {})",
        name.lockClass().name(),
        name.values().get(0));
  }
}
