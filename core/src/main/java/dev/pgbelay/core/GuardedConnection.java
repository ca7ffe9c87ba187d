package dev.pgbelay.core;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Objects;
import java.util.Set;
import org.jooq.ConnectionProvider;
import org.jspecify.annotations.Nullable;

/**
 * A connection whose transaction belongs to somebody else: it refuses to be ended or changed. It
 * borrows the real one for each call, so that a provider which counts its users gets each of them
 * back.
 */
final class GuardedConnection implements InvocationHandler {
  private static final Set<String> REFUSED =
      Set.of(
          "commit",
          "close",
          "abort",
          "setAutoCommit",
          "setReadOnly",
          "setTransactionIsolation",
          "setSchema",
          "setCatalog",
          "setHoldability",
          "setClientInfo",
          "setNetworkTimeout");

  private final ConnectionProvider source;
  private final ConnectionOwner owner;

  private GuardedConnection(ConnectionProvider source, ConnectionOwner owner) {
    this.source = source;
    this.owner = owner;
  }

  static Connection around(ConnectionProvider source, ConnectionOwner owner) {
    return (Connection)
        Proxy.newProxyInstance(
            GuardedConnection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            new GuardedConnection(source, owner));
  }

  /** The transaction that a connection was handed out by, if it is one of these. */
  static @Nullable Tx ownerOf(Connection connection) {
    return Proxy.isProxyClass(connection.getClass())
            && Proxy.getInvocationHandler(connection) instanceof GuardedConnection guarded
        ? guarded.owner
        : null;
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    String name = method.getName();
    if (REFUSED.contains(name) || (name.equals("rollback") && args == null)) {
      throw refusal(name);
    }
    return switch (name) {
      case "equals" -> args != null && proxy == args[0];
      case "hashCode" -> System.identityHashCode(proxy);
      case "toString" -> "connection of the transaction of path '" + owner.path() + "'";
      case "isClosed" ->
          owner.watch().hasReturned()
              || Boolean.TRUE.equals(borrow((Connection) proxy, method, args));
      default -> borrow((Connection) proxy, method, args);
    };
  }

  private @Nullable Object borrow(
      Connection proxy, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    owner.watch().requireRunning();
    Connection connection = source.acquire();
    if (connection == null) {
      throw new TransactionException(
          FailureKind.MISUSE, "the transaction of path '" + owner.path() + "' has ended", null);
    }
    try {
      return call(connection, proxy, method, args);
    } finally {
      source.release(connection);
    }
  }

  private @Nullable Object call(
      Connection connection, Connection proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    return switch (method.getName()) {
      case "unwrap" -> {
        owner.watch().handOutDriver();
        yield unwrapOrPass(connection, method, args);
      }
      case "isWrapperFor" -> unwrapOrPass(connection, method, args);
      case "createStatement" -> statement(connection, Statement.class, proxy, method, args);
      case "prepareStatement" ->
          statement(connection, PreparedStatement.class, proxy, method, args);
      case "prepareCall" -> statement(connection, CallableStatement.class, proxy, method, args);
      case "setSavepoint" -> {
        Savepoint savepoint = (Savepoint) Objects.requireNonNull(pass(connection, method, args));
        owner.savepointSet(savepoint);
        yield savepoint;
      }
      case "releaseSavepoint" -> {
        Object nothing = pass(connection, method, args);
        owner.savepointReleased(savepoint(args));
        yield nothing;
      }
      case "rollback" -> {
        Object nothing = pass(connection, method, args);
        owner.rolledBackTo(savepoint(args));
        yield nothing;
      }
      default -> pass(connection, method, args);
    };
  }

  private Object statement(
      Connection connection,
      Class<?> type,
      Connection proxy,
      Method method,
      @Nullable Object @Nullable [] args)
      throws Throwable {
    owner.watch().beforeStatement();
    Object statement = Objects.requireNonNull(pass(connection, method, args));
    return GuardedStatement.around(statement, type, proxy, owner.watch());
  }

  private static Savepoint savepoint(@Nullable Object @Nullable [] args) {
    return (Savepoint) Objects.requireNonNull(Objects.requireNonNull(args)[0]);
  }

  /** For the two methods of {@link java.sql.Wrapper}. */
  static @Nullable Object unwrapOrPass(
      Object target, Method method, @Nullable Object @Nullable [] args) throws Throwable {
    if (args != null && args[0] instanceof Class<?> type && type.isInstance(target)) {
      return method.getName().equals("unwrap") ? target : true;
    }
    return pass(target, method, args);
  }

  static @Nullable Object pass(Object target, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    try {
      return method.invoke(target, args);
    } catch (InvocationTargetException e) {
      throw e.getCause() == null ? e : e.getCause();
    }
  }

  private TransactionException refusal(String method) {
    return new TransactionException(
        FailureKind.MISUSE,
        "Connection."
            + method
            + "() is refused inside the transaction of path '"
            + owner.path()
            + "': its owner ends it. Return from the work to commit, throw to roll back, use"
            + " TxOptions for modes",
        null);
  }
}
