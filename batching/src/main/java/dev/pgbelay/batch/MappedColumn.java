package dev.pgbelay.batch;

import java.util.function.Function;
import java.util.function.Predicate;
import org.jooq.Field;
import org.jspecify.annotations.Nullable;

/**
 * Where the values of one column come from.
 *
 * @param value of the type that jOOQ sends to the database, converters applied
 * @param isDefault which rows leave the column to its DEFAULT; null if none ever does
 */
record MappedColumn<R>(
    Field<?> field,
    Function<? super R, ? extends @Nullable Object> value,
    @Nullable Predicate<? super R> isDefault) {

  String name() {
    return field.getName();
  }
}
