package dev.pgbelay.routing.jdbc;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.Statement;
import java.util.Objects;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** A connection that leads nowhere until it has to, and then where it has to. */
final class RoutedConnection implements InvocationHandler {
  private final ConnectionRoutes routes;
  private final ConnectionSettings settings;
  private final SettingCalls settingCalls;

  private RoutedConnection(ConnectionRoutes routes) {
    this.routes = routes;
    this.settings = routes.settings();
    this.settingCalls = new SettingCalls(routes);
  }

  static Connection around(ConnectionRoutes routes) {
    return (Connection)
        Proxy.newProxyInstance(
            RoutedConnection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            new RoutedConnection(routes));
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    switch (method.getName()) {
      case "equals" -> {
        return args != null && proxy == args[0];
      }
      case "hashCode" -> {
        return System.identityHashCode(proxy);
      }
      case "toString" -> {
        return described();
      }
      case "close" -> {
        routes.close();
        return null;
      }
      case "isClosed" -> {
        return routes.isClosed();
      }
      case "abort" -> {
        routes.abort((Executor) Calls.first(args));
        return null;
      }
      case "isValid" -> {
        return isValid(method, args);
      }
      default -> {
        routes.requireOpen();
        return open((Connection) proxy, method, args);
      }
    }
  }

  private @Nullable Object open(Connection proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    switch (method.getName()) {
      case "createStatement" -> {
        return statement(Statement.class, proxy, method, args);
      }
      case "prepareStatement" -> {
        return statement(PreparedStatement.class, proxy, method, args);
      }
      case "prepareCall" -> {
        return statement(CallableStatement.class, proxy, method, args);
      }
      case "getMetaData" -> {
        OpenRoute route = routes.route();
        Object metaData = Calls.pass(route.connection(), method, args);
        return RoutedStatement.metaData(
            Objects.requireNonNull(metaData), DatabaseMetaData.class, route, routes, proxy);
      }
      case "commit" -> {
        routes.commit();
        return null;
      }
      case "rollback" -> {
        if (args == null) {
          routes.rollback();
          return null;
        }
        return sent(method, args);
      }
      case "setSavepoint", "releaseSavepoint" -> {
        return sent(method, args);
      }
      case "unwrap" -> {
        return unwrap(proxy, method, args);
      }
      case "isWrapperFor" -> {
        return ((Class<?>) Calls.first(args)).isInstance(proxy)
            || Boolean.TRUE.equals(Calls.pass(routes.route().connection(), method, args));
      }
      case "getWarnings", "clearWarnings" -> {
        OpenRoute now = routes.currentOrNull();
        return now == null ? null : Calls.pass(now.connection(), method, args);
      }
      default -> {
        return settingCalls.call(method, args);
      }
    }
  }

  private Object statement(
      Class<?> type, Connection proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    OpenRoute route = routes.route();
    Object made = Objects.requireNonNull(Calls.pass(route.connection(), method, args));
    return RoutedStatement.statement((Statement) made, type, route, routes, proxy);
  }

  /** What begins a transaction or needs one, as a statement does. */
  private @Nullable Object sent(Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    OpenRoute route = routes.route();
    routes.before(route);
    Object result;
    try {
      result = Calls.pass(route.connection(), method, args);
    } catch (Throwable failure) {
      Throwable told = routes.after(route, failure);
      throw told == null ? failure : told;
    }
    Throwable ignored = routes.after(route, null);
    return result;
  }

  private @Nullable Object unwrap(
      Connection proxy, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    if (((Class<?>) Calls.first(args)).isInstance(proxy)) {
      return proxy;
    }
    Object driver = Calls.pass(routes.route().connection(), method, args);
    routes.driverHandedOut();
    return driver;
  }

  private boolean isValid(Method method, @Nullable Object @Nullable [] args) throws Throwable {
    if (routes.isClosed()) {
      return false;
    }
    OpenRoute now = routes.currentOrNull();
    return now == null || Boolean.TRUE.equals(Calls.pass(now.connection(), method, args));
  }

  private String described() {
    OpenRoute now = routes.currentOrNull();
    return "routed connection"
        + (settings.isReadOnly() ? ", read-only" : "")
        + (now == null ? ", leading nowhere yet" : ", to node " + now.lent().decision().node());
  }
}
