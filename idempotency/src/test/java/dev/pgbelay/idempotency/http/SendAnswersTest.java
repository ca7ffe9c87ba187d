package dev.pgbelay.idempotency.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the same answer, each time, means. */
class SendAnswersTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  private final AtomicBoolean asked = new AtomicBoolean();
  private HttpServer server;
  private volatile int status;
  private volatile Optional<String> retryAfter = Optional.empty();

  @BeforeEach
  void listen() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          exchange.getRequestBody().readAllBytes();
          asked.set(true);
          retryAfter.ifPresent(time -> exchange.getResponseHeaders().set("Retry-After", time));
          exchange.sendResponseHeaders(status, -1);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private Sent<Void> send() throws InterruptedException {
    HttpRequest head =
        HttpRequest.newBuilder(URI.create("http://localhost:" + server.getAddress().getPort()))
            .POST(HttpRequest.BodyPublishers.noBody())
            .build();
    return KeyedSender.builder(HttpClient.newHttpClient())
        .maxAttempts(3)
        .firstWait(Duration.ofMillis(1))
        .longestWait(Duration.ofMillis(2))
        .attemptTime(Duration.ofMinutes(1))
        .totalTime(Duration.ofMinutes(5))
        .build()
        .send(head, new byte[0], "k", BodyHandlers.discarding());
  }

  @ParameterizedTest
  @CsvSource({
    "201, ANSWERED, 1",
    "404, ANSWERED, 1",
    "410, ANSWERED, 1",
    "422, ANSWERED, 1",
    "401, NOT_ACCEPTED, 1",
    "403, NOT_ACCEPTED, 1",
    "425, NOT_ACCEPTED, 3",
    "429, NOT_ACCEPTED, 3",
    "408, UNDETERMINED, 3",
    "409, UNDETERMINED, 3",
    "503, UNDETERMINED, 3",
  })
  void sameAnswerEachTime_saysWhatIsKnown(int answer, Sent.Outcome outcome, int attempts)
      throws Exception {
    status = answer;
    Sent<Void> sent = send();
    assertThat(sent.outcome()).isEqualTo(outcome);
    assertThat(sent.attempts()).isEqualTo(attempts);
  }

  @Test
  void retryAfterThatDoesNotFit_endsTheAttempts() throws Exception {
    status = 503;
    retryAfter = Optional.of("3600");
    assertThat(send().attempts()).isEqualTo(1);
    retryAfter =
        Optional.of(
            DateTimeFormatter.RFC_1123_DATE_TIME.format(
                Instant.now().plusSeconds(3_600).atOffset(ZoneOffset.UTC)));
    assertThat(send().attempts()).isEqualTo(1);
    retryAfter = Optional.of("soon");
    assertThat(send().attempts()).isEqualTo(3);
  }

  @Test
  void retryAfterThatFits_isWaitedFor() throws Exception {
    status = 503;
    retryAfter = Optional.of("1");
    long begin = System.nanoTime();
    assertThat(send().attempts()).isEqualTo(3);
    assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(Duration.ofSeconds(2));
    retryAfter =
        Optional.of(
            DateTimeFormatter.RFC_1123_DATE_TIME.format(
                Instant.now().plusSeconds(2).atOffset(ZoneOffset.UTC)));
    assertThat(send().attempts()).as("a date, measured from the answer's").isEqualTo(3);
  }

  @Test
  void interruptBetweenTwoAttempts_endsTheWait() throws Exception {
    status = 503;
    retryAfter = Optional.of("60");
    AtomicReference<Throwable> ended = new AtomicReference<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                send();
              } catch (Throwable e) {
                ended.set(e);
              }
            });
    thread.start();
    await()
        .atMost(LONG)
        .until(
            () ->
                asked.get()
                    && Arrays.stream(thread.getStackTrace())
                        .anyMatch(frame -> frame.getMethodName().equals("sleep")));
    thread.interrupt();
    thread.join(LONG.toMillis());
    assertThat(ended.get()).isInstanceOf(InterruptedException.class);
  }

  @Test
  void failuresBeforeAConnection_haveSentNothing() {
    for (IOException failure :
        new IOException[] {
          new ConnectException("refused"),
          new HttpConnectTimeoutException("too slow"),
          new IOException(new UnresolvedAddressException())
        }) {
      assertThat(new SendAttempt<>(null, failure).meaning())
          .isEqualTo(SendAttempt.Meaning.NOT_SENT);
    }
    assertThat(new SendAttempt<>(null, new HttpTimeoutException("no answer")).meaning())
        .isEqualTo(SendAttempt.Meaning.UNDETERMINED);
  }

  @Test
  void pauseOfItsOwn_isKeptWhereNoneIsAskedFor() {
    SendHistory history = new SendHistory(number -> 700L, LONG);
    assertThat(history.mayGoOn(new SendAttempt<>(null, new IOException("cut")))).isTrue();
    assertThat(history.pause()).isEqualTo(Duration.ofMillis(700));
  }
}
