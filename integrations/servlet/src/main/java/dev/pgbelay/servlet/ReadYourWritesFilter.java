package dev.pgbelay.servlet;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.carrier.TokenCarrier;
import dev.pgbelay.routing.jdbc.ScopedSession;
import dev.pgbelay.routing.session.SessionStore;
import dev.pgbelay.routing.session.StoredSessions;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.ServletResponseWrapper;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Gives each request a session that goes on where its client's last one ended, on whatever node
 * that was: by a token in a cookie or a header, or by a store.
 *
 * <p><b>Guarantee.</b> A request that is sent after the answer to another one began to arrive, with
 * the token of that answer, sees all that the other one had written and seen by then: the token is
 * taken before each step that could commit the response, and stands in its headers. What a request
 * reads or writes after its response was committed is not in its token (counted as {@code late});
 * with a store it is there once the request is over.
 *
 * <p>A token that was forged or cut, has expired or is of another cluster either sends the session
 * to the primary, so that nothing is missed, or is refused with 400; one whose timeline was left
 * behind before its position is told by {@link Session#lost}, or refused with 409.
 *
 * <p>Map it to the dispatcher types REQUEST, ERROR and ASYNC, in front of whatever reads or writes.
 * Blocks for one probe of a node, shared by all requests, where a request has read. Safe for
 * several threads. A service of several clusters has a filter for each, with cookies and headers of
 * their own names.
 */
public final class ReadYourWritesFilter implements Filter {
  /** The name of the cookie unless said. */
  public static final String COOKIE = "consistency";

  /** A list, with one for each cluster. */
  private static final String EXCHANGE = ReadYourWritesFilter.class.getName() + ".exchange";

  /** What becomes of requests whose token cannot be honoured. */
  public enum UnfitToken {
    /** They are served: their first read goes to the primary. */
    PRIMARY,
    /** They are answered with a problem (RFC 9457), and their cookie is taken back. */
    REFUSE
  }

  private final TokenTransport transport;
  private final UnfitToken unfit;
  private final Function<HttpServletRequest, Optional<String>> owner;
  private final Problems problems;

  private ReadYourWritesFilter(Builder builder) {
    MeterRegistry registry = builder.registry;
    this.transport =
        new TokenTransport(
            builder.carrier,
            builder.cookie,
            builder.header,
            builder.stored(),
            registry == null ? TokenMeters.NONE : new TokenMeters.OfMicrometer(registry));
    this.unfit = builder.unfit;
    this.owner = builder.owner;
    this.problems =
        new Problems(
            Optional.ofNullable(builder.documentation),
            registry == null
                ? RefusalMeters.NONE
                : new RefusalMeters.OfMicrometer(registry, "read-your-writes"));
  }

  /** With a cookie {@value #COOKIE}, and tokens that are unfit sent to the primary. */
  public static Builder builder(TokenCarrier carrier) {
    return new Builder(carrier);
  }

  /**
   * The request's session. It is also the {@link ScopedSession} of the thread that serves the
   * request; others take it from here, or by {@link ScopedSession#carry}.
   *
   * @throws PgBelayException if the request did not come through a ReadYourWritesFilter, or through
   *     those of several clusters
   */
  public static Session session(ServletRequest request) {
    List<TokenExchange> found = exchanges(request).toList();
    if (found.size() > 1) {
      throw new PgBelayException(
          "this request has sessions of "
              + found.size()
              + " clusters: say of which with session(request, routing)");
    }
    return required(found.stream().findFirst());
  }

  /**
   * {@link #session(ServletRequest)} where requests come through the filters of several clusters.
   *
   * @throws PgBelayException if the request did not come through the filter of that one
   */
  public static Session session(ServletRequest request, ReadYourWrites routing) {
    return required(exchange(request, routing));
  }

  private static Session required(Optional<TokenExchange> exchange) {
    return exchange
        .orElseThrow(
            () ->
                new PgBelayException(
                    "this request has no session of a ReadYourWritesFilter: is the filter mapped to"
                        + " its path?"))
        .session();
  }

  private static Stream<TokenExchange> exchanges(ServletRequest request) {
    return request.getAttribute(EXCHANGE) instanceof List<?> all
        ? all.stream().map(TokenExchange.class::cast)
        : Stream.empty();
  }

  private static Optional<TokenExchange> exchange(ServletRequest request, ReadYourWrites routing) {
    return exchanges(request).filter(each -> routing.owns(each.session())).findFirst();
  }

  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    if (!(request instanceof HttpServletRequest http)
        || !(response instanceof HttpServletResponse answer)) {
      chain.doFilter(request, response);
      return;
    }
    TokenExchange known = exchange(request, transport.carrier().routing()).orElse(null);
    if (known == null) {
      TokenExchange begun = begin(http, answer);
      if (begun != null) {
        request.setAttribute(
            EXCHANGE, Stream.concat(exchanges(request), Stream.of(begun)).toList());
        run(http, new TokenResponse(answer, begun), chain);
      }
    } else if (telling(response, known).isPresent()) {
      goOn(known, http, response, chain);
    } else {
      // The container's own response, as for a page of errors.
      known.forgotten();
      run(http, new TokenResponse(answer, known), chain);
    }
  }

  /** Mapped twice, forwarded to, or dispatched again. */
  private static void goOn(
      TokenExchange exchange,
      HttpServletRequest request,
      ServletResponse response,
      FilterChain chain)
      throws IOException, ServletException {
    ScopedSession scope = ScopedSession.open(exchange.session());
    try {
      chain.doFilter(request, response);
    } finally {
      scope.close();
      if (request.getDispatcherType() == DispatcherType.ASYNC && !request.isAsyncStarted()) {
        telling(response, exchange).ifPresent(TokenResponse::over);
      }
    }
  }

  private static void run(HttpServletRequest request, TokenResponse response, FilterChain chain)
      throws IOException, ServletException {
    ScopedSession scope = ScopedSession.open(response.exchange().session());
    try {
      chain.doFilter(new TokenRequest(request, response), response);
    } finally {
      scope.close();
      if (!request.isAsyncStarted()) {
        response.over();
      }
    }
  }

  @SuppressWarnings("ReferenceEquality") // of this very request
  private static Optional<TokenResponse> telling(ServletResponse response, TokenExchange of) {
    ServletResponse at = response;
    while (true) {
      if (at instanceof TokenResponse telling && telling.exchange() == of) {
        return Optional.of(telling);
      }
      if (!(at instanceof ServletResponseWrapper wrapper)) {
        return Optional.empty();
      }
      at = wrapper.getResponse();
    }
  }

  /** Null if the request was answered. */
  private @Nullable TokenExchange begin(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    ReadYourWrites routing = transport.carrier().routing();
    Session session = routing.session();
    TokenCarrier.Outcome outcome = transport.carrier().join(session, transport.read(request));
    boolean fit = outcome.compareTo(TokenCarrier.Outcome.JOINED) <= 0;
    ConsistencyToken came = fit ? routing.token(session).orElse(null) : null;
    if (unfit == UnfitToken.REFUSE && (!fit || session.lost().isPresent())) {
      transport.clear(response);
      problems.answer(problem(outcome), response);
      return null;
    }
    StoredSessions stored = transport.stored();
    String known = stored == null ? null : owner.apply(request).orElse(null);
    if (stored != null && known != null) {
      stored.join(session, known);
    }
    return new TokenExchange(transport, session, known, session.lost().isPresent() ? null : came);
  }

  private static Problem problem(TokenCarrier.Outcome outcome) {
    return switch (outcome) {
      case INVALID -> Problem.TOKEN_INVALID;
      case EXPIRED -> Problem.TOKEN_EXPIRED;
      case FOREIGN -> Problem.TOKEN_FOREIGN;
      case NONE, JOINED -> Problem.TOKEN_LOST;
    };
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final TokenCarrier carrier;
    private @Nullable TokenCookie cookie = TokenCookie.of(COOKIE);
    private boolean header;
    private UnfitToken unfit = UnfitToken.PRIMARY;
    private @Nullable SessionStore store;
    private Function<HttpServletRequest, Optional<String>> owner = request -> Optional.empty();
    private @Nullable URI documentation;
    private @Nullable MeterRegistry registry;

    private Builder(TokenCarrier carrier) {
      this.carrier = carrier;
    }

    /** The cookie that carries the token; its age is that of the token. */
    public Builder cookie(TokenCookie other) {
      this.cookie = other;
      return this;
    }

    /** For clients without cookies. */
    public Builder withoutCookie() {
      this.cookie = null;
      return this;
    }

    /** The carrier's header carries the token as well: for other services. */
    public Builder header() {
      this.header = true;
      return this;
    }

    /** {@link UnfitToken#PRIMARY} unless said. */
    public Builder unfitToken(UnfitToken choice) {
      this.unfit = choice;
      return this;
    }

    /**
     * Also keeps tokens here.
     *
     * @param of whose the request is, such as the name of its principal; empty if nobody's. Never
     *     from what the client can choose
     */
    public Builder store(SessionStore tokens, Function<HttpServletRequest, Optional<String>> of) {
      this.store = tokens;
      this.owner = of;
      return this;
    }

    /** What problems link to. */
    public Builder documentation(URI page) {
      this.documentation = page;
      return this;
    }

    /** Where tokens for clients, refusals and failures of the store are counted. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    private @Nullable StoredSessions stored() {
      if (store == null) {
        return null;
      }
      return registry == null
          ? StoredSessions.of(carrier.routing(), store)
          : StoredSessions.of(carrier.routing(), store, registry);
    }

    /**
     * Checks.
     *
     * @throws PgBelayException if nothing would carry tokens
     */
    public ReadYourWritesFilter build() {
      if (cookie == null && !header && store == null) {
        throw new PgBelayException(
            "neither a cookie nor a header nor a store carries tokens: name one of them");
      }
      return new ReadYourWritesFilter(this);
    }
  }
}
