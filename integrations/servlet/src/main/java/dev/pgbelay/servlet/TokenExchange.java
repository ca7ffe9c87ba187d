package dev.pgbelay.servlet;

import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.Session;
import jakarta.servlet.http.HttpServletResponse;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One request's session, and what its client has been told of it. Safe for several threads. */
final class TokenExchange {
  private static final Logger LOG = LoggerFactory.getLogger(ReadYourWritesFilter.class);

  private final TokenTransport transport;
  private final Session session;
  private final @Nullable String owner;
  private final @Nullable ConsistencyToken came;
  private @Nullable ConsistencyToken told;

  /**
   * @param owner whose token is stored; null where none is
   * @param came what the client has; null if it needs another one in any case
   */
  TokenExchange(
      TokenTransport transport,
      Session session,
      @Nullable String owner,
      @Nullable ConsistencyToken came) {
    this.transport = transport;
    this.session = session;
    this.owner = owner;
    this.came = came;
    this.told = came;
  }

  Session session() {
    return session;
  }

  /** Before anything that could commit the response: afterwards it is too late. */
  synchronized void tell(HttpServletResponse response) {
    if (response.isCommitted()) {
      return;
    }
    Optional<ConsistencyToken> token = transport.token(session);
    if (isNews(token)) {
      transport.write(token.get(), response);
      store(token.get());
      told = token.get();
    }
  }

  /** The response is empty again, or another one, or has lost headers. */
  synchronized void forgotten() {
    told = came;
  }

  /** Whoever serves the request has set all headers of that name. */
  synchronized void headerSet(String name) {
    if (transport.carries(name)) {
      told = came;
    }
  }

  /** Nothing is read or written any more. */
  synchronized void over(HttpServletResponse response) {
    if (response.isCommitted()) {
      ended();
    } else {
      tell(response);
    }
  }

  /** {@link #over} where the response is the container's again. */
  synchronized void ended() {
    Optional<ConsistencyToken> token = transport.token(session);
    if (isNews(token)) {
      store(token.get());
      told = token.get();
      transport.late();
    }
  }

  private boolean isNews(Optional<ConsistencyToken> token) {
    return token.isPresent() && !Objects.equals(token.get(), told);
  }

  private void store(ConsistencyToken token) {
    if (owner != null) {
      try {
        transport.store(owner, token);
      } catch (RuntimeException e) {
        LOG.error(
            "what a session wrote and saw could not be stored: other processes may show its owner"
                + " less, unless its client carries a token",
            e);
      }
    }
  }
}
