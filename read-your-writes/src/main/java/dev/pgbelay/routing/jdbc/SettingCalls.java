package dev.pgbelay.routing.jdbc;

import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** What calls on a connection set and ask of it, whichever one of a pool it stands for. */
final class SettingCalls {
  private static final Set<Integer> ISOLATIONS =
      Set.of(
          Connection.TRANSACTION_READ_UNCOMMITTED,
          Connection.TRANSACTION_READ_COMMITTED,
          Connection.TRANSACTION_REPEATABLE_READ,
          Connection.TRANSACTION_SERIALIZABLE);

  private final ConnectionRoutes routes;
  private final ConnectionSettings settings;

  SettingCalls(ConnectionRoutes routes) {
    this.routes = routes;
    this.settings = routes.settings();
  }

  @Nullable Object call(Method method, @Nullable Object @Nullable [] args) throws Throwable {
    switch (method.getName()) {
      case "setReadOnly" -> {
        routes.setReadOnly((Boolean) Calls.first(args));
        return null;
      }
      case "isReadOnly" -> {
        return settings.isReadOnly();
      }
      case "setAutoCommit" -> {
        routes.setAutoCommit((Boolean) Calls.first(args));
        return null;
      }
      case "getAutoCommit" -> {
        return settings.isAutoCommit();
      }
      case "setTransactionIsolation" -> {
        isolation((Integer) Calls.first(args));
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
        int holdability = (Integer) Calls.first(args);
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
        networkTimeout((Executor) Calls.first(args), (Integer) Calls.second(args));
        return null;
      }
      case "getNetworkTimeout" -> {
        return known("networkTimeout", method, args);
      }
      case "setTypeMap" -> {
        typeMap(Calls.first(args));
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
    Object named = Calls.first(args);
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
}
