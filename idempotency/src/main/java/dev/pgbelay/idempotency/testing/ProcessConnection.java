package dev.pgbelay.idempotency.testing;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.Statement;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Connections and statements with a boundary before and behind each thing they send. */
final class ProcessConnection {
  private static final Pattern COMMIT =
      Pattern.compile("(^|;)\\s*(commit|end)\\b", Pattern.CASE_INSENSITIVE);
  private static final int SHOWN = 60;

  /** Answered by the driver alone; a process that is dead may ask as well. */
  private static final Set<String> HARMLESS =
      Set.of("isClosed", "unwrap", "isWrapperFor", "toString");

  private ProcessConnection() {}

  static Connection of(SimulatedProcess process, Connection connection) {
    process.opened(connection);
    return proxy(Connection.class, new OfConnection(process, connection));
  }

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(
        Proxy.newProxyInstance(
            ProcessConnection.class.getClassLoader(), new Class<?>[] {type}, handler));
  }

  private static @Nullable Object call(
      Object target, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    try {
      return method.invoke(target, args);
    } catch (InvocationTargetException e) {
      throw e.getCause() == null ? e : e.getCause();
    }
  }

  /** A proxy is equal to itself, and to nothing else. */
  private static @Nullable Object identity(
      Object proxy, Method method, @Nullable Object @Nullable [] args) {
    return switch (method.getName()) {
      case "equals" -> args != null && proxy == args[0];
      case "hashCode" -> System.identityHashCode(proxy);
      default -> null;
    };
  }

  /** With a boundary on both sides. */
  private static @Nullable Object send(
      SimulatedProcess process,
      String what,
      Object target,
      Method method,
      @Nullable Object @Nullable [] args)
      throws Throwable {
    process.boundary("before " + what);
    Object result = call(target, method, args);
    process.boundary("after " + what);
    return result;
  }

  private static String inWords(String sql) {
    if (COMMIT.matcher(sql).find()) {
      return "the COMMIT";
    }
    String line = sql.strip().replaceAll("\\s+", " ");
    return line.length() <= SHOWN ? line : line.substring(0, SHOWN) + "…";
  }

  private record OfConnection(SimulatedProcess process, Connection target)
      implements InvocationHandler {
    @Override
    public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
        throws Throwable {
      Object identity = identity(proxy, method, args);
      if (identity != null) {
        return identity;
      }
      String name = method.getName();
      if (name.equals("close") || name.equals("abort")) {
        process.closed(target);
        return process.isDead() ? null : call(target, method, args);
      }
      if (HARMLESS.contains(name)) {
        return call(target, method, args);
      }
      process.requireRunning();
      if (name.equals("commit")) {
        return send(process, "the COMMIT", target, method, args);
      }
      Object result = call(target, method, args);
      if (result instanceof Statement statement) {
        String sql = args != null && args.length > 0 && args[0] instanceof String s ? s : "";
        OfStatement handler = new OfStatement(process, statement, sql, (Connection) proxy);
        return result instanceof CallableStatement
            ? proxy(CallableStatement.class, handler)
            : result instanceof PreparedStatement
                ? proxy(PreparedStatement.class, handler)
                : proxy(Statement.class, handler);
      }
      return result;
    }
  }

  private record OfStatement(
      SimulatedProcess process, Statement target, String sql, Connection connection)
      implements InvocationHandler {
    @Override
    public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
        throws Throwable {
      Object identity = identity(proxy, method, args);
      if (identity != null) {
        return identity;
      }
      String name = method.getName();
      if (name.equals("close") && process.isDead()) {
        return null;
      }
      if (HARMLESS.contains(name)) {
        return call(target, method, args);
      }
      if (name.equals("getConnection")) {
        return connection;
      }
      process.requireRunning();
      if (name.startsWith("execute")) {
        String text = args != null && args.length > 0 && args[0] instanceof String s ? s : sql;
        return send(process, inWords(text), target, method, args);
      }
      return call(target, method, args);
    }
  }
}
