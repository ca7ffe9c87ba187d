package dev.pgbelay.core;

import java.lang.reflect.Array;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import org.jspecify.annotations.Nullable;

/** A statement of a {@link GuardedConnection}: it leads back to that one, and is watched. */
final class GuardedStatement implements InvocationHandler {
  private final Object statement;
  private final Connection guarded;
  private final TransactionWatch watch;

  private GuardedStatement(Object statement, Connection guarded, TransactionWatch watch) {
    this.statement = statement;
    this.guarded = guarded;
    this.watch = watch;
  }

  static Object around(
      Object statement, Class<?> type, Connection guarded, TransactionWatch watch) {
    return Proxy.newProxyInstance(
        GuardedStatement.class.getClassLoader(),
        new Class<?>[] {type},
        new GuardedStatement(statement, guarded, watch));
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    String name = method.getName();
    return switch (name) {
      case "equals" -> args != null && proxy == args[0];
      case "hashCode" -> System.identityHashCode(proxy);
      case "getConnection" -> guarded;
      case "unwrap", "isWrapperFor" -> GuardedConnection.unwrapOrPass(statement, method, args);
      default ->
          name.startsWith("execute")
              ? execute(method, args)
              : GuardedConnection.pass(statement, method, args);
    };
  }

  private @Nullable Object execute(Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    watch.beforeStatement();
    Object result;
    try {
      result = GuardedConnection.pass(statement, method, args);
    } catch (Throwable failure) {
      watch.afterFailure(failure);
      throw failure;
    }
    if (!isEmptyBatch(result)) {
      watch.afterStatement();
    }
    return result;
  }

  /** It sends nothing, and so begins nothing. */
  private static boolean isEmptyBatch(@Nullable Object result) {
    return result != null && result.getClass().isArray() && Array.getLength(result) == 0;
  }
}
