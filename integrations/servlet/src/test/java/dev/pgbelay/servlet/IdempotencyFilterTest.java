package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpUpgradeHandler;
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IdempotencyFilterTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final FingerprintRule RULE =
      FingerprintRule.builder().method().path().jsonBody().build();

  private final List<Shop> shops = new ArrayList<>();

  private Shop shop() throws Exception {
    return shop(RULE, any -> {});
  }

  private Shop shop(FingerprintRule rule, Consumer<IdempotencyFilter.Builder> options)
      throws Exception {
    IdempotencyFilter.Builder builder =
        IdempotencyFilter.builder(Shop.idempotency(postgres.dataSource()), "orders", rule);
    options.accept(builder);
    Shop shop = new Shop(postgres.dataSource(), builder.build());
    shops.add(shop);
    return shop;
  }

  /** The database is that of the whole class. */
  @BeforeEach
  void emptyTables() {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("truncate placed, pgbelay.idempotency_key");
  }

  @AfterEach
  void stopShops() throws Exception {
    for (Shop shop : shops) {
      shop.stop();
    }
  }

  @Test
  void secondRequest_getsTheStoredAnswerWithAMarkAndRunsNothing() throws Exception {
    Shop shop = shop();
    HttpResponse<String> first = shop.post("k", "{\"a\":1,\"b\":2}");
    HttpResponse<String> second = shop.post("k", "{ \"b\":2, \"a\":1.0 }");
    assertThat(first.statusCode()).isEqualTo(201);
    assertThat(first.headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
    assertThat(first.headers().firstValue("X-Trace")).contains("abc");
    assertThat(second.statusCode()).isEqualTo(201);
    assertThat(second.body()).isEqualTo(first.body()).isEqualTo("placed: anything");
    assertThat(second.headers().firstValue(IdempotencyFilter.REPLAYED)).contains("true");
    assertThat(second.headers().firstValue("Location")).contains("/orders/1");
    assertThat(second.headers().firstValue("Content-Type"))
        .isEqualTo(first.headers().firstValue("Content-Type"));
    assertThat(second.headers().firstValue("X-Trace")).isEmpty();
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void otherRequestUnderTheKey_is422() throws Exception {
    Shop shop = shop();
    shop.post("k", "{\"a\":1}");
    HttpResponse<String> other = shop.post("k", "{\"a\":2}");
    assertThat(other.statusCode()).isEqualTo(422);
    assertThat(other.headers().firstValue("Content-Type")).contains("application/problem+json");
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void requestWithoutAKey_is400() throws Exception {
    Shop shop = shop();
    HttpResponse<String> answer =
        shop.send(shop.request("/orders").POST(BodyPublishers.ofString("{}")).build());
    assertThat(answer.statusCode()).isEqualTo(400);
    assertThat(shop.placed()).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"k", "\"\"", "\"k", "\"a\", \"b\"", "?1", "LONG"})
  void malformedKey_is400(String header) throws Exception {
    Shop shop = shop();
    String value = header.equals("LONG") ? "\"" + "k".repeat(256) + "\"" : header;
    assertThat(shop.send(shop.keyed(value, "{}").build()).statusCode()).isEqualTo(400);
    assertThat(shop.placed()).isZero();
  }

  @Test
  void twoKeys_are400AndALongestOneIsTaken() throws Exception {
    Shop shop = shop();
    assertThat(
            shop.send(shop.keyed("\"a\"", "{}").header("Idempotency-Key", "\"b\"").build())
                .statusCode())
        .isEqualTo(400);
    assertThat(shop.post("k".repeat(255), "{}").statusCode()).isEqualTo(201);
  }

  @Test
  void keyWithoutQuotes_isTakenWhereThatIsSaid() throws Exception {
    Shop shop = shop(RULE, IdempotencyFilter.Builder::withoutQuotes);
    assertThat(shop.send(shop.keyed("8e03-978e", "{}").build()).statusCode()).isEqualTo(201);
  }

  @Test
  void bodyThatCanBeReadInTwoWays_is400() throws Exception {
    Shop shop = shop();
    assertThat(shop.post("k", "{\"a\":1,\"a\":2}").statusCode()).isEqualTo(400);
    assertThat(shop.post("k", "{").statusCode()).isEqualTo(400);
    assertThat(shop.stored()).isZero();
  }

  @Test
  void whileTheFirstRuns_theSecondIs409WithRetryAfter() throws Exception {
    Shop shop = shop();
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    shop.counter =
        (request, response) -> {
          running.countDown();
          await(goOn);
          Shop.place(request, response, "late");
        };
    CompletableFuture<HttpResponse<String>> first = inBackground(() -> shop.post("k", "{}"));
    await(running);
    HttpResponse<String> second = shop.post("k", "{}");
    goOn.countDown();
    assertThat(second.statusCode()).isEqualTo(409);
    assertThat(second.headers().firstValue("Retry-After")).contains("1");
    assertThat(first.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(201);
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void manyAtOnce_runOnce() throws Exception {
    Shop shop = shop();
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      answers.add(inBackground(() -> shop.post("k", "{}")));
    }
    for (CompletableFuture<HttpResponse<String>> answer : answers) {
      assertThat(answer.get(1, TimeUnit.MINUTES).statusCode()).isIn(201, 409);
    }
    assertThat(shop.post("k", "{}").headers().firstValue(IdempotencyFilter.REPLAYED))
        .contains("true");
    assertThat(shop.placed()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 429})
  void refusalsOfWhoAsks_areNeverStoredWhateverThePolicySays(int status) throws Exception {
    Shop shop = shop(RULE, builder -> builder.keeps(any -> true));
    assertNotStored(shop, status);
  }

  @ParameterizedTest
  @ValueSource(ints = {404, 409, 500, 503})
  void answersThatMayBeOthersTheNextTime_areNotStoredUnlessSaid(int status) throws Exception {
    assertNotStored(shop(), status);
  }

  private static void assertNotStored(Shop shop, int status) throws Exception {
    shop.counter =
        (request, response) -> {
          Shop.place(request, response, "half");
          response.setStatus(status);
        };
    HttpResponse<String> first = shop.post("k", "{}");
    assertThat(first.statusCode()).isEqualTo(status);
    assertThat(first.body()).isEqualTo("placed: half");
    assertThat(shop.placed()).isZero();
    assertThat(shop.stored()).isZero();
    shop.counter = (request, response) -> Shop.place(request, response, "whole");
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(201);
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void refusalThatIsAnAnswer_isStored() throws Exception {
    Shop shop = shop();
    shop.counter = (request, response) -> response.sendError(402);
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(402);
    shop.counter = (request, response) -> Shop.place(request, response, "never");
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(402);
    assertThat(shop.placed()).isZero();
  }

  @Test
  void exception_leavesNothingAndTheKeyFree() throws Exception {
    Shop shop = shop();
    shop.counter =
        (request, response) -> {
          Shop.place(request, response, "half");
          throw new IllegalStateException("on purpose");
        };
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(500);
    assertThat(shop.placed() + shop.stored()).isZero();
    shop.counter = (request, response) -> Shop.place(request, response, "whole");
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(201);
  }

  @Test
  void keys_belongToWhoeverIsAuthenticated() throws Exception {
    Shop shop = shop();
    String longName = "n".repeat(500);
    for (String user : List.of("ann", "bob", longName)) {
      HttpResponse<String> answer =
          shop.send(shop.keyed("\"k\"", "{}").setHeader("X-User", user).build());
      assertThat(answer.headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
      assertThat(answer.statusCode()).isEqualTo(201);
    }
    assertThat(shop.placed()).isEqualTo(3);
    assertThat(Scope.printable("Jos\u00e9")).startsWith("sha256:");
    assertThat(Scope.printable(Scope.printable("Jos\u00e9")))
        .isNotEqualTo(Scope.printable("Jos\u00e9"));
    HttpRequest nobody =
        HttpRequest.newBuilder(
                shop.keyed("\"k\"", "{}").build(),
                (name, value) -> !name.equalsIgnoreCase("X-User"))
            .build();
    assertThat(shop.send(nobody).statusCode()).isEqualTo(401);
  }

  @Test
  void bodyOverTheLimit_is413WithAndWithoutALength() throws Exception {
    Shop shop = shop(RULE, builder -> builder.maxRequestBytes(10));
    assertThat(shop.post("k", "{\"a\":1234}").statusCode()).isEqualTo(201);
    assertThat(shop.post("k2", "{\"a\":12345}").statusCode()).isEqualTo(413);
    byte[] body = "{\"a\":12345}".getBytes(UTF_8);
    HttpRequest chunked =
        shop.keyed("\"k3\"", "")
            .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)))
            .build();
    assertThat(shop.send(chunked).statusCode()).isEqualTo(413);
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void bodyOverTheLimitOfTheRule_is413() throws Exception {
    Shop shop = shop(FingerprintRule.builder().jsonBody().maxBodyBytes(10).build(), any -> {});
    assertThat(shop.post("k", "{\"a\":12345}").statusCode()).isEqualTo(413);
    assertThat(shop.placed() + shop.stored()).isZero();
  }

  @Test
  void responseOfALaterVersion_isNotRead() {
    Codec<StoredResponse> codec = StoredResponse.codec(Codec.bytes());
    byte[] bytes = codec.encode(new StoredResponse(200, List.of(), new byte[0]));
    bytes[0] = 2;
    assertThatThrownBy(() -> codec.decode(bytes)).hasMessageContaining("version 2");
  }

  @Test
  void streams_areRefusedAndRolledBack() throws Exception {
    Shop shop = shop(RULE, builder -> builder.maxResponseBytes(10));
    List<Shop.Counter> streams =
        List.of(
            (request, response) -> response.getOutputStream().write(new byte[11]),
            (request, response) -> response.setContentType("text/event-stream"),
            (request, response) -> response.setHeader("content-type", "Text/Event-Stream; x=1"),
            (request, response) -> request.upgrade(HttpUpgradeHandler.class),
            (request, response) -> request.startAsync(),
            (request, response) -> request.startAsync(request, response),
            (request, response) -> response.setTrailerFields(java.util.Map::of),
            (request, response) -> request.getInputStream().setReadListener(null),
            (request, response) -> response.getOutputStream().setWriteListener(null),
            (request, response) -> assertThat(request.isAsyncSupported()).isTrue());
    for (Shop.Counter stream : streams) {
      shop.counter =
          (request, response) -> {
            IdempotencyFilter.tx(request).dsl().execute("insert into placed values ('half')");
            stream.serve(request, response);
          };
      assertThat(shop.post("k", "{}").statusCode()).isEqualTo(500);
      assertThat(shop.placed() + shop.stored()).isZero();
    }
    for (String parts : List.of("multipart/form-data; boundary=x", "Multipart/Mixed; boundary=x")) {
      assertThat(
              shop.send(shop.keyed("\"k\"", "--x--").setHeader("Content-Type", parts).build())
                  .statusCode())
          .isEqualTo(415);
    }
  }

  @Test
  void fieldsOfAForm_areThereForTheServlet() throws Exception {
    Shop shop = shop(FingerprintRule.bytes(), any -> {});
    shop.counter =
        (request, response) ->
            Shop.place(
                request,
                response,
                request.getParameter("x")
                    + request.getParameter("note")
                    + Arrays.toString(request.getParameterValues("x"))
                    + Arrays.toString(request.getParameterValues("note")));
    HttpRequest form =
        HttpRequest.newBuilder(
                shop.keyed("\"k\"", "note=caf%C3%A9+au+lait").build(), (name, value) -> true)
            .uri(shop.request("/orders?x=1&note=first").build().uri())
            .setHeader("Content-Type", "Application/x-www-form-urlencoded")
            .build();
    assertThat(shop.send(form).body()).isEqualTo("placed: 1first[1][first, caf\u00e9 au lait]");
  }

  @Test
  void cookies_goToTheFirstClientOnly() throws Exception {
    Shop shop = shop();
    shop.counter =
        (request, response) -> {
          response.addCookie(new Cookie("session", "1"));
          Shop.place(request, response, "one");
        };
    assertThat(shop.post("k", "{}").headers().firstValue("Set-Cookie")).isPresent();
    assertThat(shop.post("k", "{}").headers().firstValue("Set-Cookie")).isEmpty();
    assertThatThrownBy(() -> shop(RULE, builder -> builder.storeHeader("Set-Cookie")))
        .isInstanceOf(PgBelayException.class);
  }

  @Test
  void codec_seesTheResponseOnItsWayToTheTable() throws Exception {
    Codec<byte[]> reversing =
        new Codec<>() {
          @Override
          public byte[] encode(byte[] value) {
            byte[] reversed = new byte[value.length];
            for (int i = 0; i < value.length; i++) {
              reversed[i] = (byte) ~value[value.length - 1 - i];
            }
            return reversed;
          }

          @Override
          public byte[] decode(byte[] bytes) {
            return encode(bytes);
          }
        };
    Shop shop = shop(RULE, builder -> builder.codec(reversing));
    shop.post("k", "{}");
    assertThat(shop.post("k", "{}").body()).isEqualTo("placed: anything");
    byte[] stored =
        DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
            .fetchSingle("select response from pgbelay.idempotency_key")
            .get(0, byte[].class);
    assertThat(new String(stored, UTF_8)).doesNotContain("placed");
  }

  @Test
  void nothingReachesTheClient_beforeTheCommit() throws Exception {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("create table parent (a int primary key)");
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("create table child (a int references parent deferrable initially deferred)");
    Shop shop = shop();
    shop.counter =
        (request, response) -> {
          // Only COMMIT will find out.
          IdempotencyFilter.tx(request).dsl().execute("insert into child values (1)");
          Shop.place(request, response, "half");
          response.getWriter().flush();
          response.flushBuffer();
        };
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(500);
    assertThat(shop.placed() + shop.stored()).isZero();
  }

  @Test
  void othersPass_andHaveNoTransaction() throws Exception {
    Shop shop = shop(RULE, IdempotencyFilter.Builder::optional);
    AtomicInteger calls = new AtomicInteger();
    AtomicReference<Throwable> refused = new AtomicReference<>();
    shop.counter =
        (request, response) -> {
          calls.incrementAndGet();
          try {
            IdempotencyFilter.tx(request);
          } catch (PgBelayException e) {
            refused.set(e);
          }
        };
    assertThat(shop.send(shop.request("/orders").GET().build()).statusCode()).isEqualTo(200);
    assertThat(
            shop.send(shop.request("/orders").POST(BodyPublishers.ofString("{}")).build())
                .statusCode())
        .isEqualTo(200);
    assertThat(calls).hasValue(2);
    assertThat(refused.get()).hasMessageContaining("no transaction of an IdempotencyFilter");
  }

  @ParameterizedTest
  @ValueSource(strings = {"GET", "HEAD", "PUT", "DELETE"})
  void otherMethods_passUntouchedEvenWithAKey(String method) throws Exception {
    Shop shop = shop();
    AtomicReference<Object> seen = new AtomicReference<>();
    shop.counter =
        (request, response) -> {
          seen.set(response);
          response.setStatus(202);
          response.flushBuffer();
          assertThat(response.isCommitted()).isTrue();
        };
    HttpRequest request =
        shop.keyed("\"k\"", "{}").method(method, BodyPublishers.ofString("{}")).build();
    assertThat(shop.send(request).statusCode()).isEqualTo(202);
    assertThat(seen.get()).isNotInstanceOf(BufferedResponse.class);
    assertThat(shop.stored()).isZero();
  }

  @Test
  void bodyInChunks_isTheSameRequestAsOneWithALength() throws Exception {
    Shop shop = shop();
    byte[] body = "{\"a\":1}".getBytes(UTF_8);
    HttpRequest chunked =
        shop.keyed("\"k\"", "")
            .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)))
            .build();
    shop.counter =
        (request, response) ->
            Shop.place(
                request, response, new String(request.getInputStream().readAllBytes(), UTF_8));
    assertThat(shop.send(chunked).body()).isEqualTo("placed: {\"a\":1}");
    assertThat(shop.post("k", "{\"a\":1}").headers().firstValue(IdempotencyFilter.REPLAYED))
        .contains("true");
  }

  @Test
  void whatComesBehindSendError_isNotPartOfTheAnswer() throws Exception {
    Shop shop = shop();
    shop.counter =
        (request, response) -> {
          response.getWriter().print("draft");
          response.sendError(402, "with a name in it");
          assertThat(response.isCommitted()).isTrue();
          response.setStatus(200);
          response.getWriter().print("secret");
          assertThatThrownBy(response::reset).isInstanceOf(IllegalStateException.class);
        };
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> answer = shop.post("k", "{}");
      assertThat(answer.statusCode()).isEqualTo(402);
      assertThat(answer.body()).isEqualTo("{\"type\":\"about:blank\",\"status\":402}");
    }
  }

  @Test
  void redirect_isReplayed() throws Exception {
    Shop shop = shop();
    shop.counter =
        (request, response) -> {
          Shop.place(request, response, "one");
          response.sendRedirect("/orders/1");
        };
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> answer = shop.post("k", "{}");
      assertThat(answer.statusCode()).isEqualTo(302);
      assertThat(answer.headers().firstValue("Location")).contains("/orders/1");
      assertThat(answer.body()).isEmpty();
    }
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void headersThatAreChosen_areReplayedToo() throws Exception {
    Shop shop = shop(RULE, builder -> builder.storeHeader("x-TRACE"));
    shop.post("k", "{}");
    assertThat(shop.post("k", "{}").headers().firstValue("X-Trace")).contains("abc");
  }

  @Test
  void policyOfTheService_decidesWhatIsStored() throws Exception {
    Shop shop = shop(RULE, builder -> builder.keeps(status -> status != 201));
    assertNotStoredButAnswered(shop);
  }

  private static void assertNotStoredButAnswered(Shop shop) throws Exception {
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(201);
    assertThat(shop.placed() + shop.stored()).isZero();
    shop.counter = (request, response) -> response.setStatus(500);
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(500);
    shop.counter = (request, response) -> Shop.place(request, response, "never");
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(500);
  }

  @Test
  void refusals_nameTheDocumentationAndAreCounted() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    Shop shop =
        shop(
            RULE,
            builder ->
                builder
                    .documentation(URI.create("https://shop.example/keys"))
                    .meterRegistry(registry));
    HttpResponse<String> answer =
        shop.send(shop.request("/orders").POST(BodyPublishers.ofString("{}")).build());
    assertThat(answer.headers().firstValue("Link"))
        .contains("<https://shop.example/keys>; rel=\"describedby\"");
    assertThat(answer.body()).contains("\"type\":\"https://shop.example/keys#key-missing\"");
    assertThat(
            registry
                .get("pgbelay.servlet.refusals")
                .tags("operation", "orders", "problem", "key-missing")
                .counter()
                .count())
        .isEqualTo(1);
  }

  private interface Send {
    HttpResponse<String> send() throws Exception;
  }

  private static CompletableFuture<HttpResponse<String>> inBackground(Send send) {
    CompletableFuture<HttpResponse<String>> answer = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                answer.complete(send.send());
              } catch (Throwable e) {
                answer.completeExceptionally(e);
              }
            });
    thread.setDaemon(true);
    thread.start();
    return answer;
  }

  private static void await(CountDownLatch latch) {
    try {
      if (!latch.await(1, TimeUnit.MINUTES)) {
        throw new AssertionError("nobody came within a minute");
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
