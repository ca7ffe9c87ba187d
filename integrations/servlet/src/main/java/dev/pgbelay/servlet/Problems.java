package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.UTF_8;

import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;

/** Answers with problems, and counts them. Safe for several threads. */
final class Problems {
  private static final String PLAIN = "about:blank";

  private final Optional<URI> documentation;
  private final RefusalMeters meters;

  Problems(Optional<URI> documentation, RefusalMeters meters) {
    this.documentation = documentation;
    this.meters = meters;
  }

  void answer(Problem problem, HttpServletResponse response, Duration retryAfter)
      throws IOException {
    response.setHeader("Retry-After", Long.toString(seconds(retryAfter)));
    answer(problem, response);
  }

  /** Never too early, and never at once. */
  static long seconds(Duration retryAfter) {
    return Math.max(1, retryAfter.plusMillis(999).toSeconds());
  }

  void answer(Problem problem, HttpServletResponse response) throws IOException {
    meters.refused(problem);
    documentation.ifPresent(
        page -> response.addHeader("Link", "<" + page.toASCIIString() + ">; rel=\"describedby\""));
    String type =
        documentation.map(page -> page.toASCIIString() + "#" + problem.anchor()).orElse(PLAIN);
    byte[] body =
        "{\"type\":\"%s\",\"status\":%d,\"title\":\"%s\",\"detail\":\"%s\"}"
            .formatted(type, problem.status(), problem.title(), problem.detail())
            .getBytes(UTF_8);
    response.setStatus(problem.status());
    response.setContentType("application/problem+json");
    response.setContentLength(body.length);
    response.getOutputStream().write(body);
  }
}
