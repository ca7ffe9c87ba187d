package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.testing.PostgresExtension;
import jakarta.servlet.http.HttpServletRequest;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is declared when a filter is built: which answers, methods, parts and names count. */
class FilterRulesTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final Duration LONG = Duration.ofMinutes(1);

  @RegisterExtension final FilteredShops shops = new FilteredShops(postgres);

  @Test
  void statusesThatAreKept_areTheAnswersThatStayTheSame() {
    Set<Integer> others = Set.of(401, 403, 404, 408, 409, 412, 425, 429);
    assertThat(IntStream.range(100, 1_000).filter(IdempotencyFilter::isKept))
        .containsExactlyElementsOf(
            IntStream.range(200, 500).filter(status -> !others.contains(status)).boxed().toList());
  }

  private static HttpRequest request(Shop shop, String method, String path, String body) {
    return shop.request(path)
        .header("Idempotency-Key", "\"k\"")
        .method(method, BodyPublishers.ofString(body))
        .build();
  }

  @ParameterizedTest
  @CsvSource({
    "PATCH, /orders?x=1, 422",
    "POST, /refunds?x=1, 422",
    "POST, /orders?x=2, 422",
    "POST, /orders, 422",
    "POST, /orders?x=1, 201",
  })
  void methodPathAndQuery_countWhereTheyAreDeclared(String method, String path, int status)
      throws Exception {
    Shop shop =
        shops.shop(FingerprintRule.builder().method().path().query().jsonBody().build(), any -> {});
    assertThat(shop.send(request(shop, "POST", "/orders?x=1", "{}")).statusCode()).isEqualTo(201);
    assertThat(shop.send(request(shop, method, path, "{}")).statusCode()).isEqualTo(status);
    Shop careless = shops.shop(FingerprintRule.builder().jsonBody().build(), any -> {});
    String other = "{\"a\":1}";
    assertThat(careless.send(keyed(careless, "POST", "/orders?x=1", other)).statusCode())
        .isEqualTo(201);
    HttpResponse<String> again = careless.send(keyed(careless, method, path, other));
    assertThat(again.statusCode()).as("where they are not declared").isEqualTo(201);
    assertThat(again.headers().firstValue(IdempotencyFilter.REPLAYED)).contains("true");
  }

  private static HttpRequest keyed(Shop shop, String method, String path, String body) {
    return shop.request(path)
        .header("Idempotency-Key", "\"k2\"")
        .method(method, BodyPublishers.ofString(body))
        .build();
  }

  @Test
  void header_countsWhereItIsDeclared() throws Exception {
    Shop shop =
        shops.shop(FingerprintRule.builder().header("X-Currency").jsonBody().build(), any -> {});
    assertThat(
            shop.send(shop.keyed("\"k\"", "{}").header("X-Currency", "EUR").build()).statusCode())
        .isEqualTo(201);
    assertThat(
            shop.send(shop.keyed("\"k\"", "{}").header("X-Currency", "USD").build()).statusCode())
        .isEqualTo(422);
    assertThat(
            shop.send(shop.keyed("\"k\"", "{}").header("X-Currency", "EUR").build()).statusCode())
        .isEqualTo(201);
  }

  @Test
  void postAndPatch_needAKeyUnlessOtherMethodsAreSaid() throws Exception {
    Shop shop = shops.shop();
    assertThat(shop.send(withoutKey(shop, "PATCH")).statusCode()).isEqualTo(400);
    assertThat(shop.send(request(shop, "PATCH", "/orders", "{}")).statusCode()).isEqualTo(201);
    Shop putting = shops.shop(FilteredShops.RULE, builder -> builder.methods(Set.of("PUT")));
    putting.counter = (request, response) -> response.setStatus(202);
    assertThat(putting.send(withoutKey(putting, "PUT")).statusCode()).isEqualTo(400);
    assertThat(putting.send(withoutKey(putting, "POST")).statusCode()).isEqualTo(202);
  }

  private static HttpRequest withoutKey(Shop shop, String method) {
    return shop.request("/orders").method(method, BodyPublishers.ofString("{}")).build();
  }

  @Test
  void missingAndMalformedKeys_areToldApart() throws Exception {
    Shop shop = shops.shop();
    assertThat(shop.send(withoutKey(shop, "POST")).body()).contains("\"title\":\"key missing\"");
    assertThat(shop.send(shop.keyed("k", "{}").build()).body())
        .contains("\"title\":\"key malformed\"");
  }

  @Test
  void scopeOfTheService_decidesWhoseAKeyIs() throws Exception {
    Shop shop =
        shops.shop(FilteredShops.RULE, builder -> builder.scope(FilterRulesTest::behindTheAtSign));
    assertThat(as(shop, "ann@acme").headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
    assertThat(as(shop, "bob@acme").headers().firstValue(IdempotencyFilter.REPLAYED))
        .contains("true");
    assertThat(as(shop, "bob@shop").headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
    assertThat(as(shop, "bob").statusCode()).isEqualTo(401);
    assertThat(shop.placed()).isEqualTo(2);
  }

  private static Optional<String> behindTheAtSign(HttpServletRequest request) {
    String name = request.getUserPrincipal().getName();
    return name.contains("@") ? Optional.of(name.substring(name.indexOf('@'))) : Optional.empty();
  }

  private static HttpResponse<String> as(Shop shop, String user) throws Exception {
    return shop.send(shop.keyed("\"k\"", "{}").setHeader("X-User", user).build());
  }

  @Test
  void namesThatAreNoTenants_areHashedAndStayApart() {
    String longest = "n".repeat(128);
    assertThat(Scope.printable(longest)).isEqualTo(longest);
    assertThat(Scope.printable("")).startsWith("sha256:");
    assertThat(Scope.printable(longest + "a"))
        .startsWith("sha256:")
        .isNotEqualTo(Scope.printable(longest + "b"))
        .hasSizeLessThanOrEqualTo(128);
  }

  @Test
  void whoWaits_getsTheAnswerOfTheFirst() throws Exception {
    Looks looks = new Looks(postgres.dataSource());
    Shop shop = shops.shop(looks, FilteredShops.RULE, builder -> builder.waitFor(LONG));
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    shop.counter =
        (request, response) -> {
          running.countDown();
          awaited(goOn);
          Shop.place(request, response, "late");
        };
    CompletableFuture<HttpResponse<String>> first = shop.postAsync("k", "{}");
    awaited(running);
    int before = looks.count();
    CompletableFuture<HttpResponse<String>> second = shop.postAsync("k", "{}");
    // The first look finds it running; a second one is made only by somebody who waits.
    await().atMost(LONG).until(() -> looks.count() >= before + 2 || second.isDone());
    goOn.countDown();
    assertThat(first.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(201);
    assertThat(second.get(1, TimeUnit.MINUTES).body()).isEqualTo("placed: late");
    assertThat(shop.placed()).isEqualTo(1);
  }

  private static void awaited(CountDownLatch latch) {
    try {
      assertThat(latch.await(1, TimeUnit.MINUTES)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void lengthOverTheLimit_is413BeforeAnythingOfTheBodyIsThere() throws Exception {
    Shop shop = shops.shop();
    try (Socket socket = new Socket(InetAddress.getByName("localhost"), shop.port())) {
      socket.setSoTimeout((int) LONG.toMillis());
      String head =
          String.join(
              "\r\n",
              "POST /orders HTTP/1.1",
              "Host: localhost",
              "X-User: ann",
              "Idempotency-Key: \"k\"",
              "Content-Length: 1048577",
              "",
              "");
      socket.getOutputStream().write(head.getBytes(US_ASCII));
      socket.getOutputStream().flush();
      String status =
          new BufferedReader(new InputStreamReader(socket.getInputStream(), US_ASCII)).readLine();
      assertThat(status).startsWith("HTTP/1.1 413");
    }
    assertThat(shop.stored()).isZero();
  }

  @Test
  void retryAfter_isRoundedUpToWholeSecondsAndNeverZero() {
    assertThat(Problems.seconds(Duration.ZERO)).isEqualTo(1);
    assertThat(Problems.seconds(Duration.ofSeconds(1))).isEqualTo(1);
    assertThat(Problems.seconds(Duration.ofMillis(1_001))).isEqualTo(2);
  }

  @Test
  void optionsOutOfTheirRange_areRefusedByName() {
    refused("maxResponseBytes", builder -> builder.maxResponseBytes(-1));
    refused("maxResponseBytes", builder -> builder.maxResponseBytes((64 << 20) + 1));
    refused("maxRequestBytes", builder -> builder.maxRequestBytes(-1));
    refused("maxRequestBytes", builder -> builder.maxRequestBytes((64 << 20) + 1));
    refused("waitFor", builder -> builder.waitFor(Duration.ofMillis(-1)));
    refused("waitFor", builder -> builder.waitFor(LONG.plusMillis(1)));
  }

  private void refused(String option, Consumer<IdempotencyFilter.Builder> options) {
    assertThatThrownBy(() -> shops.shop(FilteredShops.RULE, options))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining(option);
  }
}
