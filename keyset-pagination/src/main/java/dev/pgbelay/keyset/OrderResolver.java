package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidKeysetQueryException.Reason.KEY_TYPE;
import static dev.pgbelay.keyset.InvalidKeysetQueryException.Reason.NULLS_POSITION;
import static dev.pgbelay.keyset.InvalidKeysetQueryException.Reason.ORDER;
import static dev.pgbelay.keyset.InvalidKeysetQueryException.Reason.ORDER_NOT_UNIQUE;

import dev.pgbelay.keyset.InvalidKeysetQueryException.Reason;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jooq.Field;
import org.jooq.Nullability;
import org.jooq.Param;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.SortOrder;
import org.jooq.Table;
import org.jooq.impl.QOM;
import org.jspecify.annotations.Nullable;

/**
 * Makes a total order with known NULLs out of what the caller declared, or says what is missing.
 */
final class OrderResolver {
  /** Bits of an int say which keys are NULL, and no index has more columns than 32. */
  private static final int MAX_KEYS = 16;

  private final String queryName;
  private final Renderer renderer;
  private final List<Field<?>> unique;
  private final List<Field<?>> notNull;
  private final List<Field<?>> nullable;

  OrderResolver(
      String queryName,
      Renderer renderer,
      List<Field<?>> unique,
      List<Field<?>> notNull,
      List<Field<?>> nullable) {
    this.queryName = queryName;
    this.renderer = renderer;
    this.unique = unique;
    this.notNull = notNull;
    this.nullable = nullable;
  }

  List<SortKey> resolve(List<SortField<?>> order) {
    if (order.isEmpty()) {
      throw refused(ORDER, "has no order; give one with orderBy(...)");
    }
    List<SortKey> keys = new ArrayList<>();
    for (SortField<?> sort : order) {
      Field<?> field = sort.$field();
      if (keys.stream().anyMatch(key -> key.field().equals(field))) {
        throw refused(ORDER, "orders by %s twice".formatted(renderer.label(field)));
      }
      if (sort.getOrder() == null && sort.$sortOrder() == null) {
        throw refused(ORDER, "needs a direction for " + renderer.label(field));
      }
      if (field instanceof Param<?>) {
        throw refused(
            ORDER,
            "orders by the value %s, which is the same in every row (a number is no column's place here); order by the column or expression itself"
                .formatted(renderer.label(field)));
      }
      keys.add(key(sort, field));
    }
    requireUnique(keys);
    if (keys.size() > MAX_KEYS) {
      throw refused(
          ORDER, "has %d keys, at most %d are supported".formatted(keys.size(), MAX_KEYS));
    }
    return List.copyOf(keys);
  }

  private SortKey key(SortField<?> sort, Field<?> field) {
    boolean descending = sort.$sortOrder() == SortOrder.DESC;
    QOM.NullOrdering placed = sort.$nullOrdering();
    boolean canBeNull = canBeNull(field, placed);
    boolean nullsFirst =
        (!canBeNull || placed == null) ? descending : placed == QOM.NullOrdering.NULLS_FIRST;
    return new SortKey(
        field, renderer.label(field), type(field), descending, canBeNull, nullsFirst);
  }

  private KeyType type(Field<?> field) {
    return KeyType.of(field)
        .orElseThrow(
            () ->
                refused(
                    KEY_TYPE,
                    "cannot carry key %s of type %s in a cursor; order by something with a btree order and one value"
                        .formatted(renderer.label(field), field.getDataType().getTypeName())));
  }

  private boolean canBeNull(Field<?> field, QOM.@Nullable NullOrdering placed) {
    if (unique.contains(field) || notNull.contains(field)) {
      return false;
    }
    // What is said goes before what the column's type says: an outer join makes NULLs of it.
    if (placed != null || nullable.contains(field)) {
      return true;
    }
    if (field.getDataType().nullability() == Nullability.NOT_NULL) {
      return false;
    }
    throw refused(
        NULLS_POSITION,
        "does not say where NULLs of %s go; write nullsFirst() or nullsLast(), declare nullable(field) for PostgreSQL's default, or notNull(field)"
            .formatted(renderer.label(field)));
  }

  private void requireUnique(List<SortKey> keys) {
    if (unique.isEmpty()) {
      throw refused(
          ORDER_NOT_UNIQUE,
          "is not known to have a unique order (%s); declare the tie-breaker with unique(field, …)"
              .formatted(describe(keys)));
    }
    boolean descending = keys.get(keys.size() - 1).descending();
    for (Field<?> field : unique) {
      if (field.getDataType().nullability() == Nullability.NULL) {
        throw refused(
            ORDER_NOT_UNIQUE,
            "declares unique(%s), which may be NULL: NULLs are not unique to PostgreSQL"
                .formatted(renderer.label(field)));
      }
      if (keys.stream().noneMatch(key -> key.field().equals(field))) {
        keys.add(
            new SortKey(field, renderer.label(field), type(field), descending, false, descending));
      }
    }
  }

  private static String describe(List<SortKey> keys) {
    return String.join(", ", keys.stream().map(SortKey::describe).toList());
  }

  /** The primary key, if the select reads one table that knows its own. */
  static List<Field<?>> primaryKey(Select<?> select) {
    if (select.$from().size() != 1) {
      return List.of();
    }
    Table<?> table = select.$from().get(0);
    return Optional.ofNullable(table.getPrimaryKey())
        .map(key -> List.<Field<?>>of(table.fields(key.getFieldsArray())))
        .orElse(List.of());
  }

  private InvalidKeysetQueryException refused(Reason reason, String rule) {
    return new InvalidKeysetQueryException(reason, "query '%s' %s".formatted(queryName, rule));
  }
}
