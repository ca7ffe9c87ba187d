package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import java.lang.ref.WeakReference;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.jooq.ConnectionProvider;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** Which transactions this thread has opened or joined through core. */
final class OpenTransactions {
  private static final int JOINED_REMEMBERED = 8;
  private static final ThreadLocal<OpenTransactions> THIS_THREAD =
      ThreadLocal.withInitial(OpenTransactions::new);

  private final Deque<OwnedTx> owned = new ArrayDeque<>();
  private final Deque<Joined> joined = new ArrayDeque<>();
  private final Deque<Timeouts> stretches = new ArrayDeque<>();

  /**
   * @param touched whether the transaction had begun when it was joined, or something was sent
   *     through its {@link Tx} since
   */
  private record Joined(
      WeakReference<PGConnection> driver,
      WeakReference<Connection> handle,
      WeakReference<ConnectionProvider> provider,
      AtomicBoolean touched) {}

  static void opened(OwnedTx tx) {
    THIS_THREAD.get().owned.push(tx);
  }

  static void ended(OwnedTx tx) {
    OpenTransactions here = THIS_THREAD.get();
    here.owned.remove(tx);
    here.forgetIfEmpty();
  }

  private void forgetIfEmpty() {
    if (owned.isEmpty() && joined.isEmpty() && stretches.isEmpty()) {
      THIS_THREAD.remove();
    }
  }

  static void stretchBegun(Timeouts stretch) {
    THIS_THREAD.get().stretches.push(stretch);
  }

  static void stretchEnded(Timeouts stretch) {
    OpenTransactions here = THIS_THREAD.get();
    here.stretches.remove(stretch);
    here.forgetIfEmpty();
  }

  /** The stretches with a time of their own that run on the connection, the innermost first. */
  static List<Timeouts> stretchesOn(PGConnection driver) {
    Deque<Timeouts> stretches = THIS_THREAD.get().stretches;
    return stretches.isEmpty()
        ? List.of()
        : stretches.stream().filter(stretch -> stretch.driver() == driver).toList();
  }

  static @Nullable OwnedTx ownedOn(DataSource dataSource) {
    for (OwnedTx tx : THIS_THREAD.get().owned) {
      if (tx.dataSource() == dataSource) {
        return tx;
      }
    }
    return null;
  }

  /** How many transactions of the path this thread holds open through {@code opener}. */
  static int heldBy(Object opener, String path) {
    int held = 0;
    for (OwnedTx tx : THIS_THREAD.get().owned) {
      held += tx.opener() == opener && tx.path().equals(path) ? 1 : 0;
    }
    return held;
  }

  static @Nullable OwnedTx ownedOn(PGConnection driver) {
    for (OwnedTx tx : THIS_THREAD.get().owned) {
      if (tx.driver() == driver) {
        return tx;
      }
    }
    return null;
  }

  static void joined(
      PGConnection driver, Connection handle, ConnectionProvider provider, AtomicBoolean touched) {
    if (PgDriver.state(driver) != PgDriver.State.IDLE) {
      touched.set(true);
    }
    Deque<Joined> joined = THIS_THREAD.get().joined;
    joined.removeIf(each -> each.driver().get() == null || each.driver().get() == driver);
    if (joined.size() == JOINED_REMEMBERED) {
      joined.removeLast();
    }
    joined.push(
        new Joined(
            new WeakReference<>(driver),
            new WeakReference<>(handle),
            new WeakReference<>(provider),
            touched));
  }

  /** Describes an open transaction of this thread, or returns null if there is none to be seen. */
  static @Nullable String describeOpen() {
    OpenTransactions here = THIS_THREAD.get();
    OwnedTx tx = here.owned.peek();
    if (tx != null) {
      return "the transaction of path '" + tx.path() + "'";
    }
    return here.openJoined() == null ? null : "a transaction that was joined";
  }

  /**
   * The driver's connection under a joined transaction that is still open, if one is to be seen.
   */
  static @Nullable PGConnection joinedConnection() {
    return THIS_THREAD.get().openJoined();
  }

  private @Nullable PGConnection openJoined() {
    for (Iterator<Joined> each = joined.iterator(); each.hasNext(); ) {
      Joined entry = each.next();
      if (isOpen(entry)) {
        return entry.driver().get();
      }
      each.remove();
    }
    return null;
  }

  /**
   * A physical connection that is not idle may by now serve another thread. Only the handle that
   * was joined through, or the provider handing out the same connection again, shows that it is
   * ours. An idle one has ended, unless it has not begun: the server is told of it by its first
   * statement.
   */
  private static boolean isOpen(Joined entry) {
    PGConnection driver = entry.driver().get();
    if (driver == null) {
      return false;
    }
    if (PgDriver.state(driver) != PgDriver.State.IDLE) {
      entry.touched().set(true);
    } else if (entry.touched().get()) {
      return false;
    }
    try {
      Connection handle = entry.handle().get();
      if (handle != null && !handle.isClosed()) {
        return !handle.getAutoCommit() && PgDriver.unwrap(handle) == driver;
      }
      ConnectionProvider provider = entry.provider().get();
      return provider != null && handsOut(provider, driver);
    } catch (SQLException | RuntimeException e) {
      return false;
    }
  }

  private static boolean handsOut(ConnectionProvider provider, PGConnection driver)
      throws SQLException {
    Connection connection = provider.acquire();
    if (connection == null) {
      return false;
    }
    try {
      return !connection.getAutoCommit() && PgDriver.unwrap(connection) == driver;
    } finally {
      provider.release(connection);
    }
  }
}
