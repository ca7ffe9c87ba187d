package dev.pgbelay.core;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.Savepoint;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A connection whose transaction belongs to somebody else: it refuses to be ended or changed. */
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
          "setNetworkTimeout");

  private final Connection connection;
  private final OwnedTx owner;

  private GuardedConnection(Connection connection, OwnedTx owner) {
    this.connection = connection;
    this.owner = owner;
  }

  static Connection around(Connection connection, OwnedTx owner) {
    return (Connection)
        Proxy.newProxyInstance(
            GuardedConnection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            new GuardedConnection(connection, owner));
  }

  /** The transaction that a connection was handed out by, if it is one of these. */
  static @Nullable OwnedTx ownerOf(Connection connection) {
    return Proxy.isProxyClass(connection.getClass())
            && Proxy.getInvocationHandler(connection) instanceof GuardedConnection guarded
        ? guarded.owner
        : null;
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    return switch (method.getName()) {
      case "equals" -> args != null && proxy == args[0];
      case "hashCode" -> System.identityHashCode(proxy);
      case "toString" -> "transaction on " + connection;
      case "unwrap" -> isOfAskedType(args) ? connection : pass(method, args);
      case "isWrapperFor" -> isOfAskedType(args) ? true : pass(method, args);
      case "rollback" -> {
        if (args != null && args.length == 1 && args[0] instanceof Savepoint) {
          yield pass(method, args);
        }
        throw refusal("rollback");
      }
      case "createStatement", "prepareStatement", "prepareCall" -> {
        owner.noticeState();
        yield pass(method, args);
      }
      default -> {
        if (REFUSED.contains(method.getName())) {
          throw refusal(method.getName());
        }
        yield pass(method, args);
      }
    };
  }

  private boolean isOfAskedType(@Nullable Object @Nullable [] args) {
    return args != null && args[0] instanceof Class<?> type && type.isInstance(connection);
  }

  private @Nullable Object pass(Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    try {
      return method.invoke(connection, args);
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
