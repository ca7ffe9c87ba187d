package dev.pgbelay.lock.witness;

import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The observed sessions of this JVM, by what the server calls them, and those with a transaction on
 * the present thread. Keeps none of them alive.
 */
final class ObservedSessions {
  private static final int MOST = 10_000;
  private static final Map<Id, WeakReference<ObservedSession>> BY_ID = new ConcurrentHashMap<>();
  private static final ThreadLocal<List<ObservedSession>> ON_THIS_THREAD = new ThreadLocal<>();

  private ObservedSessions() {}

  /**
   * @param server host and port as the driver knows them; empty where only the process is known
   * @param pid the server's process
   */
  record Id(String server, long pid) {
    /** Of the driver's URL, without the database and the parameters, among which passwords are. */
    static Id of(String url, long pid) {
      int start = url.indexOf("//");
      int end = start < 0 ? -1 : url.indexOf('/', start + 2);
      return new Id(end < 0 ? "" : url.substring(start + 2, end), pid);
    }

    /** Server and database of the driver's URL, by which orders of locks are kept apart. */
    static String database(String url) {
      int start = url.indexOf("//");
      int end = url.indexOf('?', Math.max(start, 0));
      return start < 0 ? "" : url.substring(start + 2, end < 0 ? url.length() : end);
    }
  }

  static void add(ObservedSession session) {
    if (BY_ID.size() >= MOST) {
      BY_ID.values().removeIf(each -> each.get() == null);
    }
    if (BY_ID.size() < MOST) {
      BY_ID.put(session.id(), new WeakReference<>(session));
    }
  }

  static Optional<ObservedSession> find(String server, long pid) {
    return Optional.ofNullable(BY_ID.get(new Id(server, pid))).map(WeakReference::get);
  }

  static void enter(ObservedSession session) {
    List<ObservedSession> here = ON_THIS_THREAD.get();
    if (here == null) {
      here = new ArrayList<>(2);
      ON_THIS_THREAD.set(here);
    }
    if (here.size() >= 8) { // those whose transactions other threads have ended
      here.removeIf(each -> !each.isInTransaction());
    }
    if (!here.contains(session)) { // or another thread has ended its last transaction
      here.add(session);
    }
  }

  /** How many are kept for this thread. */
  static int enteredOnThisThread() {
    List<ObservedSession> here = ON_THIS_THREAD.get();
    return here == null ? 0 : here.size();
  }

  static void leave(ObservedSession session) {
    List<ObservedSession> here = ON_THIS_THREAD.get();
    if (here != null) {
      here.remove(session);
      if (here.isEmpty()) {
        ON_THIS_THREAD.remove();
      }
    }
  }

  /** Those that a transaction is open on; one that another thread ended has gone. */
  static List<ObservedSession> openOnThisThread() {
    List<ObservedSession> here = ON_THIS_THREAD.get();
    if (here == null) {
      return List.of();
    }
    List.copyOf(here).forEach(ObservedSession::endIfIdle);
    here.removeIf(session -> !session.isInTransaction());
    return List.copyOf(here);
  }
}
