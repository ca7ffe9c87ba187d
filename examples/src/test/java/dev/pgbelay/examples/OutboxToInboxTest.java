package dev.pgbelay.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.webhook.Reception;
import dev.pgbelay.idempotency.webhook.StandardWebhooks;
import dev.pgbelay.idempotency.webhook.WebhookInbox;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.http.WebhookEndpoint;
import dev.pgbelay.outbox.http.WebhookPublisher;
import dev.pgbelay.outbox.http.WebhookSecrets;
import dev.pgbelay.testing.PostgresExtension;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What one service's outbox sends, another one's webhook inbox takes in. */
class OutboxToInboxTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static final byte[] OLD = "an-old-secret-of-32-bytes-length".getBytes(UTF_8);
  private static final byte[] NEW = "a-new-secret-of-32-bytes-length!".getBytes(UTF_8);

  private final BlockingQueue<Reception> received = new LinkedBlockingQueue<>();
  private HttpServer server;
  private WebhookInbox inbox;

  @BeforeEach
  void start() throws Exception {
    SchemaInstaller.builder(postgres.dataSource())
        .modules("batch", "idempotency")
        .build()
        .install();
    inbox =
        WebhookInbox.builder(
                Transactions.of(postgres.dataSource()),
                "shop",
                StandardWebhooks.builder(InstantSource.system()).secret("2026-11", OLD).build(),
                StandardWebhooks.eventIds())
            .build();
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          Reception reception =
              inbox.receive(
                  name -> exchange.getRequestHeaders().getOrDefault(name, List.of()),
                  exchange.getRequestBody());
          received.add(reception);
          exchange.sendResponseHeaders(reception.status(), -1);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private Delivery send(WebhookSecrets secrets, String id) throws Exception {
    URI here = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");
    Message message =
        new Message(
            1,
            id,
            "orders",
            Optional.of("order-42"),
            Optional.of("order-placed"),
            Map.of(),
            "{\"id\":42}".getBytes(UTF_8),
            Instant.EPOCH,
            1,
            "claim-7",
            false,
            new CommitPosition(1, 1, 1));
    return WebhookPublisher.to(new WebhookEndpoint(here, secrets), InstantSource.system())
        .allowPlainHttp()
        .allowPrivateAddresses()
        .build()
        .publish(List.of(message))
        .get(0);
  }

  @Test
  void messageOfTheOutbox_isStoredOnceAlsoWhileTheSenderChangesItsSecret() throws Exception {
    assertThat(send(WebhookSecrets.of("old", OLD), "m-1")).isEqualTo(Delivery.delivered());
    assertThat(received.take().outcome()).isEqualTo(Reception.Outcome.STORED);
    assertThat(send(WebhookSecrets.of("new", NEW).and("old", OLD), "m-1"))
        .isEqualTo(Delivery.delivered());
    assertThat(received.take().outcome()).isEqualTo(Reception.Outcome.DUPLICATE);
    assertThat(inbox.read("m-1").orElseThrow().body()).asString(UTF_8).isEqualTo("{\"id\":42}");
  }

  @Test
  void messageOfAnotherSender_isRefused() throws Exception {
    assertThat(send(WebhookSecrets.of("new", NEW), "m-2")).isNotEqualTo(Delivery.delivered());
    assertThat(received.take().outcome()).isEqualTo(Reception.Outcome.BAD_SIGNATURE);
    assertThat(inbox.find("m-2")).isEmpty();
  }
}
