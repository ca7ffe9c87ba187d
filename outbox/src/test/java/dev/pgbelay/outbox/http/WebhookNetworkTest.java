package dev.pgbelay.outbox.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Against bare sockets: what is on the wire, and what is left of a connection. */
@Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class WebhookNetworkTest {
  private static final Instant NOW = Instant.ofEpochSecond(1_700_000_000L);
  private static final WebhookSecrets SECRETS =
      WebhookSecrets.of("a", "a-secret-of-32-bytes-for-a-test!".getBytes(UTF_8));

  private static WebhookPublisher.Builder to(ServerSocket server) {
    return WebhookPublisher.to(
            new WebhookEndpoint(
                URI.create("http://127.0.0.1:" + server.getLocalPort() + "/s3cret"), SECRETS),
            InstantSource.fixed(NOW))
        .allowPlainHttp()
        .allowPrivateAddresses();
  }

  private static ServerSocket server(int backlog) throws IOException {
    return new ServerSocket(0, backlog, InetAddress.getLoopbackAddress());
  }

  private static Delivery send(WebhookPublisher publisher, Message message)
      throws InterruptedException {
    return publisher.publish(List.of(message)).get(0);
  }

  private interface Serving<R> {
    R serve(Socket connection, Map<String, String> headers) throws IOException;
  }

  /** Serves one request, whose headers are read and whose body is left alone. */
  private static <R> CompletableFuture<R> serveOne(ServerSocket server, Serving<R> serving) {
    return CompletableFuture.supplyAsync(
        () -> {
          try (Socket connection = server.accept()) {
            BufferedReader lines =
                new BufferedReader(new InputStreamReader(connection.getInputStream(), UTF_8));
            Map<String, String> headers = new TreeMap<>();
            lines.readLine();
            for (String line = lines.readLine(); !line.isEmpty(); line = lines.readLine()) {
              int colon = line.indexOf(':');
              headers.put(
                  line.substring(0, colon).toLowerCase(Locale.ROOT),
                  line.substring(colon + 1).strip());
            }
            return serving.serve(connection, headers);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        },
        task -> new Thread(task, "receiver").start());
  }

  private static void say(Socket connection, String text) throws IOException {
    connection.getOutputStream().write(text.getBytes(UTF_8));
    connection.getOutputStream().flush();
  }

  /** A receiver has nothing but what was sent. */
  @Test
  void idThatIsNoHeader_isSignedAsItIsSent() throws Exception {
    Message message = Messages.of("Straße 1 %", "key", "{}", Map.of());
    try (ServerSocket server = server(5)) {
      CompletableFuture<Map<String, String>> received =
          serveOne(
              server,
              (connection, headers) -> {
                say(connection, "HTTP/1.1 204 No Content\r\n\r\n");
                return headers;
              });
      assertThat(send(to(server).build(), message)).isEqualTo(Delivery.delivered());
      Map<String, String> headers = received.get(30, TimeUnit.SECONDS);
      assertThat(headers).containsEntry("webhook-id", "Stra%C3%9Fe 1 %25");
      assertThat(
              SECRETS.verify(
                  headers.get("webhook-id"),
                  headers.get("webhook-timestamp"),
                  headers.get("webhook-signature"),
                  message.payload(),
                  NOW,
                  Duration.ofMinutes(5)))
          .isTrue();
    }
  }

  /** Whoever reads such a header takes it for the relay's word. */
  @Test
  void headersOfAProducerThatLookLikeTheRelays_doNotTravel() throws Exception {
    Message message =
        Messages.of(
            "m",
            "key",
            "{}",
            Map.of("webhook-mine", "1", "Pgbelay-Mine", "2", "Webhook-Id", "3", "tenant", "4"));
    try (ServerSocket server = server(5)) {
      CompletableFuture<Map<String, String>> received =
          serveOne(
              server,
              (connection, headers) -> {
                say(connection, "HTTP/1.1 204 No Content\r\n\r\n");
                return headers;
              });
      assertThat(send(to(server).build(), message)).isEqualTo(Delivery.delivered());
      assertThat(received.get(30, TimeUnit.SECONDS))
          .doesNotContainKeys("webhook-mine", "pgbelay-mine")
          .containsEntry("webhook-id", "m")
          .containsEntry("tenant", "4");
    }
  }

  /** A service that is sent through the JVM's proxy would have its addresses judged by nobody. */
  @Test
  void proxyOfTheJvm_isNotUsed() throws Exception {
    ProxySelector before = ProxySelector.getDefault();
    List<URI> asked = new ArrayList<>();
    try (ServerSocket server = server(5)) {
      ProxySelector.setDefault(
          new ProxySelector() {
            @Override
            public List<Proxy> select(URI uri) {
              asked.add(uri);
              return List.of(
                  new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved("localhost", 1)));
            }

            @Override
            public void connectFailed(URI uri, SocketAddress address, IOException failure) {}
          });
      CompletableFuture<Boolean> received =
          serveOne(
              server,
              (connection, headers) -> {
                say(connection, "HTTP/1.1 204 No Content\r\n\r\n");
                return true;
              });
      assertThat(send(to(server).build(), Messages.of("m"))).isEqualTo(Delivery.delivered());
      assertThat(received.get(30, TimeUnit.SECONDS)).isTrue();
      assertThat(asked).isEmpty();
    } finally {
      ProxySelector.setDefault(before);
    }
  }

  @Test
  void connectionThatIsNotAccepted_isAFailedAttemptAtItsOwnTimeout() throws Exception {
    List<Socket> full = new ArrayList<>();
    try (ServerSocket server = server(1)) {
      fill(server, full);
      long start = System.nanoTime();
      Delivery delivery =
          send(
              to(server)
                  .connectTimeout(Duration.ofMillis(300))
                  .requestTimeout(Duration.ofMinutes(1))
                  .build(),
              Messages.of("m"));
      assertThat(delivery.outcome()).isEqualTo(Delivery.Outcome.FAILED);
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(45));
    } finally {
      for (Socket one : full) {
        one.close();
      }
    }
  }

  /** Until nobody is answered any more, as of a host that drops what it is sent. */
  private static void fill(ServerSocket server, List<Socket> full) throws IOException {
    for (int i = 0; i < 100; i++) {
      Socket one = new Socket();
      full.add(one);
      try {
        one.connect(server.getLocalSocketAddress(), 300);
      } catch (SocketTimeoutException e) {
        return;
      }
    }
    throw new IllegalStateException("100 connections were taken by a backlog of one");
  }

  @Test
  void connectionOfAnAnswerThatTookTooLong_isClosed() throws Exception {
    try (ServerSocket server = server(5)) {
      CompletableFuture<Integer> end =
          serveOne(
              server,
              (connection, headers) -> {
                say(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nand so on");
                connection.setSoTimeout(60_000);
                int read;
                do {
                  read = connection.getInputStream().read();
                } while (read >= 0);
                return read;
              });
      Delivery delivery =
          send(to(server).requestTimeout(Duration.ofMillis(500)).build(), Messages.of("m"));
      assertThat(delivery.outcome()).isEqualTo(Delivery.Outcome.FAILED);
      assertThat(end.get(60, TimeUnit.SECONDS)).isEqualTo(-1);
    }
  }

  @Test
  void reasons_haveNeitherAddressNorPath() throws Exception {
    int port;
    try (ServerSocket server = server(5)) {
      port = server.getLocalPort();
      CompletableFuture<Boolean> broken = serveOne(server, (connection, headers) -> true);
      assertThat(send(to(server).build(), Messages.of("m")).reason())
          .startsWith("the connection broke: ")
          .doesNotContain("s3cret")
          .doesNotContain(Integer.toString(port));
      assertThat(broken.get(30, TimeUnit.SECONDS)).isTrue();
    }
    WebhookPublisher nobody;
    try (ServerSocket closed = server(5)) {
      nobody = to(closed).build();
    }
    assertThat(send(nobody, Messages.of("m")).reason())
        .isEqualTo("the endpoint cannot be connected to");
  }
}
