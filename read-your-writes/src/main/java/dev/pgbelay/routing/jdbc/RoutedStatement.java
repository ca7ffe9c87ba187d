package dev.pgbelay.routing.jdbc;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Something that was made for one node and sends to it: a statement, the rows that it lets be
 * changed, or the metadata.
 */
final class RoutedStatement implements InvocationHandler {
  private static final Set<String> CHANGES_OF_ROWS =
      Set.of("insertRow", "updateRow", "deleteRow", "refreshRow");

  private final Object target;
  private final OpenRoute route;
  private final ConnectionRoutes routes;
  private final Object leadsBackTo;
  private final boolean rowsChange;
  private final AtomicBoolean closed = new AtomicBoolean();

  private RoutedStatement(
      Object target,
      OpenRoute route,
      ConnectionRoutes routes,
      Object leadsBackTo,
      boolean rowsChange) {
    this.target = target;
    this.route = route;
    this.routes = routes;
    this.leadsBackTo = leadsBackTo;
    this.rowsChange = rowsChange;
  }

  static Object statement(
      Statement statement,
      Class<?> type,
      OpenRoute route,
      ConnectionRoutes routes,
      Connection connection)
      throws java.sql.SQLException {
    boolean rowsChange = statement.getResultSetConcurrency() == ResultSet.CONCUR_UPDATABLE;
    route.statementOpened();
    return proxy(type, new RoutedStatement(statement, route, routes, connection, rowsChange));
  }

  static Object metaData(
      Object metaData,
      Class<?> type,
      OpenRoute route,
      ConnectionRoutes routes,
      Connection connection) {
    return proxy(type, new RoutedStatement(metaData, route, routes, connection, false));
  }

  private static Object proxy(Class<?> type, RoutedStatement handler) {
    return Proxy.newProxyInstance(
        RoutedStatement.class.getClassLoader(), new Class<?>[] {type}, handler);
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    String name = method.getName();
    return switch (name) {
      case "equals" -> args != null && proxy == args[0];
      case "hashCode" -> System.identityHashCode(proxy);
      case "getConnection", "getStatement" -> leadsBackTo;
      case "close" -> close(method, args);
      default -> sends(method) ? rows(proxy, run(method, args)) : rows(proxy, pass(method, args));
    };
  }

  private boolean sends(Method method) {
    String name = method.getName();
    if (target instanceof Statement) {
      return name.startsWith("execute");
    }
    return target instanceof ResultSet
        ? CHANGES_OF_ROWS.contains(name)
        : ResultSet.class.equals(method.getReturnType());
  }

  private @Nullable Object run(Method method, @Nullable Object @Nullable [] args) throws Throwable {
    routes.before(route);
    Object result;
    try {
      result = pass(method, args);
    } catch (Throwable failure) {
      Throwable told = routes.after(route, failure);
      throw told == null ? failure : told;
    }
    Throwable ignored = routes.after(route, null);
    return result;
  }

  private @Nullable Object pass(Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    return Calls.pass(target, method, args);
  }

  private @Nullable Object rows(Object proxy, @Nullable Object result) {
    return rowsChange && result instanceof ResultSet rows
        ? proxy(ResultSet.class, new RoutedStatement(rows, route, routes, proxy, false))
        : result;
  }

  private @Nullable Object close(Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    try {
      return pass(method, args);
    } finally {
      if (target instanceof Statement && closed.compareAndSet(false, true)) {
        routes.statementClosed(route);
      }
    }
  }
}
