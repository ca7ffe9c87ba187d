package dev.pgbelay.lock;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.lock.LockRefusedException.Reason;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoField;
import java.time.temporal.ChronoUnit;
import java.time.temporal.Temporal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.UniqueKey;
import org.jooq.impl.QOM;
import org.jspecify.annotations.Nullable;

/**
 * A kind of thing that is locked: the rows of a table by a key, or names. A class gets its place
 * among the others from a {@link LockOrder}. Immutable; keep it in a constant. Two objects are the
 * same class if they have the same name.
 */
public final class LockClass {
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_.-]{0,62}");

  private final String name;
  private final @Nullable Table<?> table;
  private final List<Field<?>> key;
  private final LockMode mode;
  private final boolean blocksReferences;

  private LockClass(
      String name,
      @Nullable Table<?> table,
      List<Field<?>> key,
      LockMode mode,
      boolean blocksReferences) {
    if (!NAME.matcher(name).matches()) {
      throw new PgBelayException(
          "class '"
              + name
              + "' must be 1 to 63 letters, digits, '_', '.' or '-', no digit in front; say rows(name, …)");
    }
    this.name = name;
    this.table = table;
    this.key = List.copyOf(key);
    this.mode = mode;
    this.blocksReferences = blocksReferences;
  }

  /**
   * Rows of a table, in mode {@link LockMode#NO_KEY_UPDATE}, under the table's name.
   *
   * @param table a table or partitioned table, without an alias
   * @param key columns that together are unique and never change; the primary key where none are
   *     given and jOOQ knows it
   */
  public static LockClass rows(Table<?> table, Field<?>... key) {
    return rows(table.getName(), table, key);
  }

  /** {@link #rows(Table, Field...)} under another name than the table's. */
  public static LockClass rows(String name, Table<?> table, Field<?>... key) {
    if (table instanceof QOM.TableAlias<?>) {
      throw new PgBelayException(
          "class '" + name + "': " + table + " is an alias; give the table itself");
    }
    List<Field<?>> columns = List.of(key);
    UniqueKey<?> primary = table.getPrimaryKey();
    if (columns.isEmpty() && primary != null) {
      columns = List.copyOf(primary.getFields());
    }
    if (columns.isEmpty()) {
      throw new PgBelayException(
          "class '" + name + "': jOOQ knows no primary key of " + table + "; name the key columns");
    }
    return new LockClass(name, table, columns, LockMode.NO_KEY_UPDATE, false);
  }

  /**
   * Names, each of which is a lock of its own whether or not there is any row: advisory locks that
   * end with the transaction.
   */
  public static LockClass names(String name) {
    return new LockClass(name, null, List.of(), LockMode.UPDATE, false);
  }

  /** The same class, its rows locked in this mode. */
  public LockClass mode(LockMode other) {
    if (table == null) {
      throw new PgBelayException("class '" + name + "' is of names, which have no mode");
    }
    return new LockClass(name, table, key, other, blocksReferences);
  }

  /**
   * The same class, with leave to lock in {@link LockMode#UPDATE} although foreign keys point to
   * the table: every insert that points to a locked row will wait, and while such inserts overlap
   * the lock may not be had at all. For rows that are deleted or given another key.
   */
  public LockClass blockingReferences() {
    return new LockClass(name, table, key, mode, true);
  }

  /**
   * A row to lock.
   *
   * @param parts of the key, of the columns' types, in their order
   * @throws LockRefusedException if a part is null, of another type, or missing
   */
  public Resource row(Object... parts) {
    if (table == null) {
      throw new LockRefusedException(
          Reason.WRONG_KEY_TYPE, "class '" + name + "' is of names, not of rows; use name(…)");
    }
    if (parts.length != key.size()) {
      throw new LockRefusedException(
          Reason.WRONG_KEY_TYPE,
          "class '%s': a key has the parts %s, %d given".formatted(name, keyNames(), parts.length));
    }
    List<Object> values = new ArrayList<>(parts.length);
    for (int i = 0; i < parts.length; i++) {
      values.add(part(key.get(i), parts[i]));
    }
    return new Resource(this, List.of(parts), List.copyOf(values));
  }

  private Object part(Field<?> column, @Nullable Object value) {
    if (value == null) {
      throw new LockRefusedException(
          Reason.NULL_KEY,
          "class '%s': key part '%s' is null, and no row has such a key"
              .formatted(name, column.getName()));
    }
    if (!column.getType().isInstance(value)) {
      throw wrongType(column, value);
    }
    Object converted = toDatabase(column, value);
    if (converted == null) {
      throw new LockRefusedException(
          Reason.NULL_KEY,
          "class '%s': the converter of key part '%s' makes it null"
              .formatted(name, column.getName()));
    }
    if (!KeyText.takes(converted.getClass())) {
      throw wrongType(column, converted);
    }
    return rounded(converted);
  }

  /** To microseconds, as the server has them: two that it takes for equal must be equal here. */
  private static Object rounded(Object value) {
    boolean finer =
        value instanceof Temporal time
            && time.isSupported(ChronoUnit.DAYS)
            && time.isSupported(ChronoField.NANO_OF_SECOND)
            && time.get(ChronoField.NANO_OF_SECOND) % 1_000 != 0;
    if (!finer
        || value.equals(Instant.MAX)
        || value.equals(LocalDateTime.MAX)
        || value.equals(OffsetDateTime.MAX)) {
      return value;
    }
    if (value instanceof Instant at) {
      return at.plusNanos(500).truncatedTo(ChronoUnit.MICROS);
    }
    if (value instanceof LocalDateTime at) {
      return at.plusNanos(500).truncatedTo(ChronoUnit.MICROS);
    }
    return value instanceof OffsetDateTime at
        ? at.plusNanos(500).truncatedTo(ChronoUnit.MICROS)
        : value;
  }

  private LockRefusedException wrongType(Field<?> column, Object value) {
    return new LockRefusedException(
        Reason.WRONG_KEY_TYPE,
        "class '%s': key part '%s' is a %s, given a %s"
            .formatted(
                name, column.getName(), column.getType().getName(), value.getClass().getName()));
  }

  @SuppressWarnings("unchecked")
  private static <U> @Nullable Object toDatabase(Field<U> column, Object value) {
    return column.getConverter().to((U) value);
  }

  /** The rows with these keys, for a class whose key is one column. */
  public List<Resource> rows(Collection<?> keys) {
    return keys.stream().map(this::row).toList();
  }

  /** A name to lock; it is kept in the clear in the table {@code lock_name}. */
  public Resource name(String lockName) {
    if (table != null) {
      throw new LockRefusedException(
          Reason.WRONG_KEY_TYPE, "class '" + name + "' is of rows, not of names; use row(…)");
    }
    if (lockName == null) {
      throw new LockRefusedException(Reason.NULL_KEY, "class '" + name + "': the name is null");
    }
    if (lockName.indexOf('\0') >= 0) {
      throw new LockRefusedException(
          Reason.WRONG_KEY_TYPE,
          "class '" + name + "': a name contains the character NUL, which PostgreSQL cannot store");
    }
    return new Resource(this, List.of(lockName), List.of(LockName.key(name, lockName)));
  }

  public String name() {
    return name;
  }

  public LockMode mode() {
    return mode;
  }

  boolean isOfNames() {
    return table == null;
  }

  Table<?> table() {
    return Objects.requireNonNull(table);
  }

  List<Field<?>> key() {
    return key;
  }

  List<String> keyNames() {
    return key.stream().map(Field::getName).toList();
  }

  /** Of the values that are sent, after converters. */
  List<Class<?>> keyTypes() {
    return key.stream().<Class<?>>map(column -> column.getConverter().fromType()).toList();
  }

  /** Whether another class of the same name locks the same. */
  boolean isOfSame(LockClass other) {
    return isOfNames() == other.isOfNames()
        && (table == null
            || (table.getQualifiedName().equals(other.table().getQualifiedName())
                && keyNames().equals(other.keyNames())
                && keyTypes().equals(other.keyTypes())));
  }

  boolean blocksReferences() {
    return blocksReferences;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof LockClass that && name.equals(that.name);
  }

  @Override
  public int hashCode() {
    return name.hashCode();
  }

  @Override
  public String toString() {
    return name;
  }
}
