package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.internal.ServerOrder;
import dev.pgbelay.lock.witness.TableInfo.KeyColumn;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jooq.Collation;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * Compares keys as the server orders them. Texts under a collation of their own are left to the
 * server, where it may be asked; otherwise they are not compared at all.
 */
final class LockKeyOrder {
  /** Asks nobody. */
  static final LockKeyOrder PLAIN = new LockKeyOrder(() -> null, false);

  private final Supplier<@Nullable DataSource> server;
  private final boolean mayAsk;

  LockKeyOrder(Supplier<@Nullable DataSource> server, boolean mayAsk) {
    this.server = server;
    this.mayAsk = mayAsk;
  }

  /** Negative, zero or positive; empty where the order is not known. */
  OptionalInt compare(LockKey left, LockKey right) {
    if (!left.isOfSameColumns(right)) {
      return OptionalInt.empty();
    }
    for (int i = 0; i < left.columns().size(); i++) {
      OptionalInt order =
          compare(left.columns().get(i), left.values().get(i), right.values().get(i));
      if (order.isEmpty() || order.getAsInt() != 0) {
        return order;
      }
    }
    return OptionalInt.of(0);
  }

  static boolean isPlain(LockKey key) {
    for (KeyColumn column : key.columns()) {
      if (!isByBytes(column)) {
        return false;
      }
    }
    return true;
  }

  private OptionalInt compare(KeyColumn column, Object left, Object right) {
    if (left.equals(right)) {
      return OptionalInt.of(0);
    }
    OptionalInt known = ServerOrder.compare(left, right);
    if (known.isPresent()) {
      return known;
    }
    return left instanceof String a && right instanceof String b
        ? compareTexts(column, a, b)
        : OptionalInt.empty();
  }

  private OptionalInt compareTexts(KeyColumn column, String left, String right) {
    if (isByBytes(column)) {
      return OptionalInt.of(
          Arrays.compareUnsigned(
              left.getBytes(StandardCharsets.UTF_8), right.getBytes(StandardCharsets.UTF_8)));
    }
    DataSource source = mayAsk ? server.get() : null;
    if (source == null) {
      return OptionalInt.empty();
    }
    DSLContext dsl = DSL.using(source, SQLDialect.POSTGRES);
    // The database's default collation is named in the catalog, but cannot be asked for by name
    // in each version; without a COLLATE clause a text has it.
    Collation collation = DSL.collation(DSL.name(column.collationSchema(), column.collation()));
    boolean byDefault = column.collation().equals("default");
    try {
      Boolean lower =
          dsl.select(
                  byDefault
                      ? DSL.val(left).lt(right)
                      : DSL.val(left).collate(collation).lt(DSL.val(right).collate(collation)))
              .fetchOne(0, Boolean.class);
      return lower == null ? OptionalInt.empty() : OptionalInt.of(lower ? -1 : 1);
    } catch (DataAccessException e) {
      return OptionalInt.empty();
    }
  }

  /** The C collation orders by bytes, and in a UTF-8 database those are the code points. */
  private static boolean isByBytes(KeyColumn column) {
    return switch (column.collation()) {
      case "" -> true; // not a text for the server: bytes, written in hexadecimal
      case "C", "POSIX", "ucs_basic", "pg_c_utf8" -> column.collationSchema().equals("pg_catalog");
      default -> false;
    };
  }
}
