package dev.pgbelay.routing.carrier;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.token.InvalidTokenException;
import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.ConsistencyTokens;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.RoutingException;
import dev.pgbelay.routing.Session;
import io.micrometer.core.instrument.MeterRegistry;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Takes what a session wrote and saw to whoever is called or told next, as text in a header, and
 * takes in what comes back. For HTTP calls, and for whatever has headers of strings: messages,
 * jobs, events of an outbox.
 *
 * <p><b>Guarantee.</b> Who joins the header sees at least what the session had written and seen
 * when it was made. A header that cannot be read (forged, cut, expired, of a key that is not on the
 * ring, of another cluster) never fails a call by itself: the session reads from the primary next,
 * so that it misses nothing all the same, the {@link Outcome} says so, and it is counted.
 *
 * <p>Opens no connection and runs no statement. To make a header after a read takes up to one probe
 * of its node, shared by all who ask at that moment. Safe for several threads; keep one.
 */
public final class TokenCarrier {
  /** The header's name unless said. */
  public static final String HEADER = "Consistency-Token";

  private static final Pattern HEADER_NAME = Pattern.compile("[A-Za-z0-9-]{1,64}");

  /** What came, from harmless to bad; of several the worst. */
  public enum Outcome {
    /** No token. */
    NONE,
    /** The session sees as much from now on. */
    JOINED,
    /** Genuine, but its time is over; the session reads from the primary next. */
    EXPIRED,
    /** Of another cluster; the session reads from the primary next. */
    FOREIGN,
    /** Not written under a key of the ring; the session reads from the primary next. */
    INVALID
  }

  private final ReadYourWrites routing;
  private final ConsistencyTokens tokens;
  private final String header;
  private final CarrierMeters meters;

  private TokenCarrier(Builder builder) {
    this.routing = builder.routing;
    this.tokens = builder.tokens;
    this.header = builder.header;
    this.meters =
        builder.registry == null
            ? CarrierMeters.NONE
            : new CarrierMeters.OfMicrometer(builder.registry);
  }

  /** With the header {@value #HEADER}, and without metrics. */
  public static TokenCarrier of(ReadYourWrites routing, ConsistencyTokens tokens) {
    return builder(routing, tokens).build();
  }

  /** A builder that starts from {@link #of}. */
  public static Builder builder(ReadYourWrites routing, ConsistencyTokens tokens) {
    return new Builder(routing, tokens);
  }

  /** Whose sessions these are. */
  public ReadYourWrites routing() {
    return routing;
  }

  /** How tokens become text. */
  public ConsistencyTokens tokens() {
    return tokens;
  }

  /** The header's name. */
  public String header() {
    return header;
  }

  /** What goes into the header; empty for a session that has written and seen nothing. */
  public Optional<String> text(Session session) {
    return routing.token(session).map(tokens::write);
  }

  /** The request with the session's token, in place of any that it had. */
  public HttpRequest.Builder onto(HttpRequest.Builder request, Session session) {
    text(session).ifPresent(value -> request.setHeader(header, value));
    return request;
  }

  /**
   * The headers with the session's token, in place of any that they had; not changed themselves.
   */
  public Map<String, String> onto(Map<String, String> headers, Session session) {
    Map<String, String> more = new LinkedHashMap<>(headers);
    text(session)
        .ifPresent(
            value -> {
              more.keySet().removeIf(header::equalsIgnoreCase);
              more.put(header, value);
            });
    return more;
  }

  /** From now on the session sees what the service had written or seen that answered. */
  public Outcome join(Session session, HttpResponse<?> response) {
    return join(session, response.headers().allValues(header));
  }

  /** {@link #join(Session, List)} of one message's headers, whose names may be in any case. */
  public Outcome join(Session session, Map<String, String> headers) {
    return join(
        session,
        headers.entrySet().stream()
            .filter(one -> one.getKey().equalsIgnoreCase(header))
            .map(one -> one.getValue())
            .toList());
  }

  /** From now on the session sees at least what each of these stands for. */
  public Outcome join(Session session, List<String> texts) {
    Outcome worst = Outcome.NONE;
    for (String text : texts) {
      Outcome outcome = join(session, text);
      meters.came(outcome);
      worst = outcome.compareTo(worst) > 0 ? outcome : worst;
    }
    if (worst.compareTo(Outcome.JOINED) > 0) {
      routing.joinUnreadable(session);
    }
    return worst;
  }

  private Outcome join(Session session, String text) {
    try {
      ConsistencyToken token = tokens.read(text);
      routing.join(session, token);
      return Outcome.JOINED;
    } catch (InvalidTokenException e) {
      return e.reason() == InvalidTokenException.Reason.EXPIRED ? Outcome.EXPIRED : Outcome.INVALID;
    } catch (RoutingException e) {
      if (e.kind() != RoutingException.Kind.FOREIGN_TOKEN) {
        throw e;
      }
      return Outcome.FOREIGN;
    }
  }

  /** A new session that goes on from a message's headers. */
  public Session session(Map<String, String> headers) {
    Session session = routing.session();
    Outcome ignored = join(session, headers);
    return session;
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final ReadYourWrites routing;
    private final ConsistencyTokens tokens;
    private String header = HEADER;
    private @Nullable MeterRegistry registry;

    private Builder(ReadYourWrites routing, ConsistencyTokens tokens) {
      this.routing = routing;
      this.tokens = tokens;
    }

    /** The header's name; one of its own for each cluster whose tokens travel together. */
    public Builder header(String name) {
      this.header = name;
      return this;
    }

    /** Where tokens that came are counted, by what became of them. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException if the header's name is not 1 to 64 letters, digits and hyphens
     */
    public TokenCarrier build() {
      if (!HEADER_NAME.matcher(header).matches()) {
        throw new PgBelayException(
            "header is \"" + header + "\": must be 1 to 64 letters, digits and hyphens");
      }
      return new TokenCarrier(this);
    }
  }
}
