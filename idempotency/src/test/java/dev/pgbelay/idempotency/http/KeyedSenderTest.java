package dev.pgbelay.idempotency.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.InstantSource;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class KeyedSenderTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  private final FakeProvider provider = FakeProvider.start(InstantSource.system());
  private final HttpClient http = HttpClient.newHttpClient();

  @AfterEach
  void closeProvider() {
    provider.close();
  }

  private KeyedSender.Builder sender() {
    return KeyedSender.builder(http)
        .firstWait(Duration.ofMillis(1))
        .longestWait(Duration.ofMillis(5))
        .attemptTime(LONG)
        .totalTime(Duration.ofMinutes(5));
  }

  private Sent<String> send(KeyedSender sender, URI to) throws InterruptedException {
    return sender.send(
        HttpRequest.newBuilder(to.resolve("/charges")).POST(noBody()).build(),
        FakeProviderClient.chargeForm("order-1", 100, "eur").getBytes(UTF_8),
        "k-1",
        BodyHandlers.ofString());
  }

  private static HttpRequest.BodyPublisher noBody() {
    return HttpRequest.BodyPublishers.noBody();
  }

  @ParameterizedTest
  @EnumSource(
      value = ProviderFault.class,
      names = {
        "ERROR_BEFORE_ACTING",
        "DROP_BEFORE_ACTING",
        "TOO_MANY_REQUESTS",
        "DROP_AFTER_ACTING",
        "ERROR_AFTER_ACTING"
      })
  void failureOfOneAttempt_isRepeatedUnderTheSameKeyAndChargesOnce(ProviderFault fault)
      throws Exception {
    provider.next(fault);
    Sent<String> sent = send(sender().build(), provider.uri());
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.ANSWERED);
    assertThat(sent.attempts()).isEqualTo(2);
    assertThat(sent.response()).hasValueSatisfying(r -> assertThat(r.statusCode()).isEqualTo(201));
    assertThat(provider.effects("order-1")).isEqualTo(1);
  }

  @Test
  void timeoutAfterTheEffect_isRepeatedAndGetsTheStoredAnswer() throws Exception {
    provider.next(ProviderFault.HOLD_AFTER_ACTING);
    Sent<String> sent = send(sender().attemptTime(Duration.ofSeconds(2)).build(), provider.uri());
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.ANSWERED);
    assertThat(sent.attempts()).isEqualTo(2);
    assertThat(sent.response().orElseThrow().headers().firstValue("idempotent-replayed"))
        .contains("true");
    assertThat(provider.effects("order-1")).isEqualTo(1);
  }

  @Test
  void definiteRefusal_isNotRepeated() throws Exception {
    provider.next(ProviderFault.DECLINE);
    Sent<String> sent = send(sender().build(), provider.uri());
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.ANSWERED);
    assertThat(sent.attempts()).isEqualTo(1);
    assertThat(sent.response().orElseThrow().statusCode()).isEqualTo(402);
    assertThat(provider.effects("order-1")).isZero();
  }

  @Test
  void keyOfAnotherRequest_isNotRepeated() throws Exception {
    new FakeProviderClient(http, provider.uri(), LONG).charge("k-1", "order-0", 1, "eur");
    Sent<String> sent = send(sender().build(), provider.uri());
    assertThat(sent.response().orElseThrow().statusCode()).isEqualTo(422);
    assertThat(sent.attempts()).isEqualTo(1);
  }

  @Test
  void errorsToTheEnd_areUndeterminedAndNeverAFailure() throws Exception {
    provider.otherwise(() -> ProviderFault.ERROR_AFTER_ACTING);
    Sent<String> sent = send(sender().maxAttempts(3).build(), provider.uri());
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.UNDETERMINED);
    assertThat(sent.attempts()).isEqualTo(3);
    assertThat(provider.effects("order-1")).isEqualTo(1);
  }

  @Test
  void oneDoubtfulAttempt_staysDoubtfulWhenTheLastIsTurnedAway() throws Exception {
    provider.next(ProviderFault.DROP_AFTER_ACTING, ProviderFault.TOO_MANY_REQUESTS);
    Sent<String> sent = send(sender().maxAttempts(2).build(), provider.uri());
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.UNDETERMINED);
  }

  @Test
  void turnedAwayEachTime_isNotAcceptedAndHasChangedNothing() throws Exception {
    provider.otherwise(() -> ProviderFault.TOO_MANY_REQUESTS);
    Sent<String> sent = send(sender().maxAttempts(2).build(), provider.uri());
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.NOT_ACCEPTED);
    assertThat(provider.charges()).isEmpty();
  }

  @Test
  void nobodyListens_isNotSent() throws Exception {
    URI nobody;
    try (ServerSocket socket = new ServerSocket(0)) {
      nobody = URI.create("http://localhost:" + socket.getLocalPort());
    }
    Sent<String> sent = send(sender().maxAttempts(2).build(), nobody);
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.NOT_SENT);
    assertThat(sent.failure()).isPresent();
    assertThat(sent.attempts()).isEqualTo(2);
  }

  @Test
  void totalTime_endsTheAttempts() throws Exception {
    provider.otherwise(() -> ProviderFault.HOLD_AFTER_ACTING);
    KeyedSender sender =
        sender()
            .maxAttempts(100)
            .attemptTime(Duration.ofMinutes(10))
            .totalTime(Duration.ofSeconds(2))
            .build();
    Sent<String> sent = assertTimeoutPreemptively(LONG, () -> send(sender, provider.uri()));
    assertThat(sent.outcome()).isEqualTo(Sent.Outcome.UNDETERMINED);
    assertThat(sent.failure()).isPresent();
    assertThat(sent.attempts()).isEqualTo(1);
  }

  @Test
  void interrupt_endsTheWait() throws Exception {
    provider.next(ProviderFault.HOLD_AFTER_ACTING);
    AtomicReference<Throwable> ended = new AtomicReference<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                send(sender().build(), provider.uri());
              } catch (Throwable e) {
                ended.set(e);
              }
            });
    thread.start();
    await().atMost(LONG).until(() -> provider.held() == 1);
    thread.interrupt();
    thread.join(LONG.toMillis());
    assertThat(ended.get()).isInstanceOf(InterruptedException.class);
  }

  @Test
  void bodyOrKeyOfTheRequestsOwn_isRefusedBeforeAnythingIsSent() {
    HttpRequest withBody =
        HttpRequest.newBuilder(provider.uri())
            .POST(HttpRequest.BodyPublishers.ofString("x"))
            .build();
    HttpRequest withKey =
        HttpRequest.newBuilder(provider.uri()).header("idempotency-key", "x").build();
    for (HttpRequest request : new HttpRequest[] {withBody, withKey}) {
      assertThatThrownBy(
              () -> sender().build().send(request, new byte[0], "k", BodyHandlers.discarding()))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("of its own");
    }
    assertThat(provider.requests()).isZero();
  }

  @Test
  void optionsOutOfRange_areRefusedByName() {
    assertThatThrownBy(() -> sender().maxAttempts(0).build()).hasMessageContaining("maxAttempts");
    assertThatThrownBy(() -> sender().totalTime(Duration.ZERO).build())
        .hasMessageContaining("totalTime");
    assertThatThrownBy(() -> sender().attemptTime(Duration.ZERO).build())
        .hasMessageContaining("attemptTime");
  }
}
