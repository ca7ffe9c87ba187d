package dev.pgbelay.batch;

import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A mapped column and how its values travel: as elements of an array of one of PostgreSQL's own
 * types, whose array type every session knows, or as text that the statement casts.
 *
 * @param element the type of the array's elements
 * @param cast what the statement casts an element to; null where assignment does it
 * @param copied the form that COPY BINARY into the column itself needs; null without one
 */
record ShapeColumn<R>(
    MappedColumn<R> mapped,
    PgColumn column,
    ElementType element,
    ValueCodec sent,
    @Nullable String cast,
    @Nullable ValueCodec copied) {

  /** One of PostgreSQL's own types. */
  record ElementType(String sql, int oid, int arrayOid) {}

  private static final ElementType TEXT = new ElementType("text", 25, 1009);
  private static final Map<String, ElementType> ELEMENTS =
      Map.ofEntries(
          Map.entry("bool", new ElementType("boolean", 16, 1000)),
          Map.entry("bytea", new ElementType("bytea", 17, 1001)),
          Map.entry("int8", new ElementType("bigint", 20, 1016)),
          Map.entry("int2", new ElementType("smallint", 21, 1005)),
          Map.entry("int4", new ElementType("integer", 23, 1007)),
          Map.entry("float4", new ElementType("real", 700, 1021)),
          Map.entry("float8", new ElementType("double precision", 701, 1022)),
          Map.entry("date", new ElementType("date", 1082, 1182)),
          Map.entry("time", new ElementType("time", 1083, 1183)),
          Map.entry("timestamp", new ElementType("timestamp", 1114, 1115)),
          Map.entry("timestamptz", new ElementType("timestamptz", 1184, 1185)),
          Map.entry("numeric", new ElementType("numeric", 1700, 1231)),
          Map.entry("uuid", new ElementType("uuid", 2950, 2951)),
          Map.entry("text", TEXT),
          Map.entry("varchar", TEXT),
          Map.entry("bpchar", TEXT));

  /**
   * @param soughtBy whether stored rows are found by it: a value that the column would round or cut
   *     is in none of them
   */
  static <R> ShapeColumn<R> of(MappedColumn<R> mapped, PgColumn column, boolean soughtBy) {
    ElementType element = column.builtIn() ? ELEMENTS.get(column.baseType()) : null;
    ValueCodec own = element == null ? null : Codecs.ofType(column.baseType(), column.typmod());
    if (element != null && own != null) {
      // What assignment would round or pad must be so already when duplicates are looked for.
      boolean shaped = (column.typmod() >= 0 && !soughtBy) || column.baseType().equals("bpchar");
      return new ShapeColumn<>(
          mapped, column, element, own, shaped ? column.baseTypeWithLength() : null, own);
    }
    return new ShapeColumn<>(
        mapped,
        column,
        TEXT,
        Codecs.literal(),
        !soughtBy && column.castRounds() ? column.baseTypeWithLength() : column.type(),
        copyOf(column));
  }

  private static @Nullable ValueCodec copyOf(PgColumn column) {
    if (column.baseKind().equals("e")) {
      return Codecs.literal();
    }
    return switch (column.baseType()) {
      case "citext", "json", "xml", "name" -> Codecs.literal();
      case "jsonb" -> column.builtIn() ? Codecs.jsonb() : null;
      default -> null;
    };
  }

  /** Whether its values do not travel as text that the statement must cast. */
  boolean hasOwnForm() {
    return column.builtIn() && ELEMENTS.containsKey(column.baseType());
  }

  /** Whether assignment may make another value of it, after the statement has looked at it. */
  boolean isReshaped() {
    return column.typmod() >= 0 && !hasOwnForm() && !column.baseTypeWithLength().equals(cast);
  }

  String name() {
    return column.name();
  }

  Function<? super R, ? extends @Nullable Object> value() {
    return mapped.value();
  }

  @Nullable Predicate<? super R> isDefault() {
    return mapped.isDefault();
  }
}
