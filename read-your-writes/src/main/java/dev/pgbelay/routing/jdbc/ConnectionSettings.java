package dev.pgbelay.routing.jdbc;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What was set on a connection, for those of pools that it stands for. Used by one thread at a
 * time.
 */
final class ConnectionSettings {
  /** Does one thing to a connection of a pool. */
  interface Action {
    void on(Connection connection) throws SQLException;
  }

  /** Sets something, and says how that is undone; null where the pool does it. */
  interface Setting {
    @Nullable Action applyTo(Connection connection) throws SQLException;
  }

  /** Those that the driver sets on the server's session. */
  static final Set<String> OF_SERVER_SESSION = Set.of("isolation", "schema");

  private final Map<String, Setting> settings = new LinkedHashMap<>();
  private final Map<String, Object> values = new LinkedHashMap<>();
  private boolean autoCommit = true;
  private boolean readOnly;
  private DeclaredAt declaredAt = DeclaredAt.UNKNOWN;

  boolean isAutoCommit() {
    return autoCommit;
  }

  void autoCommit(boolean on) {
    autoCommit = on;
  }

  boolean isReadOnly() {
    return readOnly;
  }

  void readOnly(boolean on, DeclaredAt at) {
    readOnly = on;
    declaredAt = at;
  }

  DeclaredAt declaredAt() {
    return declaredAt;
  }

  /** PostgreSQL refuses SERIALIZABLE on replicas. */
  boolean wantsReplica() {
    return readOnly
        && !Integer.valueOf(Connection.TRANSACTION_SERIALIZABLE).equals(value("isolation"));
  }

  void set(String name, @Nullable Object value, Setting setting) {
    settings.put(name, setting);
    if (value == null) {
      values.remove(name);
    } else {
      values.put(name, value);
    }
  }

  /** What was set last; null where nothing was, or null. */
  @Nullable Object value(String name) {
    return values.get(name);
  }

  /** All of them; autocommit comes last, so that nothing before it begins a transaction. */
  void applyTo(OpenRoute route) throws SQLException {
    Connection connection = route.connection();
    boolean autoCommitBefore = connection.getAutoCommit();
    if (!autoCommitBefore) {
      connection.setAutoCommit(true);
    }
    if (connection.isReadOnly() != readOnly) {
      connection.setReadOnly(readOnly);
      route.undoLater(each -> each.setReadOnly(!readOnly));
    }
    for (Map.Entry<String, Setting> setting : settings.entrySet()) {
      route.apply(setting.getKey(), setting.getValue());
    }
    if (!autoCommit) {
      connection.setAutoCommit(false);
    }
    route.undoLater(each -> each.setAutoCommit(autoCommitBefore));
  }
}
