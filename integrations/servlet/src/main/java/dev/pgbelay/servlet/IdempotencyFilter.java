package dev.pgbelay.servlet;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Idempotency;
import dev.pgbelay.idempotency.Operation;
import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException;
import dev.pgbelay.idempotency.http.KeyHeader;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
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
 * stored response, marked {@code Idempotent-Replayed: true}, behind it. 503 with {@code
 * Retry-After} if the database cannot be had: nothing was done.
 *
 * <p><b>Guarantee.</b> What stands behind the filter runs inside one transaction of {@link
 * Operation}, which also stores the response; nothing reaches the client before it is committed.
 * The servlet takes it by {@link #tx}. What it does outside of that transaction is not covered;
 * payments belong behind a {@link PaymentServlet}.
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
  private final Admission admission;
  private final Set<String> methods;
  private final boolean required;
  private final Duration wait;
  private final int maxResponseBytes;
  private final KeptAnswers kept;
  private final FilterAnswers answers;

  private IdempotencyFilter(Builder builder) {
    FingerprintRule rule = builder.rule;
    this.admission = builder.admission.build(builder.name);
    this.operation =
        builder
            .idempotency
            .<BufferedRequest, StoredResponse>operation(
                builder.name, rule::of, StoredResponse.codec(builder.codec))
            .retention(builder.retention)
            .options(builder.options)
            .maxBytes(1 << 28)
            .build();
    this.methods = Set.copyOf(builder.methods);
    this.required = builder.required;
    this.wait = builder.wait;
    this.maxResponseBytes = builder.maxResponseBytes;
    this.kept = new KeptAnswers(builder.headers, builder.statuses);
    this.answers = new FilterAnswers(admission.problems(), builder.name);
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
    return KeptAnswers.byDefault(status);
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

  /** Requests alone: an error page, or what a servlet forwards to, is part of one. */
  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    if (request.getDispatcherType() == DispatcherType.REQUEST
        && request instanceof HttpServletRequest http
        && response instanceof HttpServletResponse answer
        && methods.contains(http.getMethod())
        && (required || http.getHeader(KeyHeader.NAME) != null)) {
      Optional<Admission.Admitted> admitted = admission.admit(http, answer);
      if (admitted.isPresent()) {
        run(admitted.get(), http, answer, chain);
      }
    } else {
      chain.doFilter(request, response);
    }
  }

  private void run(
      Admission.Admitted admitted,
      HttpServletRequest request,
      HttpServletResponse response,
      FilterChain chain)
      throws IOException, ServletException {
    BufferedResponse[] last = new BufferedResponse[1];
    try {
      Answer<StoredResponse> answer =
          operation.<Exception>execute(
              operation.key(admitted.tenant(), admitted.key()),
              new BufferedRequest(request, admitted.body()),
              wait,
              tx -> {
                last[0] = new BufferedResponse(response, maxResponseBytes);
                return behind(tx, new BufferedRequest(request, admitted.body()), last[0], chain);
              });
      answers.write(answer, last[0], response);
    } catch (NotKeptException e) {
      answers.write(e.response, last[0].cookies(), response);
    } catch (UnfitRequestException e) {
      admission.answer(e, response);
    } catch (Exception e) {
      answers.failed(e, response);
    }
  }

  /** What is stored: for the first answer the chosen headers go out from here, too. */
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
    if (!kept.keeps(whole.status())) {
      throw new NotKeptException(whole);
    }
    return kept.of(whole);
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final Idempotency idempotency;
    private final String name;
    private final FingerprintRule rule;
    private final Admission.Options admission = new Admission.Options();
    private final Set<String> headers =
        new TreeSet<>(Set.of("content-type", "content-language", "location", "etag"));
    private Set<String> methods = Set.of("POST", "PATCH");
    private boolean required = true;
    private Duration wait = Duration.ZERO;
    private Duration retention = Duration.ofDays(3);
    private TxOptions options;
    private int maxResponseBytes = 1 << 20;
    private IntPredicate statuses = IdempotencyFilter::isKept;
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
      admission.lenient();
      return this;
    }

    /**
     * On whose behalf a request comes: the name of the principal unless said. Empty is answered
     * 401. Never from what the client can choose.
     */
    public Builder scope(Function<HttpServletRequest, Optional<String>> scope) {
      admission.scope(scope);
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
      admission.maxBytes(bytes);
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
      this.statuses = statuses;
      return this;
    }

    /** What problems link to, as the draft wants: the page that says how keys are used here. */
    public Builder documentation(URI page) {
      admission.documentation(page);
      return this;
    }

    /** Where refusals are counted; those of the operation are where {@link Idempotency} counts. */
    public Builder meterRegistry(MeterRegistry metrics) {
      admission.registry(metrics);
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
