package dev.pgbelay.routing.session;

import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sessions that go on where their owner's last one ended, by a {@link SessionStore}.
 *
 * <p><b>Guarantee.</b> A session that is opened after another one of the same owner was saved sees
 * at least what that one wrote and saw. If the store cannot be asked, the session reads from the
 * primary next, and so misses nothing. If it cannot be told, {@link #save} throws: the work is
 * done, and until a later save replicas may show this owner less.
 *
 * <p>Two sessions of one owner at the same time do not see each other before they are saved. Blocks
 * for the store. Safe for several threads.
 */
public final class StoredSessions {
  private static final Logger LOG = LoggerFactory.getLogger(StoredSessions.class);

  /** What is done with a session. */
  @FunctionalInterface
  public interface SessionWork<T extends @Nullable Object, X extends Exception> {
    /** Runs with it. */
    T run(Session session) throws X;
  }

  private final ReadYourWrites routing;
  private final SessionStore store;
  private final StoreMeters meters;

  private StoredSessions(ReadYourWrites routing, SessionStore store, StoreMeters meters) {
    this.routing = routing;
    this.store = store;
    this.meters = meters;
  }

  /** Without metrics. */
  public static StoredSessions of(ReadYourWrites routing, SessionStore store) {
    return new StoredSessions(routing, store, StoreMeters.NONE);
  }

  /** Counts in a registry what the store cannot do. */
  public static StoredSessions of(
      ReadYourWrites routing, SessionStore store, MeterRegistry registry) {
    return new StoredSessions(routing, store, new StoreMeters.OfMicrometer(registry));
  }

  /** Whose sessions these are. */
  public ReadYourWrites routing() {
    return routing;
  }

  /** Runs {@code work} with the owner's session, and saves it, also when the work fails. */
  public <T extends @Nullable Object, X extends Exception> T call(
      String owner, SessionWork<T, X> work) throws X {
    Session session = open(owner);
    T result;
    try {
      result = work.run(session);
    } catch (Throwable failure) {
      try {
        save(owner, session);
      } catch (RuntimeException e) {
        failure.addSuppressed(e);
      }
      throw failure;
    }
    save(owner, session);
    return result;
  }

  /** A session that goes on from what is stored. */
  public Session open(String owner) {
    Session session = routing.session();
    join(session, owner);
    return session;
  }

  /** From now on the session sees what is stored. Never throws for the store's sake. */
  public void join(Session session, String owner) {
    Objects.requireNonNull(owner, "the owner of a session is null: who is nobody has no session");
    Optional<ConsistencyToken> found;
    try {
      found = store.find(owner);
      found.ifPresent(token -> routing.join(session, token));
    } catch (RuntimeException e) {
      meters.failed("find");
      LOG.warn("a session's token was not found out; it reads from the primary next", e);
      routing.joinUnreadable(session);
    }
  }

  /**
   * Stores what the session has written and seen, before anybody is told of it.
   *
   * @throws RuntimeException as the store does; a session of this owner that is opened elsewhere
   *     may miss something then
   */
  public void save(String owner, Session session) {
    routing.token(session).ifPresent(token -> raise(owner, token));
  }

  /** {@link #save} of a token that is known already. */
  public void raise(String owner, ConsistencyToken token) {
    try {
      store.raise(owner, token);
    } catch (RuntimeException e) {
      meters.failed("raise");
      throw e;
    }
  }
}
