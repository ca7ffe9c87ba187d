package dev.pgbelay.idempotency.testing;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.webhook.HmacSignatures;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class FakeProviderTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  private final AtomicReference<Instant> time =
      new AtomicReference<>(Instant.parse("2026-01-01T00:00:00Z"));
  private final FakeProvider provider =
      FakeProvider.builder(time::get).keyWindow(Duration.ofHours(24)).start();
  private final HttpClient http = HttpClient.newHttpClient();
  private final FakeProviderClient client = client(LONG);

  private FakeProviderClient client(Duration timeout) {
    return new FakeProviderClient(http, provider.uri(), timeout);
  }

  @AfterEach
  void closeProvider() {
    provider.close();
  }

  @Test
  void sameKey_isAnsweredAgainAndChargedOnce() throws Exception {
    HttpResponse<String> first = client.charge("k", "order", 100, "eur");
    HttpResponse<String> second = client.charge("k", "order", 100, "eur");
    assertThat(first.statusCode()).isEqualTo(201);
    assertThat(second.body()).isEqualTo(first.body());
    assertThat(second.headers().firstValue("idempotent-replayed")).contains("true");
    assertThat(provider.charges()).containsExactly(FakeCharge.parse(first.body()));
    assertThat(client.charge("k", "order", 101, "eur").statusCode()).isEqualTo(422);
    assertThat(provider.effects("order")).isEqualTo(1);
  }

  @Test
  void keyWindowThatIsOver_chargesAgain() throws Exception {
    client.charge("k", "order", 100, "eur");
    time.updateAndGet(now -> now.plus(Duration.ofHours(24)));
    client.charge("k", "order", 100, "eur");
    assertThat(provider.effects("order")).isEqualTo(2);
    provider.forgetKeys();
    client.charge("k", "order", 100, "eur");
    assertThat(provider.effects("order")).isEqualTo(3);
    assertThat(client.byKey("k")).contains(provider.charges().get(0));
  }

  @Test
  void providerWithoutKeys_chargesForEachRequestAndItsStatusQueryTellsTheFirst() throws Exception {
    try (FakeProvider keyless = FakeProvider.builder(time::get).withoutKeys().start()) {
      FakeProviderClient own = new FakeProviderClient(http, keyless.uri(), LONG);
      own.charge("k", "order", 100, "eur");
      own.charge("k", "order", 100, "eur");
      assertThat(keyless.effects("order")).isEqualTo(2);
      assertThat(own.byKey("k")).contains(keyless.charges().get(0));
    }
  }

  @Test
  void timeoutAfterActing_hasChargedAndTheStatusQuerySaysSo() throws Exception {
    provider.next(ProviderFault.HOLD_AFTER_ACTING);
    assertThatThrownBy(() -> client(Duration.ofSeconds(1)).charge("k", "order", 100, "eur"))
        .isInstanceOf(IOException.class);
    assertThat(client.byKey("k")).isPresent();
    assertThat(client.byKey("other")).isEmpty();
  }

  @Test
  void heldBeforeActing_actsOnlyWhenItIsLetGoAndItsKeyRunsUntilThen() throws Exception {
    provider.next(ProviderFault.HOLD_BEFORE_ACTING);
    CompletableFuture<HttpResponse<String>> late =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return client.charge("k", "order", 100, "eur");
              } catch (IOException | InterruptedException e) {
                throw new IllegalStateException(e);
              }
            });
    await().atMost(LONG).until(() -> provider.held() == 1);
    assertThat(client.charge("k", "order", 100, "eur").statusCode()).isEqualTo(409);
    assertThat(client.byKey("k")).isEmpty();
    provider.release();
    assertThat(late.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(201);
    assertThat(provider.effects("order")).isEqualTo(1);
  }

  @Test
  void faultsBeforeActing_changeNothing() {
    provider.next(ProviderFault.DROP_BEFORE_ACTING);
    assertThatThrownBy(() -> client.charge("k", "order", 100, "eur"))
        .isInstanceOf(IOException.class);
    assertThat(provider.charges()).isEmpty();
  }

  @Test
  void closing_dropsWhatIsHeldAndItNeverActs() throws Exception {
    provider.next(ProviderFault.HOLD_BEFORE_ACTING);
    CompletableFuture<Void> ended =
        CompletableFuture.runAsync(
            () ->
                assertThatThrownBy(() -> client.charge("k", "order", 100, "eur"))
                    .isInstanceOf(IOException.class));
    await().atMost(LONG).until(() -> provider.held() == 1);
    provider.close();
    ended.get(1, TimeUnit.MINUTES);
    assertThat(provider.charges()).isEmpty();
  }

  @Test
  void pagesOfCharges_followOneAnother() throws Exception {
    for (int i = 1; i <= 5; i++) {
      client.charge("k-" + i, "order-" + i, i, "eur");
      time.updateAndGet(now -> now.plusSeconds(1));
    }
    Instant third = provider.charges().get(2).at();
    List<FakeCharge> first = client.since(third, Optional.empty(), 2);
    List<FakeCharge> second = client.since(third, Optional.of(first.get(1).id()), 2);
    assertThat(first).extracting(FakeCharge::reference).containsExactly("order-3", "order-4");
    assertThat(second).extracting(FakeCharge::reference).containsExactly("order-5");
    assertThat(client.since(third, Optional.of(second.get(0).id()), 2)).isEmpty();
  }

  @Test
  void listOfCharges_hasTheNewestFirstAndShiftsWithEachNewOne() throws Exception {
    for (int i = 1; i <= 4; i++) {
      client.charge("k-" + i, "order-" + i, i, "eur");
    }
    FakeProviderClient.ListPage first = client.list(Instant.EPOCH, Optional.empty(), 2);
    assertThat(first.charges())
        .extracting(FakeCharge::reference)
        .containsExactly("order-4", "order-3");
    client.charge("k-5", "order-5", 5, "eur");
    FakeProviderClient.ListPage second = client.list(Instant.EPOCH, first.next(), 2);
    assertThat(second.charges())
        .extracting(FakeCharge::reference)
        .containsExactly("order-3", "order-2");
    provider.nextPages(ListFault.ERROR, ListFault.LOSE_PAGE, ListFault.REPEAT_PAGE, ListFault.STAY);
    assertThatThrownBy(() -> client.list(Instant.EPOCH, first.next(), 2))
        .isInstanceOf(IOException.class);
    assertThat(client.list(Instant.EPOCH, first.next(), 2).charges())
        .extracting(FakeCharge::reference)
        .containsExactly("order-1");
    assertThat(client.list(Instant.EPOCH, first.next(), 2).charges())
        .extracting(FakeCharge::reference)
        .containsExactly("order-5", "order-4", "order-3", "order-2");
    assertThat(client.list(Instant.EPOCH, first.next(), 2).next()).isEqualTo(first.next());
    assertThat(client.list(Instant.parse("2026-01-01T00:00:01Z"), Optional.empty(), 2).charges())
        .isEmpty();
  }

  @Test
  void refund_givesBackOnce() throws Exception {
    FakeCharge charge = FakeCharge.parse(client.charge("k", "order", 100, "eur").body());
    assertThat(client.refund("r", charge.id()).statusCode()).isEqualTo(201);
    assertThat(client.refund("r", charge.id()).statusCode()).isEqualTo(201);
    assertThat(client.refund("r2", charge.id()).statusCode()).isEqualTo(400);
    assertThat(provider.charges().get(0).state()).isEqualTo(FakeCharge.State.REFUNDED);
  }

  @Test
  void events_areSignedAndComeBeforeTheAnswerAgainAndInAnyOrder() throws Exception {
    HmacSignatures signatures =
        HmacSignatures.builder(InstantSource.system())
            .secret("s", "0123456789abcdef".getBytes(UTF_8))
            .build();
    List<FakeEvent> received = new CopyOnWriteArrayList<>();
    HttpServer receiver =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    receiver.createContext(
        "/",
        exchange -> {
          byte[] body = exchange.getRequestBody().readAllBytes();
          boolean valid =
              signatures
                  .verify(
                      name ->
                          Optional.ofNullable(exchange.getRequestHeaders().get(name))
                              .orElse(List.of()),
                      body)
                  .isValid();
          if (valid) {
            received.add(FakeEvent.parse(new String(body, UTF_8)));
          }
          exchange.sendResponseHeaders(valid ? 200 : 401, -1);
          exchange.close();
        });
    receiver.start();
    try {
      assertThatThrownBy(() -> provider.deliver(anyEvent())).isInstanceOf(PgBelayException.class);
      provider.webhooks(
          URI.create("http://localhost:" + receiver.getAddress().getPort()),
          signatures,
          FakeProvider.Webhooks.BEFORE_THE_ANSWER);
      client.charge("k", "order", 100, "eur");
      assertThat(received).containsExactly(provider.events().get(1));
      client.charge("k2", "order2", 100, "eur");
      received.clear();
      provider.deliverInAnyOrder(new Random(1));
      assertThat(received).containsAll(provider.events());
      received.clear();
      assertThat(provider.deliver(provider.events().get(0))).isEqualTo(200);
      assertThat(received).hasSize(1);
    } finally {
      receiver.stop(0);
    }
  }

  private FakeEvent anyEvent() throws Exception {
    client.charge("k0", "order0", 1, "eur");
    return provider.events().get(0);
  }

  @Test
  void requestsWithoutAKeyOrAmount_areRefused() throws Exception {
    assertThat(
            http.send(
                    java.net.http.HttpRequest.newBuilder(provider.uri().resolve("/charges"))
                        .POST(java.net.http.HttpRequest.BodyPublishers.noBody())
                        .build(),
                    HttpResponse.BodyHandlers.discarding())
                .statusCode())
        .isEqualTo(400);
    assertThat(client.refund("k", "none").statusCode()).isEqualTo(400);
    assertThat(provider.charges()).isEmpty();
  }
}
