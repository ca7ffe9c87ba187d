package dev.pgbelay.lock.witness;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.core.observe.SavepointEvent.Action;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** A connection that tells a session's witness how its transactions end, and what runs on it. */
final class WatchedConnection implements InvocationHandler {
  private final Connection target;
  private final PGConnection driver;
  private final ObservedSession session;

  private WatchedConnection(Connection target, PGConnection driver, ObservedSession session) {
    this.target = target;
    this.driver = driver;
    this.session = session;
  }

  static Connection around(Connection target, PGConnection driver, ObservedSession session) {
    return (Connection)
        Proxy.newProxyInstance(
            WatchedConnection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            new WatchedConnection(target, driver, session));
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    String name = method.getName();
    return switch (name) {
      case "equals" -> args != null && proxy == args[0];
      case "hashCode" -> System.identityHashCode(proxy);
      case "toString" -> "watched " + target;
      case "isWrapperFor" -> isOfAskedType(args) ? (Object) true : call(target, method, args);
      case "unwrap" -> isOfAskedType(args) ? target : call(target, method, args);
      case "prepareStatement" ->
          prepared(proxy, PreparedStatement.class, call(target, method, args), args);
      case "prepareCall" ->
          prepared(proxy, CallableStatement.class, call(target, method, args), args);
      case "createStatement" ->
          WatchedStatement.around(
              proxy, Statement.class, (Statement) required(call(target, method, args)), "", this);
      case "setSavepoint" -> {
        Object made = call(target, method, args);
        if (made instanceof Savepoint savepoint) {
          session.savepoint(Action.SET, PgDriver.name(savepoint));
        }
        yield made;
      }
      case "releaseSavepoint" -> withSavepoint(Action.RELEASED, method, args);
      case "rollback" ->
          args != null && args.length == 1
              ? withSavepoint(Action.ROLLED_BACK_TO, method, args)
              : ending(false, method, args);
      case "commit" -> ending(true, method, args);
      case "close", "abort" -> ending(false, method, args);
      case "setSchema" -> {
        session.movedNames();
        yield call(target, method, args);
      }
      case "setAutoCommit" -> {
        Object none = call(target, method, args);
        if (PgDriver.state(driver) == PgDriver.State.IDLE) {
          session.end(true, CallSite::here);
        }
        yield none;
      }
      default -> call(target, method, args);
    };
  }

  private boolean isOfAskedType(@Nullable Object @Nullable [] args) {
    return args != null && args[0] instanceof Class<?> type && type.isInstance(target);
  }

  private Object prepared(
      Object proxy,
      Class<? extends PreparedStatement> type,
      @Nullable Object statement,
      @Nullable Object @Nullable [] args) {
    String sql = args == null || args[0] == null ? "" : args[0].toString();
    return WatchedStatement.around(proxy, type, (Statement) required(statement), sql, this);
  }

  private static Object required(@Nullable Object result) {
    if (result == null) {
      throw new IllegalStateException("the driver gave no statement");
    }
    return result;
  }

  private @Nullable Object withSavepoint(
      Action action, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    // Before the call, because a savepoint that was released no longer says its name.
    String name = null;
    if (args != null && args[0] instanceof Savepoint savepoint) {
      try {
        name = PgDriver.name(savepoint);
      } catch (SQLException released) {
        name = null;
      }
    }
    Object none = call(target, method, args);
    if (name != null) {
      session.savepoint(action, name);
    }
    return none;
  }

  private @Nullable Object ending(
      boolean commits, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    boolean aborted = PgDriver.state(driver) == PgDriver.State.FAILED;
    boolean done = false;
    try {
      Object result = call(target, method, args);
      done = true;
      return result;
    } catch (SQLException failure) {
      DeadlockReport deadlock = commits ? session.failedToCommit(failure) : null;
      throw deadlock == null ? failure : new DeadlockException(deadlock, failure);
    } finally {
      session.end(commits && done && !aborted, CallSite::here);
    }
  }

  ObservedSession session() {
    return session;
  }

  /** Whether no transaction is open, as the server said last. */
  boolean isIdle() {
    return PgDriver.state(driver) == PgDriver.State.IDLE;
  }

  static @Nullable Object call(Object target, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    try {
      return method.invoke(target, args);
    } catch (InvocationTargetException e) {
      throw e.getCause() == null ? e : e.getCause();
    }
  }
}
