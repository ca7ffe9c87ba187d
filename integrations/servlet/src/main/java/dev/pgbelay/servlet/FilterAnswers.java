package dev.pgbelay.servlet;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.idempotency.Answer;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a client is told once its request's transaction is over. Safe for several threads. */
final class FilterAnswers {
  private static final Logger LOG = LoggerFactory.getLogger(IdempotencyFilter.class);
  private static final Duration SOON = Duration.ofSeconds(1);

  private final Problems problems;
  private final String operation;

  FilterAnswers(Problems problems, String operation) {
    this.problems = problems;
    this.operation = operation;
  }

  void write(Answer<StoredResponse> answer, BufferedResponse buffered, HttpServletResponse response)
      throws IOException {
    Duration retryAfter = answer.retryAfter().orElse(SOON);
    switch (answer.outcome()) {
      case EXECUTED -> write(buffered.stored(), buffered.cookies(), response);
      case REPLAYED -> {
        response.setHeader(IdempotencyFilter.REPLAYED, "true");
        answer.response().orElseThrow().writeTo(response);
      }
      case IN_PROGRESS -> problems.answer(Problem.RUNNING, response, retryAfter);
      case FINGERPRINT_MISMATCH -> problems.answer(Problem.OTHER_REQUEST, response);
      case EXPIRED -> problems.answer(Problem.EXPIRED, response);
      case UNKNOWN_OUTCOME -> problems.answer(Problem.UNKNOWN, response, retryAfter);
    }
  }

  void write(StoredResponse whole, List<Cookie> cookies, HttpServletResponse response)
      throws IOException {
    cookies.forEach(response::addCookie);
    whole.writeTo(response);
  }

  /** Nothing has been sent, and nothing was committed unless that is what is not known. */
  void failed(Exception failure, HttpServletResponse response)
      throws IOException, ServletException {
    FailureKind kind = Failures.classify(failure);
    if (kind == FailureKind.OUTCOME_UNKNOWN) {
      LOG.warn("it is not known whether a request of {} was committed", operation, failure);
      problems.answer(Problem.UNKNOWN, response, SOON);
    } else if (kind.fate() == FailureKind.Fate.NEVER_BEGUN || kind.isRetryable()) {
      LOG.warn("a request of {} was not served: {}", operation, kind, failure);
      problems.answer(Problem.NOT_DONE, response, SOON);
    } else if (failure instanceof IOException e) {
      throw e;
    } else if (failure instanceof ServletException e) {
      throw e;
    } else if (failure instanceof RuntimeException e) {
      throw e;
    } else {
      throw new ServletException(failure);
    }
  }
}
