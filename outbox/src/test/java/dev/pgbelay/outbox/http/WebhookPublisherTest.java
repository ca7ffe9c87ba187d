package dev.pgbelay.outbox.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Against the JDK's own server. */
@Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class WebhookPublisherTest {
  private static final Instant NOW = Instant.ofEpochSecond(1_700_000_000L);
  private static final WebhookSecrets SECRETS =
      WebhookSecrets.of("a", "a-secret-of-32-bytes-for-a-test!".getBytes(UTF_8));

  @SuppressWarnings("ArrayRecordComponent") // compared by nobody
  private record Received(String method, String path, Headers headers, byte[] body) {}

  private interface Answering {
    void answer(HttpExchange exchange) throws IOException;
  }

  private final BlockingQueue<Received> received = new LinkedBlockingQueue<>();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final CountDownLatch testEnds = new CountDownLatch(1);
  private HttpServer server;
  private volatile Answering answering = exchange -> exchange.sendResponseHeaders(204, -1);

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          received.add(
              new Received(
                  exchange.getRequestMethod(),
                  exchange.getRequestURI().toString(),
                  exchange.getRequestHeaders(),
                  exchange.getRequestBody().readAllBytes()));
          try {
            answering.answer(exchange);
          } finally {
            exchange.close();
          }
        });
    server.start();
  }

  @AfterEach
  void stop() {
    testEnds.countDown();
    server.stop(0);
    threads.shutdownNow();
  }

  private URI uri(String path) {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path);
  }

  private static WebhookPublisher.Builder to(URI uri) {
    return WebhookPublisher.to(new WebhookEndpoint(uri, SECRETS), InstantSource.fixed(NOW));
  }

  private WebhookPublisher.Builder here() {
    return to(uri("/hook?token=t0p")).allowPlainHttp().allowPrivateAddresses();
  }

  private static Delivery send(WebhookPublisher publisher, Message message) throws Exception {
    List<Delivery> deliveries = publisher.publish(List.of(message));
    assertThat(deliveries).hasSize(1);
    return deliveries.get(0);
  }

  private void answer(int status, String... headers) {
    answering =
        exchange -> {
          for (int i = 0; i < headers.length; i += 2) {
            exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
          }
          exchange.sendResponseHeaders(status, -1);
        };
  }

  @Test
  void message_arrivesSignedWithAllThatNamesIt() throws Exception {
    Message message =
        Messages.of("m-1", "order-42", "{\"id\":42}", Map.of("traceparent", "00-ab-cd-01"));
    assertThat(send(here().build(), message)).isEqualTo(Delivery.delivered());
    Received request = received.poll(30, TimeUnit.SECONDS);
    assertThat(request.method()).isEqualTo("POST");
    assertThat(request.path()).isEqualTo("/hook?token=t0p");
    assertThat(request.body()).isEqualTo(message.payload());
    Headers headers = request.headers();
    assertThat(headers.getFirst("content-type")).isEqualTo("application/json");
    assertThat(headers.getFirst("webhook-id")).isEqualTo("m-1");
    assertThat(headers.getFirst("pgbelay-topic")).isEqualTo("orders");
    assertThat(headers.getFirst("pgbelay-type")).isEqualTo("order-placed");
    assertThat(headers.getFirst("pgbelay-key")).isEqualTo("order-42");
    assertThat(headers.getFirst("pgbelay-claim")).isEqualTo("claim-7");
    assertThat(headers.getFirst("pgbelay-attempt")).isEqualTo("3");
    assertThat(headers.getFirst("pgbelay-replay")).isEqualTo("true");
    assertThat(headers.getFirst("traceparent")).isEqualTo("00-ab-cd-01");
    assertThat(
            SECRETS.verify(
                headers.getFirst("webhook-id"),
                headers.getFirst("webhook-timestamp"),
                headers.getFirst("webhook-signature"),
                request.body(),
                NOW,
                Duration.ofMinutes(5)))
        .isTrue();
  }

  @Test
  void keysAndHeadersThatAreNotOfHttp_cannotSmuggleOthersIn() throws Exception {
    Message message =
        Messages.of(
            "m 1\r\nevil: 1",
            "Straße 100% \n ",
            "x",
            Map.of(
                "tenant", "a\r\nevil: 2",
                "evil: 3\r\nx", "y",
                "Host", "elsewhere",
                "Content-Length", "1",
                "webhook-signature", "mine",
                "Content-Type", "text/plain"));
    assertThat(send(here().build(), message)).isEqualTo(Delivery.delivered());
    Headers headers = received.poll(30, TimeUnit.SECONDS).headers();
    assertThat(headers).doesNotContainKey("Evil");
    assertThat(headers.getFirst("webhook-id")).isEqualTo("m 1%0D%0Aevil: 1");
    assertThat(headers.getFirst("pgbelay-key")).isEqualTo("Stra%C3%9Fe%20100%25%20%0A%20");
    assertThat(headers.getFirst("tenant")).isEqualTo("a%0D%0Aevil: 2");
    assertThat(headers.getFirst("host")).startsWith("127.0.0.1");
    assertThat(headers.get("webhook-signature")).hasSize(1).doesNotContain("mine");
    assertThat(headers.getFirst("content-type")).isEqualTo("text/plain");
    assertThat(headers.getFirst("content-length")).isEqualTo("1");
  }

  @ParameterizedTest
  @CsvSource({
    "200,DELIVERED", "202,DELIVERED", "204,DELIVERED", "301,FAILED", "307,FAILED", "400,REJECTED",
    "401,REJECTED", "404,REJECTED", "408,FAILED", "409,REJECTED", "410,REJECTED", "413,REJECTED",
    "422,REJECTED", "425,FAILED", "429,FAILED", "500,FAILED", "502,FAILED", "503,FAILED",
    "504,FAILED"
  })
  void status_saysWhatBecameOfTheMessage(int status, Delivery.Outcome outcome) throws Exception {
    answer(status, "location", uri("/elsewhere").toString());
    Delivery delivery = send(here().build(), Messages.of("m"));
    assertThat(delivery.outcome()).isEqualTo(outcome);
    if (outcome != Delivery.Outcome.DELIVERED) {
      assertThat(delivery.reason()).contains(Integer.toString(status));
    }
    assertThat(received).as("nothing was sent a second time").hasSize(1);
  }

  @Test
  void statusesThatAreToBeRetried_areFailures() throws Exception {
    answer(404);
    assertThat(send(here().retryOn(401, 404).build(), Messages.of("m")).outcome())
        .isEqualTo(Delivery.Outcome.FAILED);
    assertThatThrownBy(() -> here().retryOn(500).build())
        .isExactlyInstanceOf(PgBelayException.class)
        .hasMessageContaining("retryOn must be between 400 and 499, is 500");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "7|Tue, 14 Nov 2023 22:13:20 GMT|PT7S",
        "Tue, 14 Nov 2023 22:15:20 GMT|Tue, 14 Nov 2023 22:13:20 GMT|PT2M",
        "Tue, 14 Nov 2023 22:15:20 GMT|Tue, 14 Nov 2023 22:14:20 GMT|PT1M",
        "Tue, 14 Nov 2023 22:00:00 GMT|Tue, 14 Nov 2023 22:13:20 GMT|PT0S",
        "999999999|Tue, 14 Nov 2023 22:13:20 GMT|PT24H"
      })
  void retryAfter_isPassedOn(String value, String date, Duration expected) throws Exception {
    assertThat(
            RetryAfter.of(
                java.net.http.HttpHeaders.of(
                    Map.of("retry-after", List.of(value), "date", List.of(date)),
                    (name, text) -> true),
                NOW))
        .hasValue(expected);
    answer(503, "Retry-After", "7");
    assertThat(send(here().build(), Messages.of("m")).retryAfter()).hasValue(Duration.ofSeconds(7));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "soon", "-1", "1.5", "99999999999"})
  void retryAfterThatIsNone_isIgnored(String value) {
    assertThat(
            RetryAfter.of(
                java.net.http.HttpHeaders.of(
                    Map.of("retry-after", List.of(value)), (name, text) -> true),
                NOW))
        .isEmpty();
  }

  @Test
  void addressesThatAreNotPublic_areNotConnectedTo() throws Exception {
    for (String host :
        List.of("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0")) {
      URI target = URI.create("http://" + host + ":" + server.getAddress().getPort() + "/");
      Delivery delivery = send(to(target).allowPlainHttp().build(), Messages.of("m"));
      assertThat(delivery.outcome()).as(host).isEqualTo(Delivery.Outcome.REJECTED);
      assertThat(delivery.reason()).contains("not public");
    }
    assertThat(received).isEmpty();
  }

  @Test
  void hostWithOnePrivateAddressAmongOthers_isNotConnectedTo() throws Exception {
    WebhookPublisher publisher =
        to(uri("/"))
            .allowPlainHttp()
            .resolver(
                host ->
                    List.of(InetAddress.getByName("1.1.1.1"), InetAddress.getByName("10.0.0.1")))
            .build();
    assertThat(send(publisher, Messages.of("m")).outcome()).isEqualTo(Delivery.Outcome.REJECTED);
    assertThat(received).isEmpty();
  }

  @Test
  void hostIsJudgedBeforeEachRequest_notOnce() throws Exception {
    AtomicInteger asked = new AtomicInteger();
    WebhookPublisher publisher =
        to(uri("/"))
            .allowPlainHttp()
            .resolver(
                host ->
                    List.of(
                        InetAddress.getByName(
                            asked.getAndIncrement() == 0 ? "1.1.1.1" : "10.0.0.1")))
            .build();
    assertThat(send(publisher, Messages.of("m")).outcome()).isEqualTo(Delivery.Outcome.DELIVERED);
    assertThat(send(publisher, Messages.of("m")).outcome()).isEqualTo(Delivery.Outcome.REJECTED);
    assertThat(received).hasSize(1);
  }

  @Test
  void hostThatDoesNotResolve_isAFailedAttempt() throws Exception {
    WebhookPublisher publisher =
        to(URI.create("https://nowhere.invalid/"))
            .resolver(
                host -> {
                  throw new UnknownHostException(host);
                })
            .build();
    assertThat(send(publisher, Messages.of("m")).outcome()).isEqualTo(Delivery.Outcome.FAILED);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://example.com/",
        "ftp://example.com/",
        "https:///path",
        "https://user:pw@example.com/",
        "https://example.com/#here",
        "/path"
      })
  void uriThatIsUnfit_isRejectedUnsent(String uri) throws Exception {
    Delivery delivery = send(to(URI.create(uri)).build(), Messages.of("m"));
    assertThat(delivery.outcome()).isEqualTo(Delivery.Outcome.REJECTED);
    assertThat(delivery.reason()).doesNotContain("pw").doesNotContain("path");
  }

  @Test
  void receiverThatDoesNotAnswer_isAFailedAttemptAtTheTimeout() throws Exception {
    answering =
        exchange -> {
          try {
            testEnds.await();
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
        };
    Delivery delivery =
        send(here().requestTimeout(Duration.ofMillis(300)).build(), Messages.of("m"));
    assertThat(delivery.outcome()).isEqualTo(Delivery.Outcome.FAILED);
    assertThat(delivery.reason()).isEqualTo("no answer within PT0.3S");
  }

  @Test
  void bodyThatNeverEnds_isBoundedByBytesAndByTime() throws Exception {
    answering =
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          OutputStream body = exchange.getResponseBody();
          byte[] chunk = new byte[8192];
          while (testEnds.getCount() > 0) {
            body.write(chunk);
          }
        };
    assertThat(send(here().build(), Messages.of("m"))).isEqualTo(Delivery.delivered());
    answering =
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          exchange.getResponseBody().write(1);
          exchange.getResponseBody().flush();
          try {
            testEnds.await();
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
        };
    Delivery slow = send(here().requestTimeout(Duration.ofMillis(500)).build(), Messages.of("m"));
    assertThat(slow.outcome()).isEqualTo(Delivery.Outcome.FAILED);
  }

  @Test
  void nobodyThere_isAFailedAttempt() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    WebhookPublisher publisher =
        to(URI.create("http://127.0.0.1:" + port + "/"))
            .allowPlainHttp()
            .allowPrivateAddresses()
            .build();
    assertThat(send(publisher, Messages.of("m")).outcome()).isEqualTo(Delivery.Outcome.FAILED);
  }

  @Test
  void connectionThatBreaks_isAFailedAttempt() throws Exception {
    try (ServerSocket rude = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Future<?> closing =
          threads.submit(
              () -> {
                while (true) {
                  try (Socket connection = rude.accept()) {
                    connection.getInputStream().read();
                  }
                }
              });
      WebhookPublisher publisher =
          to(URI.create("http://127.0.0.1:" + rude.getLocalPort() + "/"))
              .allowPlainHttp()
              .allowPrivateAddresses()
              .build();
      assertThat(send(publisher, Messages.of("m")).outcome()).isEqualTo(Delivery.Outcome.FAILED);
      closing.cancel(true);
    }
  }

  @Test
  void publisherThatIsInterrupted_saysSo() throws Exception {
    answering =
        exchange -> {
          try {
            testEnds.await();
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
        };
    WebhookPublisher publisher = here().build();
    List<Throwable> thrown = new ArrayList<>();
    Thread caller =
        new Thread(
            () -> {
              try {
                publisher.publish(List.of(Messages.of("m")));
              } catch (Throwable e) {
                thrown.add(e);
              }
            });
    caller.start();
    assertThat(received.poll(30, TimeUnit.SECONDS)).isNotNull();
    caller.interrupt();
    caller.join(30_000);
    assertThat(thrown).hasSize(1).first().isInstanceOf(InterruptedException.class);
  }

  @Test
  void messageBehindOneThatFailed_isHeldBack() throws Exception {
    answer(500);
    assertThat(here().build().publish(List.of(Messages.of("m1"), Messages.of("m2"))))
        .extracting(Delivery::outcome)
        .containsExactly(Delivery.Outcome.FAILED, Delivery.Outcome.HELD_BACK);
    assertThat(received).hasSize(1);
  }

  @Test
  void endpointOfEachMessage_isAskedFor() throws Exception {
    WebhookPublisher publisher =
        WebhookPublisher.to(
                message -> new WebhookEndpoint(uri("/" + message.messageId()), SECRETS),
                InstantSource.fixed(NOW))
            .allowPlainHttp()
            .allowPrivateAddresses()
            .build();
    send(publisher, Messages.of("one"));
    send(publisher, Messages.of("two"));
    assertThat(received).extracting(Received::path).containsExactly("/one", "/two");
  }

  @Test
  void text_hasNeitherPathNorSecret() {
    assertThat(new WebhookEndpoint(URI.create("https://h.example/s3cret?t=1"), SECRETS))
        .hasToString("WebhookEndpoint[https://h.example, WebhookSecrets[a]]");
  }

  @Test
  void optionsOutOfRange_areRefused() {
    assertThatThrownBy(() -> here().connectTimeout(Duration.ZERO).build())
        .hasMessageContaining("connectTimeout must be between");
    assertThatThrownBy(() -> here().requestTimeout(Duration.ofHours(1)).build())
        .hasMessageContaining("requestTimeout must be between");
  }
}
