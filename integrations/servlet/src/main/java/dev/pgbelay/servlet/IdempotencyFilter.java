package dev.pgbelay.servlet;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.Idempotency;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Operation;
import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException;
import dev.pgbelay.idempotency.http.KeyHeader;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.security.Principal;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.IntPredicate;

/**
 * Answers requests with an {@code Idempotency-Key} once, as the IETF draft says
 * (draft-ietf-httpapi-idempotency-key-header): 400 for a key that is missing or malformed, 409 with
 * {@code Retry-After} while the first request runs, 422 for another request under the key, and the
 * stored response, marked {@code Idempotent-Replayed: true}, behind it.
 *
 * <p><b>Guarantee.</b> What stands behind the filter runs inside one transaction of {@link
 * Operation}, which also stores the response; nothing reaches the client before it is committed.
 * The servlet takes it by {@link #tx}. What it does outside of that transaction is not covered;
 * payments belong behind a filter of yours that hands the key to the payment operation.
 *
 * <p>Not stored, and the transaction rolled back, so that the same key can be tried again: 401, 403
 * and 429, whatever the policy says; what the policy does not keep; exceptions. The whole body is
 * held in memory up to a limit; streams, uploads in parts and asynchronous requests are refused.
 *
 * <p>Stands behind authentication: keys are scoped by who is authenticated. Safe for several
 * threads; blocks each for the pool and what stands behind it.
 */
public final class IdempotencyFilter implements Filter {
  /** The header of an answer that was stored before. */
  public static final String REPLAYED = "Idempotent-Replayed";

  private static final String TX = IdempotencyFilter.class.getName() + ".tx";
  private static final Set<Integer> NEVER = Set.of(401, 403, 429);
  private static final Duration LOST = Duration.ofSeconds(1);

  /** Ends the transaction; the response goes out and is not stored. */
  private static final class NotKeptException extends Exception {
    private static final long serialVersionUID = 1L;
    private final transient StoredResponse response;

    NotKeptException(StoredResponse response) {
      super(null, null, false, false);
      this.response = response;
    }
  }

  private final Operation<BufferedRequest, StoredResponse> operation;
  private final Set<String> methods;
  private final boolean required;
  private final boolean lenient;
  private final Function<HttpServletRequest, Optional<String>> scope;
  private final Duration wait;
  private final int maxRequestBytes;
  private final int maxResponseBytes;
  private final Set<String> headers;
  private final IntPredicate keeps;

  private IdempotencyFilter(Builder builder) {
    FingerprintRule rule = builder.rule;
    this.operation =
        builder
            .idempotency
            .<BufferedRequest, StoredResponse>operation(
                builder.name,
                request -> fingerprint(rule, request),
                StoredResponse.codec(builder.codec))
            .retention(builder.retention)
            .options(builder.options)
            .maxBytes(1 << 28)
            .build();
    this.methods = Set.copyOf(builder.methods);
    this.required = builder.required;
    this.lenient = builder.lenient;
    this.scope = builder.scope;
    this.wait = builder.wait;
    this.maxRequestBytes = builder.maxRequestBytes;
    this.maxResponseBytes = builder.maxResponseBytes;
    this.headers = Collections.unmodifiableSet(new TreeSet<>(builder.headers));
    this.keeps = builder.keeps;
  }

  private static Fingerprint fingerprint(FingerprintRule rule, BufferedRequest request) {
    return rule.of(request);
  }

  /**
   * Begins with POST and PATCH, a key that is required, in quotes, and scoped by the principal;
   * with 1 MiB each way; without waiting for a first request; with the headers {@code
   * content-type}, {@code content-language}, {@code location} and {@code etag}; and with {@link
   * #isKept}.
   *
   * @param name of the operation, for one set of paths
   * @param rule what counts of a request; method and path should be among it where one filter
   *     stands before several paths
   */
  public static Builder builder(Idempotency idempotency, String name, FingerprintRule rule) {
    return new Builder(idempotency, name, rule);
  }

  /**
   * Which answers are kept unless said otherwise: 2xx, 3xx, and 4xx but for 401, 403, 404, 408,
   * 409, 412, 425 and 429, which may be others the next time. No 5xx.
   */
  public static boolean isKept(int status) {
    return status >= 200
        && status < 500
        && !Set.of(401, 403, 404, 408, 409, 412, 425, 429).contains(status);
  }

  /**
   * The transaction that a request runs in; what it writes is committed with the answer, or not at
   * all. Do not commit it.
   *
   * @throws PgBelayException if the request did not come through an IdempotencyFilter, or without a
   *     key
   */
  public static Tx tx(ServletRequest request) {
    if (request.getAttribute(TX) instanceof Tx tx) {
      return tx;
    }
    throw new PgBelayException(
        "this request runs in no transaction of an IdempotencyFilter: is the filter mapped to its"
            + " path, and has it a key?");
  }

  /** The operation whose answers these are: for its {@link Operation#purge}. */
  public Operation<?, ?> operation() {
    return operation;
  }

  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    if (!(request instanceof HttpServletRequest http)
        || !(response instanceof HttpServletResponse answer)
        || !methods.contains(http.getMethod())) {
      chain.doFilter(request, response);
      return;
    }
    List<String> values = Collections.list(http.getHeaders(KeyHeader.NAME));
    if (values.isEmpty() && !required) {
      chain.doFilter(request, response);
      return;
    }
    if (values.isEmpty()) {
      Problem.KEY_MISSING.answer(answer);
      return;
    }
    Optional<String> key = values.size() == 1 ? read(values.get(0)) : Optional.empty();
    if (key.isEmpty()) {
      Problem.KEY_MALFORMED.answer(answer);
      return;
    }
    Optional<String> tenant = scope.apply(http);
    if (tenant.isEmpty()) {
      Problem.NOT_AUTHENTICATED.answer(answer);
      return;
    }
    String type = http.getContentType();
    if (type != null && type.toLowerCase(Locale.ROOT).startsWith("multipart/")) {
      Problem.BODY_OF_PARTS.answer(answer);
      return;
    }
    byte[] body =
        http.getContentLengthLong() > maxRequestBytes
            ? new byte[0]
            : http.getInputStream().readNBytes(maxRequestBytes + 1);
    if (http.getContentLengthLong() > maxRequestBytes || body.length > maxRequestBytes) {
      Problem.BODY_TOO_LARGE.answer(answer);
      return;
    }
    run(operation.key(Scope.printable(tenant.get()), key.get()), http, body, answer, chain);
  }

  private Optional<String> read(String value) {
    return (lenient ? KeyHeader.parseLeniently(value) : KeyHeader.parse(value))
        .filter(key -> key.length() <= 255);
  }

  private void run(
      IdempotencyKey key,
      HttpServletRequest request,
      byte[] body,
      HttpServletResponse response,
      FilterChain chain)
      throws IOException, ServletException {
    BufferedResponse[] last = new BufferedResponse[1];
    try {
      Answer<StoredResponse> answer =
          operation.<Exception>execute(
              key,
              new BufferedRequest(request, body),
              wait,
              tx -> {
                BufferedResponse buffered = new BufferedResponse(response, maxResponseBytes);
                last[0] = buffered;
                return chosen(behind(tx, new BufferedRequest(request, body), buffered, chain));
              });
      write(answer, last[0], response);
    } catch (NotKeptException e) {
      write(e.response, last[0].cookies(), response);
    } catch (UnfitRequestException e) {
      Problem problem =
          e.reason() == UnfitRequestException.Reason.TOO_LONG
              ? Problem.BODY_TOO_LARGE
              : Problem.REQUEST_UNFIT;
      problem.answer(response);
    } catch (OutcomeUnknownException e) {
      Problem.UNKNOWN.answer(response, LOST);
    } catch (IOException | ServletException | RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new ServletException(e);
    }
  }

  /** What is stored: for the first answer the chosen headers go out from here, too. */
  private StoredResponse chosen(StoredResponse whole) {
    return whole.with(name -> headers.contains(name.toLowerCase(Locale.ROOT)));
  }

  private StoredResponse behind(
      Tx tx, BufferedRequest request, BufferedResponse response, FilterChain chain)
      throws IOException, ServletException, NotKeptException {
    request.setAttribute(TX, tx);
    try {
      chain.doFilter(request, response);
    } finally {
      request.removeAttribute(TX);
    }
    StoredResponse whole = response.stored();
    if (NEVER.contains(whole.status()) || !keeps.test(whole.status())) {
      throw new NotKeptException(whole);
    }
    return whole;
  }

  private static void write(
      Answer<StoredResponse> answer, BufferedResponse buffered, HttpServletResponse response)
      throws IOException {
    Duration retryAfter = answer.retryAfter().orElse(LOST);
    switch (answer.outcome()) {
      case EXECUTED -> write(buffered.stored(), buffered.cookies(), response);
      case REPLAYED -> {
        response.setHeader(REPLAYED, "true");
        answer.response().orElseThrow().writeTo(response);
      }
      case IN_PROGRESS -> Problem.RUNNING.answer(response, retryAfter);
      case FINGERPRINT_MISMATCH -> Problem.OTHER_REQUEST.answer(response);
      case EXPIRED -> Problem.EXPIRED.answer(response);
      case UNKNOWN_OUTCOME -> Problem.UNKNOWN.answer(response, retryAfter);
    }
  }

  private static void write(
      StoredResponse whole, List<Cookie> cookies, HttpServletResponse response) throws IOException {
    cookies.forEach(response::addCookie);
    whole.writeTo(response);
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final Idempotency idempotency;
    private final String name;
    private final FingerprintRule rule;
    private final Set<String> headers =
        new TreeSet<>(Set.of("content-type", "content-language", "location", "etag"));
    private Set<String> methods = Set.of("POST", "PATCH");
    private boolean required = true;
    private boolean lenient;
    private Function<HttpServletRequest, Optional<String>> scope =
        request -> Optional.ofNullable(request.getUserPrincipal()).map(Principal::getName);
    private Duration wait = Duration.ZERO;
    private Duration retention = Duration.ofDays(3);
    private TxOptions options;
    private int maxRequestBytes = 1 << 20;
    private int maxResponseBytes = 1 << 20;
    private IntPredicate keeps = IdempotencyFilter::isKept;
    private Codec<byte[]> codec = Codec.bytes();

    private Builder(Idempotency idempotency, String name, FingerprintRule rule) {
      this.idempotency = idempotency;
      this.name = name;
      this.rule = rule;
      this.options =
          TxOptions.forPath("idempotency." + name).toBuilder()
              .retry(TxOptions.Retry.none())
              .build();
    }

    /** Which methods need a key; others pass. */
    public Builder methods(Set<String> methods) {
      this.methods = methods;
      return this;
    }

    /** Lets requests without a key pass, in no transaction. */
    public Builder optional() {
      this.required = false;
      return this;
    }

    /** Takes keys without quotes, too, as {@link KeyHeader#parseLeniently} does. */
    public Builder withoutQuotes() {
      this.lenient = true;
      return this;
    }

    /**
     * On whose behalf a request comes: the name of the principal unless said. Empty is answered
     * 401. Never from what the client can choose.
     */
    public Builder scope(Function<HttpServletRequest, Optional<String>> scope) {
      this.scope = scope;
      return this;
    }

    /** How long to wait for a first request, before 409: zero, the default, to a minute. */
    public Builder waitFor(Duration wait) {
      this.wait = wait;
      return this;
    }

    /** How long answers are kept, as {@link Operation.Builder#retention} says. */
    public Builder retention(Duration time) {
      this.retention = time;
      return this;
    }

    /**
     * Of the transaction. Unless said it is not retried: what stands behind a filter seldom bears
     * to run twice for one request.
     */
    public Builder options(TxOptions transaction) {
      this.options = transaction;
      return this;
    }

    /** The longest body of a request, 0 to 64 MiB; longer ones are answered 413. */
    public Builder maxRequestBytes(int bytes) {
      this.maxRequestBytes = bytes;
      return this;
    }

    /** The longest body of a response, 0 to 64 MiB; a longer one fails and rolls back. */
    public Builder maxResponseBytes(int bytes) {
      this.maxResponseBytes = bytes;
      return this;
    }

    /** Stores one more header; others are in the first answer only. Never Set-Cookie. */
    public Builder storeHeader(String header) {
      headers.add(header.toLowerCase(Locale.ROOT));
      return this;
    }

    /** Which statuses are stored, {@link #isKept} unless said. Not asked about 401, 403 and 429. */
    public Builder keeps(IntPredicate statuses) {
      this.keeps = statuses;
      return this;
    }

    /** What stored responses go through on their way to the table, such as encryption. */
    public Builder codec(Codec<byte[]> outer) {
      this.codec = outer;
      return this;
    }

    /**
     * Checks, and declares the operation.
     *
     * @throws PgBelayException naming the option, its value and its range; and as {@link
     *     Operation.Builder#build} does
     */
    public IdempotencyFilter build() {
      OptionRange.require("maxRequestBytes", maxRequestBytes, 0, 64 << 20);
      OptionRange.require("maxResponseBytes", maxResponseBytes, 0, 64 << 20);
      OptionRange.require("waitFor", wait, Duration.ZERO, Duration.ofMinutes(1));
      if (headers.contains("set-cookie")) {
        throw new PgBelayException(
            "storeHeader is \"set-cookie\": a cookie is for the client that was answered first");
      }
      return new IdempotencyFilter(this);
    }
  }
}
