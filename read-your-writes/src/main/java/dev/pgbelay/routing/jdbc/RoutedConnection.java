package dev.pgbelay.routing.jdbc;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** A connection that leads nowhere until it has to, and then where it has to. */
final class RoutedConnection implements InvocationHandler {
  private static final Set<Integer> ISOLATIONS =
      Set.of(
          Connection.TRANSACTION_READ_UNCOMMITTED,
          Connection.TRANSACTION_READ_COMMITTED,
          Connection.TRANSACTION_REPEATABLE_READ,
          Connection.TRANSACTION_SERIALIZABLE);

  private final ConnectionRoutes routes;
  private final ConnectionSettings settings;

  private RoutedConnection(ConnectionRoutes routes) {
    this.routes = routes;
    this.settings = routes.settings();
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
        routes.abort((Executor) given(args));
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
        return ((Class<?>) given(args)).isInstance(proxy)
            || Boolean.TRUE.equals(Calls.pass(routes.route().connection(), method, args));
      }
      case "getWarnings", "clearWarnings" -> {
        OpenRoute now = routes.currentOrNull();
        return now == null ? null : Calls.pass(now.connection(), method, args);
      }
      default -> {
        return setting(method, args);
      }
    }
  }

  private @Nullable Object setting(Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    switch (method.getName()) {
      case "setReadOnly" -> {
        routes.setReadOnly((Boolean) given(args));
        return null;
      }
      case "isReadOnly" -> {
        return settings.isReadOnly();
      }
      case "setAutoCommit" -> {
        routes.setAutoCommit((Boolean) given(args));
        return null;
      }
      case "getAutoCommit" -> {
        return settings.isAutoCommit();
      }
      case "setTransactionIsolation" -> {
        isolation((Integer) given(args));
        return null;
      }
      case "getTransactionIsolation" -> {
        return known("isolation", method, args);
      }
      case "setSchema" -> {
        schema(args == null ? null : (String) args[0]);
        return null;
      }
      case "getSchema" -> {
        return known("schema", method, args);
      }
      case "setHoldability" -> {
        int holdability = (Integer) given(args);
        routes.set(
            "holdability",
            holdability,
            each -> {
              int before = each.getHoldability();
              each.setHoldability(holdability);
              return after -> after.setHoldability(before);
            });
        return null;
      }
      case "getHoldability" -> {
        return known("holdability", method, args);
      }
      case "setNetworkTimeout" -> {
        networkTimeout((Executor) given(args), (Integer) second(args));
        return null;
      }
      case "getNetworkTimeout" -> {
        return known("networkTimeout", method, args);
      }
      case "setTypeMap" -> {
        typeMap(given(args));
        return null;
      }
      case "setClientInfo" -> {
        clientInfo(args);
        return null;
      }
      case "setCatalog" -> {
        // As the driver has it: a connection is to one database.
        return null;
      }
      default -> {
        // Arrays, large objects and the like: made by the driver for the node at hand.
        return Calls.pass(routes.route().connection(), method, args);
      }
    }
  }

  private static Object given(@Nullable Object @Nullable [] args) {
    return Objects.requireNonNull(Objects.requireNonNull(args)[0]);
  }

  private static Object second(@Nullable Object @Nullable [] args) {
    return Objects.requireNonNull(Objects.requireNonNull(args)[1]);
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
    if (((Class<?>) given(args)).isInstance(proxy)) {
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

  private @Nullable Object known(String name, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    Object value = settings.value(name);
    return value != null ? value : Calls.pass(routes.route().connection(), method, args);
  }

  private void isolation(int level) throws SQLException {
    if (!ISOLATIONS.contains(level)) {
      throw new SQLException("there is no transaction isolation level " + level, "22023");
    }
    routes.set(
        "isolation",
        level,
        each -> {
          each.setTransactionIsolation(level);
          return null;
        });
  }

  private void schema(@Nullable String schema) throws SQLException {
    routes.set(
        "schema",
        schema,
        each -> {
          each.setSchema(schema);
          return after -> after.setSchema(null);
        });
  }

  private void networkTimeout(Executor executor, int millis) throws SQLException {
    routes.set(
        "networkTimeout",
        millis,
        each -> {
          int before = each.getNetworkTimeout();
          each.setNetworkTimeout(executor, millis);
          return after -> after.setNetworkTimeout(executor, before);
        });
  }

  @SuppressWarnings("unchecked")
  private void typeMap(Object types) throws SQLException {
    Map<String, Class<?>> map = (Map<String, Class<?>>) types;
    routes.set(
        "typeMap",
        map,
        each -> {
          Map<String, Class<?>> before = each.getTypeMap();
          each.setTypeMap(map);
          return after -> after.setTypeMap(before);
        });
  }

  private void clientInfo(@Nullable Object @Nullable [] args) throws SQLException {
    Object named = given(args);
    if (named instanceof Properties all) {
      for (String name : all.stringPropertyNames()) {
        clientInfo(name, all.getProperty(name));
      }
    } else {
      clientInfo((String) named, (String) Objects.requireNonNull(args)[1]);
    }
  }

  private void clientInfo(String name, @Nullable String value) throws SQLException {
    routes.set(
        "clientInfo." + name,
        value,
        each -> {
          String before = each.getClientInfo(name);
          each.setClientInfo(name, value);
          return after -> after.setClientInfo(name, before);
        });
  }

  private String described() {
    OpenRoute now = routes.currentOrNull();
    return "routed connection"
        + (settings.isReadOnly() ? ", read-only" : "")
        + (now == null ? ", leading nowhere yet" : ", to node " + now.lent().decision().node());
  }
}
