package dev.pgbelay.routing.jdbc;

import java.util.List;
import java.util.stream.Collectors;

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
          "dev.pgbelay.routing.jdbc.ConnectionSettings",
          "dev.pgbelay.routing.jdbc.ConnectionRoutes",
          "dev.pgbelay.routing.jdbc.RoutedConnection",
          "dev.pgbelay.routing.jdbc.RoutingDataSource");
  private static final StackWalker WALKER = StackWalker.getInstance();

  static final DeclaredAt UNKNOWN = new DeclaredAt(List.of());

  private final List<StackWalker.StackFrame> frames;

  private DeclaredAt(List<StackWalker.StackFrame> frames) {
    this.frames = frames;
  }

  static DeclaredAt here() {
    return new DeclaredAt(
        WALKER.walk(
            frames -> frames.filter(DeclaredAt::isOfTheApplication).limit(FRAMES).toList()));
  }

  private static boolean isOfTheApplication(StackWalker.StackFrame frame) {
    String name = frame.getClassName();
    for (String prefix : NOT_OF_THE_APPLICATION) {
      if (name.startsWith(prefix)) {
        return false;
      }
    }
    return true;
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
