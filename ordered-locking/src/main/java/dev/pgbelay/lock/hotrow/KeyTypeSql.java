package dev.pgbelay.lock.hotrow;

import static org.jooq.impl.DSL.val;

import java.util.HexFormat;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.EnumType;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** What a key's column is on the server, and keys as values of that. */
final class KeyTypeSql {
  /** {0} the table's name as text, {1} the column's. */
  private static final String TYPE_OF =
      """
      SELECT format_type(a.atttypid, -1)
        FROM pg_attribute a
       WHERE a.attrelid = to_regclass({0}) AND a.attname = {1} AND NOT a.attisdropped\
      """;

  private static final String AS_TYPE =
      """
      CAST(CAST({0} AS text) AS %s)\
      """;

  private static final String PLACE_OF_ROW =
      """
      {0}.tableoid::bigint || {0}.ctid::text\
      """;

  private KeyTypeSql() {}

  /** Without a length, precision or scale. */
  static Optional<String> typeOf(DSLContext dsl, String table, String column) {
    Record row = dsl.fetchOne(TYPE_OF, val(table), val(column));
    return row == null ? Optional.empty() : Optional.ofNullable(row.get(0, String.class));
  }

  static <K> Field<K> as(String type, Field<K> key, K item) {
    Object value = key.getConverter().to(item);
    return DSL.field(
        AS_TYPE.formatted(type), key.getDataType(), val(text(value), SQLDataType.CLOB));
  }

  private static @Nullable String text(@Nullable Object value) {
    if (value instanceof EnumType literal) {
      return literal.getLiteral();
    }
    if (value instanceof byte[] bytes) {
      return "\\x" + HexFormat.of().formatHex(bytes);
    }
    return value == null ? null : value.toString();
  }

  /** Tells rows apart within one statement. */
  static Field<String> placeOfRow(Table<?> table) {
    return DSL.field(PLACE_OF_ROW, SQLDataType.CLOB, table);
  }
}
