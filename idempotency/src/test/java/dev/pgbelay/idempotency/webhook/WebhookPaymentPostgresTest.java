package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Tx;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.Completer;
import dev.pgbelay.idempotency.payment.OpenPayment;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderCall;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeEvent;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProvider.Webhooks;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Payments whose provider tells by webhook what it did; over real sockets, in both directions. */
class WebhookPaymentPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Inboxes.SCHEMA).withPoolSize(12);

  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());

  /** For what takes a second or two where all is well. */
  private static final Duration SOME = Duration.ofSeconds(20);

  private static final Duration HOUR = Duration.ofHours(1);

  private final Inboxes bank = new Inboxes(postgres.dataSource());
  private final FakeProvider provider = FakeProvider.start(InstantSource.system());
  private final FakeProviderClient client =
      new FakeProviderClient(HttpClient.newHttpClient(), provider.uri(), SOME);
  private final HikariDataSource leases = Inboxes.pool(postgres.jdbcUrl(), 1, "select 1");
  private final Payments payments = Payments.builder(bank.transactions, leases).build();
  private final WebhookInbox inbox =
      WebhookInbox.builder(
              bank.transactions, bank.provider, bank.signatures, WebhookPaymentPostgresTest::id)
          .attempts(10, Inboxes.MOMENT, Inboxes.MOMENT)
          .build();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private Function<FakeCharge, ProviderReply<String>> said = WebhookPaymentPostgresTest::reply;
  private Function<ProviderReply<String>, ProviderReply<String>> answered = reply -> reply;
  private boolean processing = true;
  private final PaymentOperation<String, String> checkout = checkout();
  private final WebhookWorker worker = WebhookWorker.builder(inbox, this::handle).build();
  private HttpServer endpoint;

  private static Optional<String> id(Function<String, List<String>> headers, byte[] body) {
    return Optional.of(FakeEvent.parse(new String(body, UTF_8)).id());
  }

  private static ProviderReply<String> reply(FakeCharge charge) {
    return charge.hasTakenEffect()
        ? ProviderReply.succeeded(charge.id())
        : ProviderReply.refused("declined");
  }

  private Handled handle(Tx tx, WebhookEvent event) {
    FakeCharge charge = FakeEvent.parse(event.text()).charge();
    return Handled.after(
        checkout.settleByProviderKey(tx, charge.key(), CHARGED, said.apply(charge)));
  }

  /** Whose provider has no status query: only the webhook says what became of a lost answer. */
  private PaymentOperation<String, String> checkout() {
    ProviderCall<String, String> call =
        (execution, key) -> {
          var response = client.charge(key, execution.key().key(), 1_000, "eur");
          if (response.statusCode() != 201 && response.statusCode() != 402) {
            return ProviderReply.unknown("status " + response.statusCode());
          }
          return answered.apply(reply(FakeCharge.parse(response.body())));
        };
    return payments
        .operation(
            "checkout-" + bank.provider,
            request -> Fingerprint.of(1, request.getBytes(UTF_8)),
            Codec.text(),
            Codec.text())
        .attempts(3, HOUR, HOUR)
        .provider(
            CHARGED,
            call,
            ProviderLimits.builder("bank", Duration.ofHours(24), SOME)
                .attempts(1, Inboxes.MOMENT)
                .build())
        .respond(
            (tx, execution) ->
                execution
                    .refusal()
                    .map(code -> "refused: " + code)
                    .orElseGet(() -> "paid by " + execution.result(CHARGED)))
        .foundByProviderKey()
        .build();
  }

  @BeforeEach
  void listen() throws IOException {
    endpoint = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    endpoint.setExecutor(threads);
    endpoint.createContext(
        "/",
        exchange -> {
          Reception reception =
              inbox.receive(
                  name ->
                      Optional.ofNullable(exchange.getRequestHeaders().get(name)).orElse(List.of()),
                  exchange.getRequestBody());
          if (processing) {
            try {
              worker.runOnce();
            } catch (Exception e) {
              throw new IOException(e);
            }
          }
          exchange.sendResponseHeaders(reception.status(), -1);
          exchange.close();
        });
    endpoint.start();
    tell(Webhooks.HELD);
  }

  private void tell(Webhooks when) {
    provider.webhooks(
        URI.create("http://localhost:" + endpoint.getAddress().getPort()), bank.signatures, when);
  }

  @AfterEach
  void close() {
    endpoint.stop(0);
    threads.shutdownNow();
    provider.close();
    payments.close();
    leases.close();
  }

  private IdempotencyKey key() {
    return checkout.key("acme", Inboxes.freshId());
  }

  private Answer<String> pay(IdempotencyKey key) {
    return checkout.execute(key, "10 EUR", SOME);
  }

  @Test
  void lostAnswer_isSettledByTheWebhook_andTheCompleterFinishes() throws Exception {
    IdempotencyKey key = key();
    provider.next(ProviderFault.DROP_AFTER_ACTING);
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(provider.deliver(provider.events().get(0))).isEqualTo(200);
    try (Completer completer = Completer.builder(payments).grace(Duration.ZERO).build()) {
      assertThat(completer.runOnce()).isEqualTo(1);
    }
    assertThat(pay(key)).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(provider.requests()).as("asked once").isEqualTo(1);
    assertThat(provider.deliver(provider.events().get(0))).isEqualTo(200);
    assertThat(payments.contradicted(10)).isEmpty();
  }

  @Test
  void webhookProcessedBeforeTheSynchronousAnswer_thatAgree_areOneAnswer() {
    tell(Webhooks.BEFORE_THE_ANSWER);
    IdempotencyKey key = key();
    assertThat(pay(key)).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(inbox.find("ev-1").orElseThrow().state()).isEqualTo(State.PROCESSED);
    assertThat(provider.effects(key.key())).isEqualTo(1);
    assertThat(payments.contradicted(10)).isEmpty();
    assertThat(pay(key)).isEqualTo(Answer.replayed("paid by ch-1"));
  }

  @Test
  void webhookProcessedBeforeTheSynchronousAnswer_thatDisagree_areAFinding() {
    tell(Webhooks.BEFORE_THE_ANSWER);
    said = charge -> ProviderReply.refused("declined");
    IdempotencyKey key = key();
    assertThat(pay(key)).isEqualTo(Answer.executed("refused: declined"));
    assertThat(payments.contradicted(10))
        .singleElement()
        .satisfies(
            payment -> {
              assertThat(payment.key()).isEqualTo(key);
              assertThat(payment.reason().orElseThrow()).contains("is said to be SUCCEEDED");
            });
    assertThat(inbox.find("ev-1").orElseThrow().state()).isEqualTo(State.PROCESSED);
  }

  @Test
  void webhookProcessedBehindTheAnswer_thatDisagrees_isAFinding() throws Exception {
    answered = reply -> ProviderReply.succeeded("another charge");
    IdempotencyKey key = key();
    assertThat(pay(key)).isEqualTo(Answer.executed("paid by another charge"));
    provider.deliver(provider.events().get(0));
    assertThat(payments.contradicted(10))
        .singleElement()
        .satisfies(payment -> assertThat(payment.state()).isEqualTo(OpenPayment.State.COMPLETED));
    assertThat(pay(key)).isEqualTo(Answer.replayed("paid by another charge"));
    assertThat(inbox.find("ev-1").orElseThrow().state()).isEqualTo(State.PROCESSED);
  }

  /** Stored while the call is under way, and processed only behind the answer. */
  @Test
  void webhookStoredBeforeTheAnswerAndProcessedBehindIt_changesNothing() throws Exception {
    tell(Webhooks.BEFORE_THE_ANSWER);
    processing = false;
    IdempotencyKey key = key();
    assertThat(pay(key)).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(inbox.find("ev-1").orElseThrow().state()).isEqualTo(State.PENDING);
    assertThat(worker.runOnce()).isEqualTo(1);
    assertThat(pay(key)).isEqualTo(Answer.replayed("paid by ch-1"));
    assertThat(payments.contradicted(10)).isEmpty();
  }

  /** As after a fail-over that lost the payment: the event waits for it, within its bound. */
  @Test
  void eventOfAPaymentThatIsNotHere_waitsForIt() throws Exception {
    IdempotencyKey key = key();
    client.charge(checkout.providerKey(key, CHARGED), key.key(), 1_000, "eur");
    provider.deliver(provider.events().get(0));
    assertThat(inbox.find("ev-1").orElseThrow().reason()).contains("its payment: NO_SUCH_KEY");
    provider.next(ProviderFault.ERROR_AFTER_ACTING);
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    Awaitility.await("the event is marked as processed")
        .atMost(SOME)
        .until(
            () -> {
              worker.runOnce();
              return inbox.find("ev-1").orElseThrow().state() == State.PROCESSED;
            });
    assertThat(pay(key)).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(provider.effects(key.key())).isEqualTo(1);
  }

  @Test
  void eventsRepeatedAndInAnyOrder_settleEachPaymentOnce() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("pgbelay.seed=" + seed);
    Random random = new Random(seed);
    List<IdempotencyKey> keys = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      keys.add(key());
      provider.next(
          random.nextBoolean()
              ? ProviderFault.DROP_AFTER_ACTING
              : ProviderFault.ERROR_AFTER_ACTING);
      assertThat(checkout.execute(keys.get(i), "10 EUR").outcome())
          .isEqualTo(Outcome.UNKNOWN_OUTCOME);
      if (random.nextInt(3) == 0) {
        client.refund("refund-" + i, "ch-" + (i + 1));
      }
    }
    processing = random.nextBoolean();
    provider.deliverInAnyOrder(random);
    provider.deliverInAnyOrder(random);
    worker.runOnce();
    assertThat(inbox.pending(100)).isEmpty();
    assertThat(inbox.parked(100)).isEmpty();
    assertThat(bank.rows("webhook_event")).isEqualTo(provider.events().size());
    for (int i = 0; i < keys.size(); i++) {
      assertThat(pay(keys.get(i)).response()).contains("paid by ch-" + (i + 1));
      assertThat(provider.effects(keys.get(i).key())).isEqualTo(1);
    }
    assertThat(payments.contradicted(100)).isEmpty();
  }
}
