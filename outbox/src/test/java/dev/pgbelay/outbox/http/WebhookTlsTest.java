package dev.pgbelay.outbox.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.pgbelay.outbox.Delivery;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.InstantSource;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Over TLS, to a server whose certificate is made here and signed by nobody else. */
class WebhookTlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();
  private static final WebhookSecrets SECRETS =
      WebhookSecrets.of("a", "a-secret-of-32-bytes-for-a-test!".getBytes(UTF_8));

  @TempDir private Path folder;
  private final AtomicInteger received = new AtomicInteger();
  private @Nullable HttpsServer started;

  @AfterEach
  void stop() {
    if (started != null) {
      started.stop(0);
    }
  }

  private KeyStore certificateFor(String subjectAlternativeName) throws Exception {
    Path file = folder.resolve("keys.p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-keyalg",
                "EC",
                "-dname",
                "CN=webhooks",
                "-ext",
                "san=" + subjectAlternativeName,
                "-keystore",
                file.toString(),
                "-storetype",
                "PKCS12",
                "-storepass",
                new String(PASSWORD))
            .redirectErrorStream(true)
            .start();
    String said = new String(keytool.getInputStream().readAllBytes(), UTF_8);
    assertThat(keytool.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(keytool.exitValue()).as(said).isZero();
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      keys.load(in, PASSWORD);
    }
    return keys;
  }

  private void serve(KeyStore keys) throws Exception {
    KeyManagerFactory identity =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    identity.init(keys, PASSWORD);
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(identity.getKeyManagers(), null, null);
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setHttpsConfigurator(new HttpsConfigurator(tls));
    server.createContext(
        "/",
        exchange -> {
          received.incrementAndGet();
          exchange.sendResponseHeaders(204, -1);
          exchange.close();
        });
    server.start();
    started = server;
  }

  private static SSLContext trusting(KeyStore keys) throws Exception {
    KeyStore certificates = KeyStore.getInstance("PKCS12");
    certificates.load(null, null);
    certificates.setCertificateEntry("webhooks", keys.getCertificate("mykey"));
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(certificates);
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(null, trust.getTrustManagers(), null);
    return tls;
  }

  private WebhookPublisher.Builder here() {
    URI uri =
        URI.create(
            "https://127.0.0.1:"
                + Objects.requireNonNull(started).getAddress().getPort()
                + "/hook");
    return WebhookPublisher.to(new WebhookEndpoint(uri, SECRETS), InstantSource.system())
        .allowPrivateAddresses();
  }

  private static Delivery send(WebhookPublisher publisher) throws Exception {
    return publisher.publish(List.of(Messages.of("m"))).get(0);
  }

  @Test
  void certificateThatTheGivenContextTrusts_isSentTo() throws Exception {
    KeyStore keys = certificateFor("ip:127.0.0.1");
    serve(keys);
    assertThat(send(here().tls(trusting(keys)).build())).isEqualTo(Delivery.delivered());
    assertThat(received).hasValue(1);
  }

  /**
   * It may be an intruder, or a certificate that was renewed too late: sent to once it is right.
   */
  @Test
  void certificateThatIsNotTrusted_isAFailedAttemptAndGetsNoRequest() throws Exception {
    serve(certificateFor("ip:127.0.0.1"));
    Delivery delivery = send(here().build());
    assertThat(delivery.outcome()).isEqualTo(Delivery.Outcome.FAILED);
    assertThat(delivery.reason()).isEqualTo("no TLS with the endpoint: SSLHandshakeException");
    assertThat(received).hasValue(0);
  }

  @Test
  void certificateOfAnotherHost_isAFailedAttemptAndGetsNoRequest() throws Exception {
    KeyStore keys = certificateFor("dns:elsewhere.example");
    serve(keys);
    Delivery delivery = send(here().tls(trusting(keys)).build());
    assertThat(delivery.outcome()).isEqualTo(Delivery.Outcome.FAILED);
    assertThat(delivery.reason()).startsWith("no TLS with the endpoint: SSL");
    assertThat(received).hasValue(0);
  }
}
