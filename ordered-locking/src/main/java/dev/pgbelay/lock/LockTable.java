package dev.pgbelay.lock;

import dev.pgbelay.lock.LockRefusedException.Reason;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.impl.DSL;

/**
 * What the catalog says of a class's table: asked once, by the first transaction that locks in it.
 *
 * @param name quoted, with its schema where the jOOQ table has one
 * @param columns of the key, quoted
 * @param types of these columns, as SQL writes them
 * @param collations of these columns, quoted; empty where the type has none
 * @param baseTypes of these columns by their names in the catalog
 * @param comparator of keys, as the server orders them; empty where Java cannot tell
 * @param readColumns what is selected where rows are read
 * @param references the tables whose foreign keys point here
 * @param root which table it is or, of a partition, belongs to, whatever it is called
 * @param texts statements by mode and kind, once put together
 */
record LockTable(
    String name,
    List<String> columns,
    List<String> types,
    List<String> collations,
    List<String> baseTypes,
    Optional<Comparator<List<Object>>> comparator,
    String readColumns,
    Optional<String> references,
    String root,
    Map<Shape, String> texts) {

  /** What tells one locking statement from another. */
  record Shape(LockMode mode, LockOptions.Policy policy, boolean rows) {}

  private static final Set<String> FOUND_BY_VALUE = Set.of("smallint", "integer", "bigint", "uuid");

  /** Whether the locked rows can be told from the values of their keys. */
  boolean isLockedByValue() {
    return columns.size() == 1 && comparator.isPresent() && FOUND_BY_VALUE.contains(types.get(0));
  }

  static String nameOf(DSLContext dsl, LockClass lockClass) {
    return dsl.render(lockClass.table());
  }

  /**
   * @throws LockRefusedException if rows cannot be locked by this key
   */
  static LockTable describe(DSLContext dsl, Connection connection, LockClass lockClass)
      throws SQLException {
    String name = nameOf(dsl, lockClass);
    List<String> key = lockClass.keyNames();
    try (PreparedStatement ask = connection.prepareStatement(LockSql.DESCRIBE_TABLE)) {
      ask.setString(1, name);
      ask.setArray(2, connection.createArrayOf("text", key.toArray()));
      try (ResultSet row = ask.executeQuery()) {
        if (!row.next()) {
          throw notFound(
              lockClass,
              name,
              "there is no such table on the search path (and an alias cannot be locked)");
        }
        if (!row.getString(1).equals("r") && !row.getString(1).equals("p")) {
          throw notFound(lockClass, name, "it is not a table; lock the rows of the table itself");
        }
        List<String> types = strings(row, 2);
        if (types.size() < key.size()) {
          throw notFound(lockClass, name, "it does not have all of the columns " + key);
        }
        if (!row.getBoolean(5)) {
          throw new LockRefusedException(
              Reason.KEY_NOT_UNIQUE,
              "class '%s': %s of %s is not unique, so one key could be many rows in no order; use the primary key, or create a unique index that is not deferrable"
                  .formatted(lockClass.name(), key, name));
        }
        List<String> baseTypes = strings(row, 4);
        return new LockTable(
            name,
            key.stream().map(column -> dsl.render(DSL.name(column))).toList(),
            types,
            strings(row, 3),
            baseTypes,
            KeyOrder.of(baseTypes, lockClass.keyTypes()),
            readColumns(dsl, lockClass),
            Optional.ofNullable(row.getString(6)),
            row.getString(7),
            new ConcurrentHashMap<>());
      }
    }
  }

  /**
   * Whether there can be rows with these keys: whole numbers that the column's type does not hold
   * would be an error on the server, and end the transaction.
   *
   * @throws LockRefusedException if not
   */
  void requireKeys(LockClass lockClass, List<Resource> resources) {
    for (int i = 0; i < columns.size(); i++) {
      long most =
          switch (baseTypes.get(i)) {
            case "int2" -> Short.MAX_VALUE;
            case "int4" -> Integer.MAX_VALUE;
            case "int8" -> Long.MAX_VALUE;
            default -> 0;
          };
      for (Resource resource : most == 0 ? List.<Resource>of() : resources) {
        if (!fits(resource.values().get(i), most)) {
          throw new LockRefusedException(
              Reason.WRONG_KEY_TYPE,
              "%s: no %s is like that, so there is no such row; give a whole number that column %s can hold"
                  .formatted(resource, types.get(i), columns.get(i)));
        }
      }
    }
  }

  private static boolean fits(Object value, long most) {
    if (value instanceof BigDecimal decimal) {
      return decimal.scale() == 0 && fits(decimal.unscaledValue(), most);
    }
    if (value instanceof BigInteger whole && whole.bitLength() > 63) {
      return false;
    }
    return !(value instanceof Number number)
        || (number.longValue() <= most && number.longValue() >= -most - 1);
  }

  /** Those that jOOQ knows of, in its order; all of them where it knows of none. */
  private static String readColumns(DSLContext dsl, LockClass lockClass) {
    String known =
        Arrays.stream(lockClass.table().fields())
            .map(field -> "t." + dsl.render(DSL.name(field.getName())))
            .collect(Collectors.joining(", "));
    return known.isEmpty() ? "t.*" : known;
  }

  private static List<String> strings(ResultSet row, int column) throws SQLException {
    Array array = row.getArray(column);
    return array == null ? List.of() : List.of((String[]) array.getArray());
  }

  private static LockRefusedException notFound(LockClass lockClass, String name, String why) {
    return new LockRefusedException(
        Reason.NOT_FOUND, "class '%s', table %s: %s".formatted(lockClass.name(), name, why));
  }

  /** Whether rows may be locked in this mode without a word. */
  void requireMode(LockClass lockClass) {
    if (lockClass.mode() == LockMode.UPDATE
        && references.isPresent()
        && !lockClass.blocksReferences()) {
      throw new LockRefusedException(
          Reason.REFERENCED_TABLE,
          "class '%s': FOR UPDATE on %s stops every insert into %s that points to the row. Use NO_KEY_UPDATE, which does not, or say LockClass.blockingReferences() if the row is to be deleted or given another key"
              .formatted(lockClass.name(), name, references.get()));
    }
  }

  /** Ordinals that a statement returned, from 1. */
  static List<Integer> ordinals(ResultSet row, int column) throws SQLException {
    Array array = row.getArray(column);
    if (array == null) {
      return List.of();
    }
    List<Integer> ordinals = new ArrayList<>();
    for (Long ordinal : (Long[]) array.getArray()) {
      ordinals.add(ordinal.intValue());
    }
    return ordinals;
  }
}
