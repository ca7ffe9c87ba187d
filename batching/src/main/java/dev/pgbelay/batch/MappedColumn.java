package dev.pgbelay.batch;

import java.util.function.Function;
import java.util.function.Predicate;
import org.jooq.Converter;
import org.jooq.Field;
import org.jooq.Record;
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

  static <R, T> MappedColumn<R> of(
      Field<T> field,
      Function<? super R, ? extends @Nullable T> value,
      @Nullable Predicate<? super R> isDefault) {
    return new MappedColumn<>(field, converted(field, value), isDefault);
  }

  /** Of rows that are jOOQ records. */
  static <R, T> MappedColumn<R> ofRecords(Field<T> field) {
    return of(
        field,
        row -> {
          Record record = (Record) row;
          if (record.field(field) == null) {
            throw new UnfitValueException(
                "42611", "the record has no such field; all records must have the same ones");
          }
          return record.get(field);
        },
        null);
  }

  @SuppressWarnings("unchecked")
  private static <R, T> Function<? super R, ? extends @Nullable Object> converted(
      Field<T> field, Function<? super R, ? extends @Nullable T> value) {
    Converter<Object, T> converter = (Converter<Object, T>) field.getConverter();
    if (converter.fromType() == converter.toType()) {
      return value;
    }
    return row -> {
      T user = value.apply(row);
      return user == null ? null : converter.to(user);
    };
  }

  String name() {
    return field.getName();
  }
}
