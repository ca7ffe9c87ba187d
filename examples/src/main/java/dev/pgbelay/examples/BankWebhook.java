package dev.pgbelay.examples;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.payment.Completer;
import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeEvent;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.idempotency.webhook.Handled;
import dev.pgbelay.idempotency.webhook.HmacSignatures;
import dev.pgbelay.idempotency.webhook.Reception;
import dev.pgbelay.idempotency.webhook.WebhookInbox;
import dev.pgbelay.idempotency.webhook.WebhookWorker;
import dev.pgbelay.testing.PostgresCluster;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import javax.sql.DataSource;

/**
 * A webhook endpoint: a bank charges, its answer is lost, and so the payment is unknown, until the
 * bank's event says what happened. The event is delivered twice, and processed once.
 */
public final class BankWebhook {
  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());

  private final DataSource dataSource;
  private final DataSource keepAlive;
  private final Transactions transactions;

  BankWebhook(DataSource dataSource, DataSource keepAlive) {
    this.dataSource = dataSource;
    this.keepAlive = keepAlive;
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) throws Exception {
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource pool = pool(cluster.primary().jdbcUrl(), 4);
        HikariDataSource leases = pool(cluster.primary().jdbcUrl(), 1)) {
      new BankWebhook(pool, leases).run(System.out);
    }
  }

  private static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    return new HikariDataSource(config);
  }

  void run(PrintStream out) throws Exception {
    SchemaInstaller.builder(dataSource).modules("idempotency").build().install();
    byte[] secret = "shared with the bank, from its dashboard".getBytes(StandardCharsets.UTF_8);
    // tag::inbox[]
    HmacSignatures signatures =
        HmacSignatures.builder(InstantSource.system()).secret("2026-11", secret).build();
    WebhookInbox inbox =
        WebhookInbox.builder(
                transactions, "bank", signatures, (headers, body) -> Optional.of(event(body).id()))
            .build();
    // end::inbox[]
    try (FakeProvider bank = FakeProvider.start(InstantSource.system());
        Payments payments = Payments.builder(transactions, keepAlive).build()) {
      PaymentOperation<String, String> checkout = checkout(payments, bank.uri());
      // tag::worker[]
      WebhookWorker worker =
          WebhookWorker.builder(
                  inbox,
                  (tx, event) -> {
                    FakeCharge charge = event(event.body()).charge();
                    ProviderReply<String> reply =
                        charge.hasTakenEffect()
                            ? ProviderReply.succeeded(charge.id())
                            : ProviderReply.refused("declined");
                    return Handled.after(
                        checkout.settleByProviderKey(tx, charge.key(), CHARGED, reply));
                  })
              .build();
      // end::worker[]
      HttpServer endpoint = listen(inbox);
      bank.webhooks(
          URI.create("http://localhost:" + endpoint.getAddress().getPort()),
          signatures,
          FakeProvider.Webhooks.HELD);
      try (worker;
          Completer completer = Completer.builder(payments).build()) {
        worker.start();
        completer.start();
        bank.next(ProviderFault.DROP_AFTER_ACTING);
        out.println(checkout.execute(checkout.key("shop-7", "order-1"), "10 EUR").outcome());
        out.println("delivered: " + bank.deliver(bank.events().get(0)));
        out.println("again: " + bank.deliver(bank.events().get(0)));
        Answer<String> answer = checkout.execute(checkout.key("shop-7", "order-1"), "10 EUR");
        while (answer.response().isEmpty()) {
          Thread.sleep(100);
          answer = checkout.execute(checkout.key("shop-7", "order-1"), "10 EUR");
        }
        out.println(answer.response().orElseThrow());
        out.println("charges: " + bank.effects("order-1"));
      } finally {
        endpoint.stop(0);
      }
    }
  }

  private static FakeEvent event(byte[] body) {
    return FakeEvent.parse(new String(body, StandardCharsets.UTF_8));
  }

  private static HttpServer listen(WebhookInbox inbox) throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", exchange -> answer(exchange, inbox));
    server.start();
    return server;
  }

  // tag::endpoint[]
  private static void answer(HttpExchange exchange, WebhookInbox inbox) throws IOException {
    int status = 503; // if storing fails, the bank comes again
    try {
      Reception reception =
          inbox.receive(
              name -> exchange.getRequestHeaders().getOrDefault(name, List.of()),
              exchange.getRequestBody());
      status = reception.status();
    } finally {
      exchange.sendResponseHeaders(status, -1);
      exchange.close();
    }
  }

  // end::endpoint[]

  /** Of a bank that cannot be asked what became of a call. */
  private static PaymentOperation<String, String> checkout(Payments payments, URI bank) {
    FakeProviderClient client =
        new FakeProviderClient(HttpClient.newHttpClient(), bank, Duration.ofSeconds(30));
    return payments
        .operation(
            "checkout",
            request -> Fingerprint.of(1, request.getBytes(StandardCharsets.UTF_8)),
            Codec.text(),
            Codec.text())
        .attempts(10, Duration.ofMinutes(10), Duration.ofMinutes(10))
        .provider(
            CHARGED,
            (Execution<String> execution, String key) -> {
              var response = client.charge(key, execution.key().key(), 1_000, "eur");
              return response.statusCode() == 201
                  ? ProviderReply.succeeded(FakeCharge.parse(response.body()).id())
                  : ProviderReply.unknown("status " + response.statusCode());
            },
            ProviderLimits.builder("bank", Duration.ofHours(24), Duration.ofSeconds(30))
                .attempts(1, Duration.ofMillis(100))
                .build())
        .respond((tx, execution) -> "paid by " + execution.result(CHARGED))
        .foundByProviderKey()
        .build();
  }
}
