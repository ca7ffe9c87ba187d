package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.BoundValues;
import dev.pgbelay.core.observe.CallSite;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** A statement that tells a session's witness what it ran, with what was bound to it. */
final class WatchedStatement implements InvocationHandler {
  private final Object connection;
  private final Statement target;
  private final String prepared;
  private final WatchedConnection watched;
  private @Nullable Object[] values = new @Nullable Object[8];
  private int valueCount;
  private final List<@Nullable Object[]> sets = new ArrayList<>(0);
  private final List<String> texts = new ArrayList<>(0);

  private WatchedStatement(
      Object connection, Statement target, String prepared, WatchedConnection watched) {
    this.connection = connection;
    this.target = target;
    this.prepared = prepared;
    this.watched = watched;
  }

  static Object around(
      Object connection,
      Class<? extends Statement> type,
      Statement target,
      String prepared,
      WatchedConnection watched) {
    return Proxy.newProxyInstance(
        WatchedStatement.class.getClassLoader(),
        new Class<?>[] {type},
        new WatchedStatement(connection, target, prepared, watched));
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    String name = method.getName();
    if (name.startsWith("execute")) {
      return execute(name, method, args);
    }
    if (args != null
        && args.length > 1
        && name.startsWith("set")
        && args[0] instanceof Integer ordinal) {
      bind(ordinal, name.equals("setNull") ? null : args[1]);
      return WatchedConnection.call(target, method, args);
    }
    return switch (name) {
      case "equals" -> args != null && proxy == args[0];
      case "hashCode" -> System.identityHashCode(proxy);
      case "toString" -> "watched statement"; // the driver's own shows bound values
      case "getConnection" -> connection;
      case "unwrap" -> isOfAskedType(args) ? target : WatchedConnection.call(target, method, args);
      case "isWrapperFor" ->
          isOfAskedType(args) ? (Object) true : WatchedConnection.call(target, method, args);
      default -> {
        note(name, args);
        yield WatchedConnection.call(target, method, args);
      }
    };
  }

  private boolean isOfAskedType(@Nullable Object @Nullable [] args) {
    return args != null && args[0] instanceof Class<?> type && type.isInstance(target);
  }

  private void bind(int ordinal, @Nullable Object value) {
    if (ordinal >= 1) {
      if (ordinal > values.length) {
        values = Arrays.copyOf(values, Math.max(ordinal, values.length * 2));
      }
      values[ordinal - 1] = value;
      valueCount = Math.max(valueCount, ordinal);
    }
  }

  private void note(String method, @Nullable Object @Nullable [] args) {
    switch (method) {
      case "addBatch" -> {
        if (args == null || args.length == 0) {
          sets.add(Arrays.copyOf(values, valueCount));
        } else {
          texts.add(String.valueOf(args[0]));
        }
      }
      case "clearBatch" -> {
        sets.clear();
        texts.clear();
      }
      case "clearParameters" -> {
        Arrays.fill(values, null);
        valueCount = 0;
      }
      default -> {}
    }
  }

  private @Nullable Object execute(String name, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    boolean batch = name.equals("executeBatch") || name.equals("executeLargeBatch");
    List<String> sql =
        batch
            ? prepared.isEmpty() ? List.copyOf(texts) : List.of(prepared)
            : List.of(args == null || args.length == 0 ? prepared : String.valueOf(args[0]));
    BoundValues bound = BoundValues.none();
    if (batch) {
      bound = BoundValues.of(List.copyOf(sets));
    } else if (valueCount > 0) {
      bound = BoundValues.of(List.<@Nullable Object[]>of(Arrays.copyOf(values, valueCount)));
    }
    sets.clear();
    texts.clear();
    if (!sql.isEmpty()) {
      watched.session().starting(sql.get(0));
    }
    Object result = null;
    Throwable failure = null;
    try {
      result = WatchedConnection.call(target, method, args);
      return result;
    } catch (SQLException e) {
      failure = e;
      DeadlockReport deadlock = tell(sql, bound, result, e);
      throw deadlock == null ? e : new DeadlockException(deadlock, e);
    } finally {
      if (failure == null) {
        tell(sql, bound, result, null);
      }
    }
  }

  private @Nullable DeadlockReport tell(
      List<String> sql, BoundValues bound, @Nullable Object result, @Nullable Throwable failure)
      throws SQLException {
    DeadlockReport deadlock = null;
    boolean idle = watched.isIdle();
    for (int i = 0; i < sql.size(); i++) {
      boolean last = i == sql.size() - 1;
      Execution execution =
          new Execution(
              sql.get(i),
              bound,
              idle && last,
              sql.size() == 1 ? updateCount(result) : OptionalLong.empty(),
              failure,
              CallSite::here);
      DeadlockReport report = watched.session().executed(execution);
      deadlock = report == null ? deadlock : report;
    }
    return deadlock;
  }

  private OptionalLong updateCount(@Nullable Object result) throws SQLException {
    if (result instanceof int[] counts) {
      return sum(Arrays.stream(counts).asLongStream().toArray());
    }
    if (result instanceof long[] counts) {
      return sum(counts);
    }
    if (result instanceof Number count) {
      return OptionalLong.of(count.longValue());
    }
    if (Boolean.FALSE.equals(result)) {
      long count = target.getLargeUpdateCount();
      return count < 0 ? OptionalLong.empty() : OptionalLong.of(count);
    }
    return OptionalLong.empty();
  }

  private static OptionalLong sum(long[] counts) {
    long sum = 0;
    for (long count : counts) {
      if (count < 0) {
        return OptionalLong.empty();
      }
      sum += count;
    }
    return OptionalLong.of(sum);
  }
}
