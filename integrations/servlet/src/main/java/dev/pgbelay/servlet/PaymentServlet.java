package dev.pgbelay.servlet;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.fingerprint.RequestContent;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers POSTs with an {@code Idempotency-Key} by a {@link PaymentOperation}; to clients it
 * behaves as an {@link IdempotencyFilter} does, with two differences: no transaction is open while
 * providers are asked, and a payment of which nobody knows what the provider did is answered 503
 * with {@code Retry-After}, until it is settled.
 *
 * <p>The response is stored as the operation's, and written anew for each client; so a replay is
 * the same answer as long as the writer makes the same of it. Safe for several threads; blocks each
 * for what the operation does. Stands behind authentication.
 *
 * @param <Q> what is asked for
 * @param <R> the operation's response
 */
public final class PaymentServlet<Q, R> extends HttpServlet {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(PaymentServlet.class);
  private static final Duration SOON = Duration.ofSeconds(1);

  /** Of a payment that stands still until somebody decides. */
  private static final Duration LATER = Duration.ofMinutes(1);

  /** Makes of an HTTP request what the operation takes. */
  @FunctionalInterface
  public interface Reader<Q> {
    /**
     * Reads; changes nothing.
     *
     * @throws IOException if the request is unfit, as an {@link IllegalArgumentException} says too:
     *     it is answered 400, without the message
     */
    Q read(RequestContent request) throws IOException;
  }

  /** Makes an HTTP response of what the operation answered, a refusal included. */
  @FunctionalInterface
  public interface Writer<R> {
    void write(R response, HttpServletResponse http) throws IOException;
  }

  private final transient PaymentOperation<Q, R> operation;
  private final transient Reader<Q> reader;
  private final transient Writer<R> writer;
  private final transient Admission admission;
  private final transient Duration wait;

  private PaymentServlet(Builder<Q, R> builder) {
    this.operation = builder.operation;
    this.reader = builder.reader;
    this.writer = builder.writer;
    this.admission = builder.admission.build(operation.name());
    this.wait = builder.wait;
  }

  /**
   * Begins with a key that is required, in quotes, and scoped by the principal; with bodies of 1
   * MiB; and without waiting for a first request.
   */
  public static <Q, R> Builder<Q, R> builder(
      PaymentOperation<Q, R> operation, Reader<Q> reader, Writer<R> writer) {
    return new Builder<>(operation, reader, writer);
  }

  @Override
  protected void doPost(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    Optional<Admission.Admitted> admitted = admission.admit(request, response);
    if (admitted.isEmpty()) {
      return;
    }
    Optional<Q> asked = read(new BufferedRequest(request, admitted.get().body()), response);
    if (asked.isPresent()) {
      execute(admitted.get(), asked.get(), response);
    }
  }

  private Optional<Q> read(BufferedRequest request, HttpServletResponse response)
      throws IOException {
    try {
      return Optional.of(reader.read(request));
    } catch (UnfitRequestException e) {
      admission.answer(e, response);
    } catch (IOException | IllegalArgumentException e) {
      LOG.debug("a request of {} cannot be read", operation, e);
      admission.problems().answer(Problem.REQUEST_UNREADABLE, response);
    }
    return Optional.empty();
  }

  private void execute(Admission.Admitted admitted, Q asked, HttpServletResponse response)
      throws IOException {
    Answer<R> answer;
    try {
      answer = operation.execute(operation.key(admitted.tenant(), admitted.key()), asked, wait);
    } catch (UnfitRequestException e) {
      admission.answer(e, response);
      return;
    } catch (RuntimeException e) {
      FailureKind kind = Failures.classify(e);
      if (kind.fate() != FailureKind.Fate.ROLLED_BACK || kind.isRetryable()) {
        // Steps before the failed one may be done, so no more is said than that a retry is safe.
        LOG.warn("a request of {} was not answered: {}", operation, kind, e);
        admission.problems().answer(Problem.UNKNOWN, response, SOON);
        return;
      }
      throw e;
    }
    write(answer, response);
  }

  private void write(Answer<R> answer, HttpServletResponse response) throws IOException {
    Problems problems = admission.problems();
    switch (answer.outcome()) {
      case EXECUTED -> writer.write(answer.response().orElseThrow(), response);
      case REPLAYED -> {
        response.setHeader(IdempotencyFilter.REPLAYED, "true");
        writer.write(answer.response().orElseThrow(), response);
      }
      case IN_PROGRESS ->
          problems.answer(Problem.RUNNING, response, answer.retryAfter().orElse(SOON));
      case FINGERPRINT_MISMATCH -> problems.answer(Problem.OTHER_REQUEST, response);
      case EXPIRED -> problems.answer(Problem.EXPIRED, response);
      case UNKNOWN_OUTCOME ->
          problems.answer(Problem.UNKNOWN, response, answer.retryAfter().orElse(LATER));
    }
  }

  /**
   * Collects the options. Not safe for several threads.
   *
   * @param <Q> what is asked for
   * @param <R> the operation's response
   */
  public static final class Builder<Q, R> {
    private final PaymentOperation<Q, R> operation;
    private final Reader<Q> reader;
    private final Writer<R> writer;
    private final Admission.Options admission = new Admission.Options();
    private Duration wait = Duration.ZERO;

    private Builder(PaymentOperation<Q, R> operation, Reader<Q> reader, Writer<R> writer) {
      this.operation = operation;
      this.reader = reader;
      this.writer = writer;
    }

    /** As {@link IdempotencyFilter.Builder#withoutQuotes} says. */
    public Builder<Q, R> withoutQuotes() {
      admission.lenient();
      return this;
    }

    /** As {@link IdempotencyFilter.Builder#scope} says. */
    public Builder<Q, R> scope(Function<HttpServletRequest, Optional<String>> scope) {
      admission.scope(scope);
      return this;
    }

    /** How long to wait for a first request, before 409: zero, the default, to a minute. */
    public Builder<Q, R> waitFor(Duration time) {
      this.wait = time;
      return this;
    }

    /** The longest body of a request, 0 to 64 MiB; longer ones are answered 413. */
    public Builder<Q, R> maxRequestBytes(int bytes) {
      admission.maxBytes(bytes);
      return this;
    }

    /** As {@link IdempotencyFilter.Builder#documentation} says. */
    public Builder<Q, R> documentation(URI page) {
      admission.documentation(page);
      return this;
    }

    /** As {@link IdempotencyFilter.Builder#meterRegistry} says. */
    public Builder<Q, R> meterRegistry(MeterRegistry metrics) {
      admission.registry(metrics);
      return this;
    }

    /**
     * Checks.
     *
     * @throws dev.pgbelay.core.PgBelayException naming the option, its value and its range
     */
    public PaymentServlet<Q, R> build() {
      OptionRange.require("waitFor", wait, Duration.ZERO, Duration.ofMinutes(1));
      return new PaymentServlet<>(this);
    }
  }
}
