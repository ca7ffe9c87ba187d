package dev.pgbelay.routing.jdbc;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Where a connection was declared read-only, as far as it lies in the application. Immutable. */
final class DeclaredAt {
  /** Enough for the method behind a proxy of the framework, and who called it. */
  private static final int FRAMES = 2;

  private static final List<String> NOT_OF_THE_APPLICATION =
      List.of(
          "java.",
          "javax.",
          "jakarta.",
          "jdk.",
          "sun.",
          "com.sun.",
          "com.zaxxer.hikari.",
          "org.springframework.",
          "org.hibernate.",
          "org.jooq.",
          "dev.pgbelay.core.",
          "dev.pgbelay.routing.jdbc.DeclaredAt",
          "dev.pgbelay.routing.jdbc.Calls",
          "dev.pgbelay.routing.jdbc.SettingCalls",
          "dev.pgbelay.routing.jdbc.ConnectionSettings",
          "dev.pgbelay.routing.jdbc.ConnectionRoutes",
          "dev.pgbelay.routing.jdbc.RoutedConnection",
          "dev.pgbelay.routing.jdbc.RoutingDataSource");
  private static final StackWalker WALKER =
      StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE);

  /** Names are compared once for each class. */
  private static final ClassValue<Boolean> OF_THE_APPLICATION =
      new ClassValue<>() {
        @Override
        protected Boolean computeValue(Class<?> type) {
          return NOT_OF_THE_APPLICATION.stream().noneMatch(type.getName()::startsWith);
        }
      };

  static final DeclaredAt UNKNOWN = new DeclaredAt(List.of());

  private final List<StackWalker.StackFrame> frames;

  private DeclaredAt(List<StackWalker.StackFrame> frames) {
    this.frames = frames;
  }

  static DeclaredAt here() {
    return WALKER.walk(DeclaredAt::first);
  }

  private static DeclaredAt first(Stream<StackWalker.StackFrame> stack) {
    List<StackWalker.StackFrame> found = new ArrayList<>(FRAMES);
    Iterator<StackWalker.StackFrame> frames = stack.iterator();
    while (found.size() < FRAMES && frames.hasNext()) {
      StackWalker.StackFrame frame = frames.next();
      if (OF_THE_APPLICATION.get(frame.getDeclaringClass())) {
        found.add(frame);
      }
    }
    return new DeclaredAt(found);
  }

  @Override
  public String toString() {
    return frames.isEmpty()
        ? "a place that was not kept"
        : frames.stream()
            .map(frame -> frame.toStackTraceElement().toString())
            .collect(Collectors.joining(", called at "));
  }
}
