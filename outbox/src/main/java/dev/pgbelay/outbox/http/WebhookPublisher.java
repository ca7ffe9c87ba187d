package dev.pgbelay.outbox.http;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import java.io.IOException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * Delivers each message as a signed POST.
 *
 * <p>An answer of 2xx has the message. 408, 425, 429, 5xx, a timeout and a broken connection are
 * failed attempts, with {@code Retry-After} passed on; so is a redirect, which is not followed: the
 * endpoint is to be corrected. Any other 4xx rejects the message, unless {@link Builder#retryOn}
 * says otherwise. Not sent at all, and rejected, is what would go to an address that is not public
 * (loopback, private, link-local, carrier-grade NAT, multicast, reserved, also inside of IPv6), or
 * not over TLS.
 *
 * <p>The host is resolved and all its addresses are judged before each request; the JVM's client
 * then resolves it itself. A name whose answer changes in between (DNS rebinding) can so get a TCP
 * connection and a TLS greeting to a private address, but no request: the certificate would have to
 * be the host's. With {@link Builder#allowPlainHttp} that protection is gone; use it with fixed
 * endpoints only.
 *
 * <p>Of an answer, the status and {@code Retry-After} are used; its body is read up to 64 KiB and
 * dropped. No header, path, query, secret or payload is logged or stored. Blocks for at most the
 * request timeout. Safe for several threads; owns one HTTP client, whose threads end when it is no
 * longer reachable.
 */
public final class WebhookPublisher implements MessagePublisher {
  private static final Set<Integer> ALWAYS_RETRIED = Set.of(408, 425, 429);

  private final Function<? super Message, WebhookEndpoint> endpoints;
  private final InstantSource clock;
  private final HttpClient client;
  private final EndpointCheck check;
  private final WebhookRequest requests;
  private final Duration requestTimeout;
  private final Set<Integer> retried;

  private WebhookPublisher(Builder builder) {
    this.endpoints = builder.endpoints;
    this.clock = builder.clock;
    this.check = new EndpointCheck(builder.plainHttp, builder.privateAddresses, builder.resolver);
    this.requestTimeout = builder.requestTimeout;
    this.requests = new WebhookRequest(builder.contentType, requestTimeout);
    this.retried = Set.copyOf(builder.retried);
    HttpClient.Builder http =
        HttpClient.newBuilder()
            .followRedirects(HttpClient.Redirect.NEVER)
            .proxy(HttpClient.Builder.NO_PROXY)
            .connectTimeout(builder.connectTimeout);
    if (builder.tls != null) {
      http.sslContext(builder.tls);
    }
    this.client = http.build();
  }

  /**
   * All messages to one endpoint.
   *
   * @param clock the signature's time; {@code InstantSource.system()} in production
   */
  public static Builder to(WebhookEndpoint endpoint, InstantSource clock) {
    return new Builder(message -> endpoint, clock);
  }

  /**
   * Each message to an endpoint of its own, such as the one that a customer has entered.
   *
   * @param endpoints called before each attempt; what it throws is a failed attempt
   * @param clock as {@link #to(WebhookEndpoint, InstantSource)}
   */
  public static Builder to(
      Function<? super Message, WebhookEndpoint> endpoints, InstantSource clock) {
    return new Builder(endpoints, clock);
  }

  @Override
  public List<Delivery> publish(List<Message> messages) throws InterruptedException {
    List<Delivery> deliveries = new ArrayList<>(messages.size());
    boolean goOn = true;
    for (Message message : messages) {
      Delivery delivery = goOn ? send(message) : Delivery.heldBack("one failed before it");
      goOn = goOn && delivery.outcome() == Delivery.Outcome.DELIVERED;
      deliveries.add(delivery);
    }
    return List.copyOf(deliveries);
  }

  private Delivery send(Message message) throws InterruptedException {
    WebhookEndpoint endpoint = endpoints.apply(message);
    @Nullable String refusal;
    try {
      refusal = check.refusal(endpoint.uri());
    } catch (UnknownHostException e) {
      return Delivery.failed("the endpoint's host cannot be resolved");
    }
    if (refusal != null) {
      return Delivery.rejected(refusal);
    }
    HttpRequest request = requests.of(endpoint, message, clock.instant().getEpochSecond());
    CompletableFuture<HttpResponse<Boolean>> answer =
        client.sendAsync(request, head -> new BoundedDiscard());
    try {
      return judge(answer.get(requestTimeout.toMillis(), TimeUnit.MILLISECONDS));
    } catch (ExecutionException e) {
      return Delivery.failed(text(e.getCause()));
    } catch (TimeoutException e) {
      return Delivery.failed("no answer within " + requestTimeout);
    } finally {
      // Ends what goes on after a timeout or an interrupt; nothing otherwise.
      answer.cancel(true);
    }
  }

  /** The names of failures: their messages may hold the address. */
  private String text(@Nullable Throwable failure) {
    if (failure instanceof HttpTimeoutException) {
      return "no answer within " + requestTimeout;
    } else if (failure instanceof ConnectException) {
      return "the endpoint cannot be connected to";
    } else if (failure instanceof SSLException) {
      return "no TLS with the endpoint: " + failure.getClass().getSimpleName();
    } else if (failure instanceof IOException) {
      return "the connection broke: " + failure.getClass().getSimpleName();
    }
    return "the request failed: "
        + (failure == null ? "for no reason" : failure.getClass().getSimpleName());
  }

  private Delivery judge(HttpResponse<?> answer) {
    int status = answer.statusCode();
    String said = "answered " + status;
    if (status / 100 == 2) {
      return Delivery.delivered();
    } else if (status / 100 == 3) {
      return Delivery.failed(said + ": redirects are not followed, correct the endpoint");
    } else if (status / 100 == 4 && !ALWAYS_RETRIED.contains(status) && !retried.contains(status)) {
      return Delivery.rejected(said);
    }
    Instant now = clock.instant();
    Optional<Duration> wait = RetryAfter.of(answer.headers(), now);
    return wait.map(time -> Delivery.failed(said, time)).orElseGet(() -> Delivery.failed(said));
  }

  /** Collects a publisher's options. Not safe for several threads. */
  public static final class Builder {
    private static final Duration LEAST = Duration.ofMillis(10);

    private final Function<? super Message, WebhookEndpoint> endpoints;
    private final InstantSource clock;
    private final Set<Integer> retried = new TreeSet<>();
    private Duration connectTimeout = Duration.ofSeconds(5);
    private Duration requestTimeout = Duration.ofSeconds(30);
    private String contentType = "application/json";
    private boolean plainHttp;
    private boolean privateAddresses;
    private EndpointCheck.Resolver resolver = EndpointCheck.OF_THE_JVM;
    private @Nullable SSLContext tls;

    private Builder(Function<? super Message, WebhookEndpoint> endpoints, InstantSource clock) {
      this.endpoints = endpoints;
      this.clock = clock;
    }

    /** For the connection: 10 ms to 1 minute, 5 seconds unless said. */
    public Builder connectTimeout(Duration time) {
      this.connectTimeout = time;
      return this;
    }

    /**
     * For the whole request, connection and answer with its body included: 10 ms to 5 minutes, 30
     * seconds unless said.
     */
    public Builder requestTimeout(Duration time) {
      this.requestTimeout = time;
      return this;
    }

    /** What the payload is, unless the message has such a header: JSON unless said. */
    public Builder contentType(String type) {
      this.contentType = type;
      return this;
    }

    /**
     * Statuses from 400 to 499 that are failed attempts instead of rejections: 401, 403 or 404
     * where a receiver's mistake in its own set-up shall not cost messages.
     */
    public Builder retryOn(Integer... statuses) {
      retried.addAll(Arrays.asList(statuses));
      return this;
    }

    /** Sends to {@code http} endpoints as well: signed, but for everybody on the way to read. */
    public Builder allowPlainHttp() {
      this.plainHttp = true;
      return this;
    }

    /**
     * Sends to any address: for receivers in one's own network, where the endpoint is not chosen by
     * others, and for tests.
     */
    public Builder allowPrivateAddresses() {
      this.privateAddresses = true;
      return this;
    }

    /** Certificates of one's own; the JVM's unless said. */
    public Builder tls(SSLContext context) {
      this.tls = context;
      return this;
    }

    Builder resolver(EndpointCheck.Resolver other) {
      this.resolver = other;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public WebhookPublisher build() {
      OptionRange.require("connectTimeout", connectTimeout, LEAST, Duration.ofMinutes(1));
      OptionRange.require("requestTimeout", requestTimeout, LEAST, Duration.ofMinutes(5));
      for (int status : retried) {
        OptionRange.require("retryOn", status, 400, 499);
      }
      return new WebhookPublisher(this);
    }
  }
}
