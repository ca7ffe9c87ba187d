package dev.pgbelay.routing.jdbc;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Calls that proxies are given and pass on. */
final class Calls {
  private Calls() {}

  static @Nullable Object pass(Object target, Method method, @Nullable Object @Nullable [] args)
      throws Throwable {
    try {
      return method.invoke(target, args);
    } catch (InvocationTargetException e) {
      throw e.getCause() == null ? e : e.getCause();
    }
  }

  static Object first(@Nullable Object @Nullable [] args) {
    return Objects.requireNonNull(Objects.requireNonNull(args)[0]);
  }

  static Object second(@Nullable Object @Nullable [] args) {
    return Objects.requireNonNull(Objects.requireNonNull(args)[1]);
  }
}
