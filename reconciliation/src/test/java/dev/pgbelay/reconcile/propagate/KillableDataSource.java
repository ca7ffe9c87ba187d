package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.core.internal.PassingDataSource;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.Statement;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.sql.DataSource;

/**
 * Of a process that dies just before a statement: its connections break, and none of its code that
 * handles exceptions runs on.
 */
final class KillableDataSource extends PassingDataSource {
  private static final Set<String> EXECUTES =
      Set.of("execute", "executeQuery", "executeUpdate", "executeBatch", "executeLargeUpdate");

  /** Nobody catches it. */
  static final class Killed extends Error {
    private static final long serialVersionUID = 1L;
  }

  private final Map<String, Integer> killedBefore = new TreeMap<>();
  private int left = Integer.MAX_VALUE;

  KillableDataSource(DataSource target) {
    super(target);
  }

  /** Before the so-manieth statement from now. */
  synchronized void killBefore(int statement) {
    left = statement;
  }

  synchronized Map<String, Integer> killedBefore() {
    return new TreeMap<>(killedBefore);
  }

  @Override
  protected Connection passed(Connection connection) {
    return around(Connection.class, connection, connection, "");
  }

  private synchronized boolean dies(String sql) {
    if (--left != 0) {
      return false;
    }
    left = Integer.MAX_VALUE;
    String begin = sql.strip().replaceAll("\\s+", " ");
    killedBefore.merge(begin.substring(0, Math.min(50, begin.length())), 1, Integer::sum);
    return true;
  }

  private <T> T around(Class<T> type, T target, Connection connection, String sql) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (self, method, arguments) -> {
              String text =
                  arguments != null && arguments.length > 0 && arguments[0] instanceof String given
                      ? given
                      : sql;
              if (EXECUTES.contains(method.getName()) && dies(text)) {
                connection.abort(Runnable::run);
                throw new Killed();
              }
              Object result;
              try {
                result = method.invoke(target, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
              return result instanceof Statement
                  ? wrapped(method.getReturnType(), result, connection, text)
                  : result;
            }));
  }

  private <T> Object wrapped(Class<T> type, Object result, Connection connection, String sql) {
    return type.isInterface() ? around(type, type.cast(result), connection, sql) : result;
  }
}
