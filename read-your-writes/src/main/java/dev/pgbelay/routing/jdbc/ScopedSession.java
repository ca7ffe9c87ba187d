package dev.pgbelay.routing.jdbc;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * The session that a thread works for: connections of a {@link RoutingDataSource} are routed for it
 * without being told. Opened where a request or job begins, closed where it ends, by the same
 * thread:
 *
 * <pre>{@code
 * try (ScopedSession scope = ScopedSession.open(db.session(token))) {
 *   service.handle(request);
 * }
 * }</pre>
 *
 * <p>Scopes nest: the innermost counts, of each cluster its own. A thread keeps nothing once its
 * outermost scope is closed. Other threads, of pools or virtual ones, have no session unless it is
 * carried to them by one of the methods here: nothing is inherited. Sends nothing, and holds no
 * connection.
 */
public final class ScopedSession implements AutoCloseable {
  private static final ThreadLocal<@Nullable ScopedSession> INNERMOST = new ThreadLocal<>();

  private final Session session;
  private final @Nullable ScopedSession outer;
  private final Thread thread;
  private boolean closed;

  private ScopedSession(Session session, @Nullable ScopedSession outer) {
    this.session = session;
    this.outer = outer;
    this.thread = Thread.currentThread();
  }

  /** From now on this thread works for the session, until the scope is closed. */
  public static ScopedSession open(Session session) {
    ScopedSession scope =
        new ScopedSession(Objects.requireNonNull(session, "the session is null"), INNERMOST.get());
    INNERMOST.set(scope);
    return scope;
  }

  /** The session of that cluster that this thread works for; empty outside of all scopes. */
  public static Optional<Session> current(ReadYourWrites routing) {
    for (ScopedSession scope = INNERMOST.get(); scope != null; scope = scope.outer) {
      if (routing.owns(scope.session)) {
        return Optional.of(scope.session);
      }
    }
    return Optional.empty();
  }

  /**
   * The task, run for the sessions that this thread works for now, on whichever thread and however
   * often; a Spring {@code TaskDecorator} is {@code ScopedSession::carry}. For none, if there are
   * none now.
   */
  public static Runnable carry(Runnable task) {
    ScopedSession carried = INNERMOST.get();
    return () -> {
      ScopedSession before = INNERMOST.get();
      keep(carried);
      try {
        task.run();
      } finally {
        keep(before);
      }
    };
  }

  /** The same for a task with a result. */
  public static <T extends @Nullable Object> Callable<T> carry(Callable<T> task) {
    ScopedSession carried = INNERMOST.get();
    return () -> {
      ScopedSession before = INNERMOST.get();
      keep(carried);
      try {
        return task.call();
      } finally {
        keep(before);
      }
    };
  }

  /** An executor whose tasks run for the sessions that the thread worked for that gave them. */
  public static Executor carrying(Executor executor) {
    return task -> executor.execute(carry(task));
  }

  private static void keep(@Nullable ScopedSession scope) {
    if (scope == null) {
      INNERMOST.remove();
    } else {
      INNERMOST.set(scope);
    }
  }

  /** The session itself, for tokens and decisions. */
  public Session session() {
    return session;
  }

  /**
   * The thread works for the session around it again, or for none. Scopes inside that were left
   * open end too. The second time does nothing.
   *
   * @throws PgBelayException on another thread than the one that opened it
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    if (Thread.currentThread() != thread) {
      throw new PgBelayException(
          "a session's scope was opened on thread '"
              + thread.getName()
              + "' and is closed on '"
              + Thread.currentThread().getName()
              + "': close it where it was opened, and carry the session over with"
              + " ScopedSession.carry(…)");
    }
    closed = true;
    ScopedSession left = outer;
    while (left != null && left.closed) {
      left = left.outer;
    }
    if (isOpenHere()) {
      keep(left);
    }
  }

  /** Not if a scope around it was closed before it, which has ended it too. */
  private boolean isOpenHere() {
    for (ScopedSession scope = INNERMOST.get(); scope != null; scope = scope.outer) {
      if (scope == this) {
        return true;
      }
    }
    return false;
  }
}
