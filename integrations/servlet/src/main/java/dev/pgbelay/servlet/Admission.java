package dev.pgbelay.servlet;

import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException;
import dev.pgbelay.idempotency.http.KeyHeader;
import dev.pgbelay.idempotency.internal.KeyRules;
import io.micrometer.core.instrument.MeterRegistry;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.security.Principal;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a request with a key must bring before anything is done for it: one well-formed key,
 * somebody to whom it belongs, and a body that fits into memory. Safe for several threads.
 */
final class Admission {
  /** A request that may be tried. */
  @SuppressWarnings("ArrayRecordComponent") // read by this package alone, never compared
  record Admitted(String tenant, String key, byte[] body) {}

  private final Problems problems;
  private final boolean lenient;
  private final Function<HttpServletRequest, Optional<String>> scope;
  private final int maxBytes;

  private Admission(Options options, String operation) {
    RefusalMeters meters =
        options.registry == null
            ? RefusalMeters.NONE
            : new RefusalMeters.OfMicrometer(options.registry, operation);
    this.problems = new Problems(Optional.ofNullable(options.documentation), meters);
    this.lenient = options.lenient;
    this.scope = options.scope;
    this.maxBytes = options.maxBytes;
  }

  Problems problems() {
    return problems;
  }

  /** Empty if the request was answered. */
  Optional<Admitted> admit(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    List<String> values = Collections.list(request.getHeaders(KeyHeader.NAME));
    if (values.isEmpty()) {
      return refused(Problem.KEY_MISSING, response);
    }
    Optional<String> key = values.size() == 1 ? read(values.get(0)) : Optional.empty();
    if (key.isEmpty()) {
      return refused(Problem.KEY_MALFORMED, response);
    }
    Optional<String> tenant = scope.apply(request);
    if (tenant.isEmpty()) {
      return refused(Problem.NOT_AUTHENTICATED, response);
    }
    String type = request.getContentType();
    if (type != null && type.toLowerCase(Locale.ROOT).startsWith("multipart/")) {
      return refused(Problem.BODY_OF_PARTS, response);
    }
    if (request.getContentLengthLong() > maxBytes) {
      return refused(Problem.BODY_TOO_LARGE, response);
    }
    byte[] body = request.getInputStream().readNBytes(maxBytes + 1);
    return body.length > maxBytes
        ? refused(Problem.BODY_TOO_LARGE, response)
        : Optional.of(new Admitted(Scope.printable(tenant.get()), key.get(), body));
  }

  /** Of a body that has no fingerprint. */
  void answer(UnfitRequestException unfit, HttpServletResponse response) throws IOException {
    boolean tooLong = unfit.reason() == UnfitRequestException.Reason.TOO_LONG;
    problems.answer(tooLong ? Problem.BODY_TOO_LARGE : Problem.REQUEST_UNFIT, response);
  }

  private <T> Optional<T> refused(Problem problem, HttpServletResponse response)
      throws IOException {
    problems.answer(problem, response);
    return Optional.empty();
  }

  private Optional<String> read(String value) {
    return (lenient ? KeyHeader.parseLeniently(value) : KeyHeader.parse(value))
        .filter(key -> key.length() <= KeyRules.LONGEST_KEY);
  }

  /** Not safe for several threads. */
  static final class Options {
    private boolean lenient;
    private Function<HttpServletRequest, Optional<String>> scope =
        request -> Optional.ofNullable(request.getUserPrincipal()).map(Principal::getName);
    private int maxBytes = 1 << 20;
    private @Nullable URI documentation;
    private @Nullable MeterRegistry registry;

    void lenient() {
      this.lenient = true;
    }

    void scope(Function<HttpServletRequest, Optional<String>> of) {
      this.scope = of;
    }

    void maxBytes(int most) {
      this.maxBytes = most;
    }

    void documentation(URI page) {
      this.documentation = page;
    }

    void registry(MeterRegistry metrics) {
      this.registry = metrics;
    }

    /**
     * Checks.
     *
     * @param operation that the requests are of
     */
    Admission build(String operation) {
      OptionRange.require("maxRequestBytes", maxBytes, 0, 64 << 20);
      return new Admission(this, operation);
    }
  }
}
