package dev.pgbelay.idempotency.http;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.OptionRange;
import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.concurrent.CancellationException;

/**
 * Sends a request with an {@code Idempotency-Key}, again where that can help, always with the same
 * key and the same bytes, and says what is then known about its effect.
 *
 * <p>Sent again: after a failure to connect, a timeout, a broken connection, 5xx, 408, 425, 429,
 * and 409, which by the draft says that another request with this key runs. Never after any other
 * answer: 422 says that the key belongs to another request. {@code Retry-After} is waited for if it
 * ends within the total time, else the last answer is handed back.
 *
 * <p>Blocks the calling thread, which must have no transaction of {@link Transactions} open: in a
 * payment operation it stands in a provider step. An interrupt ends the wait. Immutable and safe
 * for several threads; the {@code HttpClient} stays the caller's. Neither keys nor bodies are
 * logged.
 */
public final class KeyedSender {
  private final HttpClient client;
  private final int maxAttempts;
  private final IntervalFunction waits;
  private final Duration totalTime;
  private final Duration attemptTime;

  private KeyedSender(Builder builder) {
    this.client = builder.client;
    this.maxAttempts = builder.maxAttempts;
    this.waits =
        IntervalFunction.ofExponentialRandomBackoff(
            builder.firstWait, 2.0, 0.5, builder.longestWait);
    this.totalTime = builder.totalTime;
    this.attemptTime = builder.attemptTime;
  }

  /**
   * Begins with 4 attempts of 30 s each, waits of 200 ms to 5 s between them, and 1 minute in all.
   */
  public static Builder builder(HttpClient client) {
    return new Builder(client);
  }

  /**
   * Sends a request until it is answered or the attempts or the time are used up.
   *
   * @param head method, address and headers; without a body of its own, because a publisher does
   *     not say whether it can be read twice
   * @param body the same bytes each time; not changed while this runs
   * @param key the same for every request that means the same thing, across restarts: the id of the
   *     row that asks for the effect, not a random one made for this call
   * @param handler makes the body of each answer; must be able to be used several times
   * @throws PgBelayException if the head has a body or a key of its own, the key cannot stand in a
   *     header, or a transaction is open on this thread; nothing was sent
   * @throws InterruptedException if the thread was interrupted; the effect may have happened
   */
  public <T> Sent<T> send(
      HttpRequest head, byte[] body, String key, HttpResponse.BodyHandler<T> handler)
      throws InterruptedException {
    Transactions.requireNone();
    HttpRequest request = withKey(head, body, KeyHeader.format(key));
    SendHistory history = new SendHistory(waits, totalTime);
    RetryConfig policy =
        RetryConfig.<SendAttempt<T>>custom()
            .maxAttempts(maxAttempts)
            .retryOnException(e -> false)
            .retryOnResult(attempt -> history.mayGoOn(attempt))
            .intervalBiFunction((number, ended) -> history.pause().toMillis())
            .build();
    try {
      SendAttempt<T> last =
          Retry.of("keyed-sender", policy)
              .executeCallable(() -> history.note(attempt(request, handler, history)));
      return history.result(last);
    } catch (CancellationException e) {
      // Resilience4j's word for an interrupt between two attempts; it has set the flag again.
      if (Thread.interrupted()) {
        throw (InterruptedException)
            new InterruptedException("interrupted between two attempts").initCause(e);
      }
      throw e;
    } catch (InterruptedException | RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private HttpRequest withKey(HttpRequest head, byte[] body, String value) {
    if (head.bodyPublisher().map(publisher -> publisher.contentLength() != 0).orElse(false)) {
      throw new PgBelayException(
          "the request has a body of its own, which may not be readable twice: build it with"
              + " noBody() and give the bytes to send(...)");
    }
    if (head.headers().firstValue(KeyHeader.NAME).isPresent()) {
      throw new PgBelayException(
          "the request has a header " + KeyHeader.NAME + " of its own: give the key to send(...)");
    }
    HttpRequest.Builder request =
        HttpRequest.newBuilder(head, (name, header) -> true)
            .method(head.method(), HttpRequest.BodyPublishers.ofByteArray(body))
            .setHeader(KeyHeader.NAME, value);
    if (head.timeout().isEmpty()) {
      request.timeout(attemptTime);
    }
    return request.build();
  }

  private <T> SendAttempt<T> attempt(
      HttpRequest request, HttpResponse.BodyHandler<T> handler, SendHistory history)
      throws InterruptedException {
    Duration left = history.remaining();
    Duration limit = request.timeout().orElse(attemptTime);
    HttpRequest bounded =
        left.compareTo(limit) < 0
            ? HttpRequest.newBuilder(request, (name, header) -> true).timeout(left).build()
            : request;
    try {
      return new SendAttempt<>(client.send(bounded, handler), null);
    } catch (IOException e) {
      return new SendAttempt<>(null, e);
    }
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final HttpClient client;
    private int maxAttempts = 4;
    private Duration firstWait = Duration.ofMillis(200);
    private Duration longestWait = Duration.ofSeconds(5);
    private Duration attemptTime = Duration.ofSeconds(30);
    private Duration totalTime = Duration.ofMinutes(1);

    private Builder(HttpClient client) {
      this.client = client;
    }

    /** How often a request is sent at most, 1 to 100. */
    public Builder maxAttempts(int attempts) {
      this.maxAttempts = attempts;
      return this;
    }

    /** The wait after the first attempt, doubled after each, with jitter: 1 ms to 1 minute. */
    public Builder firstWait(Duration wait) {
      this.firstWait = wait;
      return this;
    }

    /** The longest wait of its own; {@code Retry-After} may ask for a longer one. */
    public Builder longestWait(Duration wait) {
      this.longestWait = wait;
      return this;
    }

    /** One attempt's time where the request has no timeout: 10 ms to 10 minutes. */
    public Builder attemptTime(Duration time) {
      this.attemptTime = time;
      return this;
    }

    /** The time of all attempts and waits together: 10 ms to 1 hour. */
    public Builder totalTime(Duration time) {
      this.totalTime = time;
      return this;
    }

    /**
     * Checks and freezes.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public KeyedSender build() {
      OptionRange.require("maxAttempts", maxAttempts, 1, 100);
      OptionRange.require("firstWait", firstWait, Duration.ofMillis(1), Duration.ofMinutes(1));
      OptionRange.require("longestWait", longestWait, firstWait, Duration.ofHours(1));
      OptionRange.require(
          "attemptTime", attemptTime, Duration.ofMillis(10), Duration.ofMinutes(10));
      OptionRange.require("totalTime", totalTime, Duration.ofMillis(10), Duration.ofHours(1));
      return new KeyedSender(this);
    }
  }
}
