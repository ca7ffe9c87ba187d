package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Says what a failure means, whatever it is wrapped in: causes and next exceptions are followed.
 * For a failure that came out of {@link Transactions}, what had been set for the transaction and
 * which node answered have been taken into account; for any other, an ambiguous SQLSTATE gets the
 * kind that claims less. Sends nothing and keeps nothing; safe for several threads.
 */
public final class Failures {
  private Failures() {}

  /**
   * The meaning of a failure. One that left several transactions, an inner one and those around it,
   * carries the verdict of the outermost; {@link TransactionException} keeps its own kind.
   *
   * @param failure as it was caught, wrapped or not
   * @return {@link FailureKind#OTHER} for what has nothing to do with a database, never null
   */
  public static FailureKind classify(Throwable failure) {
    return classify(failure, null);
  }

  /** The first SQLSTATE among the failure and what it wraps. */
  public static Optional<String> sqlState(Throwable failure) {
    for (Throwable each : chain(failure)) {
      if (each instanceof SQLException sql && sql.getSQLState() != null) {
        return Optional.of(sql.getSQLState());
      }
    }
    return Optional.empty();
  }

  /** The constraint that the server named, for violations. */
  public static Optional<String> constraint(Throwable failure) {
    for (Throwable each : chain(failure)) {
      Optional<String> constraint = PgDriver.constraint(each);
      if (constraint.isPresent()) {
        return constraint;
      }
    }
    return Optional.empty();
  }

  /**
   * What decides an ambiguous SQLSTATE.
   *
   * @param statementMillis the {@code statement_timeout} in force, 0 for none of ours
   * @param lockMillis the {@code lock_timeout} in force, 0 for none of ours
   * @param elapsedMillis since the failed statement began, as seen here
   * @param standby whether the node that answered was in recovery, null if not known
   */
  record Circumstances(
      long statementMillis, long lockMillis, long elapsedMillis, @Nullable Boolean standby) {}

  static FailureKind classify(Throwable failure, @Nullable Circumstances circumstances) {
    Set<Throwable> chain = chain(failure);
    for (Throwable each : chain) {
      if (each instanceof TransactionException own) {
        return own.kind();
      }
      FailureKind noted = FailureNote.latest(each);
      if (noted != null) {
        return noted;
      }
    }
    boolean waited = false;
    for (Throwable each : chain) {
      if (each instanceof SQLException sql) {
        if (sql.getSQLState() != null) {
          return ofState(sql.getSQLState(), circumstances);
        }
        waited = waited || sql instanceof SQLTransientConnectionException;
      }
    }
    return waited ? FailureKind.POOL_EXHAUSTED : FailureKind.OTHER;
  }

  /** Of a failure to get a connection: nothing has begun, whatever the SQLSTATE says. */
  static FailureKind whileConnecting(Throwable failure) {
    FailureKind kind = classify(failure);
    return switch (kind) {
      case POOL_EXHAUSTED, NOT_PERMITTED -> kind;
      case OTHER -> {
        if (!(failure instanceof SQLException)) {
          yield FailureKind.OTHER;
        }
        yield sqlState(failure).isPresent()
            ? FailureKind.CANNOT_CONNECT
            : FailureKind.POOL_EXHAUSTED;
      }
      default -> FailureKind.CANNOT_CONNECT;
    };
  }

  private static FailureKind ofState(String state, @Nullable Circumstances circumstances) {
    return switch (state) {
      case "40001", "40P01" -> concurrency(state, circumstances);
      case "40003", "08007" -> FailureKind.OUTCOME_UNKNOWN;
      case "57014" -> cancelled(circumstances);
      case "55P03" -> lockRefused(circumstances);
      case "25P02" -> FailureKind.TRANSACTION_ABORTED;
      case "25P03", "25P04" -> FailureKind.TRANSACTION_TIMEOUT;
      case "25006" -> FailureKind.READ_ONLY;
      case "57P03", "53300", "08001", "08004" -> FailureKind.CANNOT_CONNECT;
      case "57P01", "57P02", "57P04", "57P05" -> FailureKind.CONNECTION_LOST;
      case "23505" -> FailureKind.UNIQUE_VIOLATION;
      case "23503" -> FailureKind.FOREIGN_KEY_VIOLATION;
      case "42501" -> FailureKind.NOT_PERMITTED;
      default -> ofClass(state);
    };
  }

  private static FailureKind ofClass(String state) {
    if (state.length() < 2) {
      return FailureKind.OTHER;
    }
    return switch (state.substring(0, 2)) {
      case "08" -> FailureKind.CONNECTION_LOST;
      case "22" -> FailureKind.INVALID_DATA;
      case "23" -> FailureKind.CONSTRAINT_VIOLATION;
      case "28" -> FailureKind.NOT_PERMITTED;
      case "42" -> FailureKind.INVALID_STATEMENT;
      case "53", "54" -> FailureKind.RESOURCES_EXHAUSTED;
      default -> FailureKind.OTHER;
    };
  }

  private static FailureKind concurrency(String state, @Nullable Circumstances circumstances) {
    if (circumstances != null && Boolean.TRUE.equals(circumstances.standby())) {
      return FailureKind.RECOVERY_CONFLICT;
    }
    return state.equals("40P01") ? FailureKind.DEADLOCK : FailureKind.SERIALIZATION_FAILURE;
  }

  private static FailureKind cancelled(@Nullable Circumstances circumstances) {
    return circumstances != null
            && circumstances.statementMillis() > 0
            && circumstances.elapsedMillis() >= circumstances.statementMillis()
        ? FailureKind.STATEMENT_TIMEOUT
        : FailureKind.QUERY_CANCELED;
  }

  private static FailureKind lockRefused(@Nullable Circumstances circumstances) {
    return circumstances != null
            && circumstances.lockMillis() > 0
            && circumstances.elapsedMillis() >= circumstances.lockMillis()
        ? FailureKind.LOCK_TIMEOUT
        : FailureKind.LOCK_NOT_AVAILABLE;
  }

  static Set<Throwable> chain(Throwable failure) {
    Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    Set<Throwable> ordered = new LinkedHashSet<>();
    Deque<Throwable> open = new ArrayDeque<>();
    open.add(failure);
    while (!open.isEmpty()) {
      Throwable each = open.poll();
      if (!seen.add(each)) {
        continue;
      }
      ordered.add(each);
      if (each.getCause() != null) {
        open.add(each.getCause());
      }
      if (each instanceof SQLException sql && sql.getNextException() != null) {
        open.add(sql.getNextException());
      }
    }
    return ordered;
  }
}
