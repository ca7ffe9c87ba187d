package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.idempotency.fingerprint.RequestContent;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderCall;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.testing.PostgresExtension;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PaymentServletTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());

  private final List<AutoCloseable> opened = new ArrayList<>();
  private final Set<String> charged = ConcurrentHashMap.newKeySet();

  private final ProviderCall<String, String> paying =
      ProviderCall.of(
          (execution, key) -> {
            charged.add(key);
            return ProviderReply.succeeded("ch-1");
          },
          (execution, key) ->
              charged.contains(key) ? ProviderReply.succeeded("ch-1") : ProviderReply.absent());

  private volatile ProviderCall<String, String> provider = paying;
  private volatile String lastWork = "select 1";

  private HikariDataSource pool(int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(500);
    HikariDataSource pool = new HikariDataSource(config);
    opened.add(pool);
    return pool;
  }

  private PaymentOperation<String, String> operation(DataSource dataSource) {
    Payments payments = Payments.builder(Transactions.of(dataSource), pool(1)).build();
    opened.add(payments);
    ProviderLimits limits =
        ProviderLimits.builder("bank", Duration.ofDays(1), Duration.ofMinutes(1))
            .attempts(1, Duration.ofMillis(1))
            .build();
    return payments
        .operation(
            "pay",
            (String asked) -> {
              if (asked.equals("unfit")) {
                throw unfit(new byte[0]);
              }
              return Fingerprint.of(1, asked.getBytes(UTF_8));
            },
            Codec.text(),
            Codec.text())
        .provider(
            CHARGED,
            ProviderCall.of(
                (execution, key) -> provider.call(execution, key),
                (execution, key) -> provider.find(execution, key)),
            limits)
        .attempts(10, Duration.ofMillis(1), Duration.ofMillis(2))
        .respond(
            (tx, execution) -> {
              tx.dsl().execute(lastWork);
              return execution.refusal().orElseGet(() -> "paid by " + execution.result(CHARGED));
            })
        .build();
  }

  private Shop shop(DataSource dataSource) throws Exception {
    return shop(dataSource, Duration.ZERO);
  }

  private Shop shop(DataSource dataSource, Duration wait) throws Exception {
    PaymentServlet<String, String> servlet =
        PaymentServlet.builder(
                operation(dataSource), PaymentServletTest::read, PaymentServletTest::write)
            .waitFor(wait)
            .build();
    Shop shop =
        new Shop(
            postgres.dataSource(), (request, response, chain) -> chain.doFilter(request, response));
    shop.counter = servlet::service;
    opened.add(shop::stop);
    return shop;
  }

  private static String read(RequestContent request) throws IOException {
    String body = new String(request.body(), UTF_8);
    switch (body) {
      case "negative" -> throw new IllegalArgumentException("with a name in it");
      case "cut" -> throw new IOException("with a name in it");
      case "long" -> throw unfit(new byte[2]);
      default -> {
        return body;
      }
    }
  }

  /** No JSON, and too long if it is more than a byte. */
  private static UnfitRequestException unfit(byte[] body) {
    FingerprintRule rule = FingerprintRule.builder().jsonBody().maxBodyBytes(1).build();
    return catchThrowableOfType(UnfitRequestException.class, () -> rule.of(body));
  }

  private static void write(String response, HttpServletResponse http) throws IOException {
    http.setStatus(response.startsWith("paid") ? 201 : 402);
    http.setContentType("text/plain;charset=UTF-8");
    http.getWriter().print(response);
  }

  @BeforeEach
  void emptyTables() {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES).execute("truncate pgbelay.payment");
  }

  @AfterEach
  void closeAll() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
  }

  private static int payments() {
    return DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .fetchSingle("select count(*) from pgbelay.payment")
        .get(0, Integer.class);
  }

  @Test
  void secondRequest_isAReplayAndChargesNothing() throws Exception {
    Shop shop = shop(postgres.dataSource());
    HttpResponse<String> first = shop.post("k", "10");
    HttpResponse<String> second = shop.post("k", "10");
    assertThat(first.statusCode()).isEqualTo(201);
    assertThat(first.headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
    assertThat(second.statusCode()).isEqualTo(201);
    assertThat(second.headers().firstValue(IdempotencyFilter.REPLAYED)).contains("true");
    assertThat(second.body()).isEqualTo(first.body()).isEqualTo("paid by ch-1");
    assertThat(charged).hasSize(1);
  }

  @Test
  void refusal_isAnAnswerThatIsKept() throws Exception {
    Shop shop = shop(postgres.dataSource());
    provider = (execution, key) -> ProviderReply.refused("no money");
    assertThat(shop.post("k", "10").statusCode()).isEqualTo(402);
    provider = paying;
    HttpResponse<String> second = shop.post("k", "10");
    assertThat(second.statusCode()).isEqualTo(402);
    assertThat(second.body()).isEqualTo("no money");
    assertThat(charged).isEmpty();
  }

  @Test
  void timeoutAfterCharging_is503UntilTheProviderSaysWhatItDid() throws Exception {
    Shop shop = shop(postgres.dataSource());
    AtomicBoolean knows = new AtomicBoolean();
    provider =
        ProviderCall.of(
            (execution, key) -> {
              charged.add(key);
              throw new IOException("timeout");
            },
            (execution, key) ->
                knows.get() ? paying.find(execution, key) : ProviderReply.unknown("later"));
    HttpResponse<String> first = shop.post("k", "10");
    assertThat(first.statusCode()).isEqualTo(503);
    assertThat(first.headers().firstValue("Retry-After")).isPresent();
    assertThat(first.body()).contains("not known").contains("same key");
    knows.set(true);
    await().atMost(Duration.ofMinutes(1)).until(() -> shop.post("k", "10").statusCode() == 201);
    assertThat(charged).hasSize(1);
  }

  @Test
  void parkedPayment_is503AndSaysWhenToAskAgain() throws Exception {
    Shop shop = shop(postgres.dataSource());
    provider =
        (execution, key) -> {
          throw new IOException("timeout");
        };
    assertThat(shop.post("k", "10").statusCode()).isEqualTo(503);
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("update pgbelay.payment set state = 'PARKED'");
    assertThat(shop.post("k", "10").headers().firstValue("Retry-After")).contains("60");
  }

  @Test
  void whileTheFirstRuns_theSecondIs409AndAnotherRequest422() throws Exception {
    Shop shop = shop(postgres.dataSource());
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    provider =
        (execution, key) -> {
          asked.countDown();
          assertThat(goOn.await(1, TimeUnit.MINUTES)).isTrue();
          return paying.call(execution, key);
        };
    CompletableFuture<HttpResponse<String>> first =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return shop.post("k", "10");
              } catch (IOException | InterruptedException e) {
                throw new AssertionError(e);
              }
            });
    assertThat(asked.await(1, TimeUnit.MINUTES)).isTrue();
    HttpResponse<String> second = shop.post("k", "10");
    assertThat(second.statusCode()).isEqualTo(409);
    assertThat(second.headers().firstValue("Retry-After")).isPresent();
    assertThat(shop.post("k", "11").statusCode()).isEqualTo(422);
    goOn.countDown();
    assertThat(first.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(201);
    assertThat(charged).hasSize(1);
  }

  @Test
  void answerThatIsNoLongerKept_is410() throws Exception {
    Shop shop = shop(postgres.dataSource());
    shop.post("k", "10");
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("update pgbelay.payment set finished_at = finished_at - interval '30 days'");
    assertThat(shop.post("k", "10").statusCode()).isEqualTo(410);
    assertThat(charged).hasSize(1);
  }

  @Test
  void requestThatCannotBeRead_is400AndNothingIsKept() throws Exception {
    Shop shop = shop(postgres.dataSource());
    for (String body : List.of("negative", "cut")) {
      HttpResponse<String> answer = shop.post("k", body);
      assertThat(answer.statusCode()).isEqualTo(400);
      assertThat(answer.body()).doesNotContain("name");
    }
    assertThat(
            shop.send(shop.request("/payments").POST(BodyPublishers.ofString("10")).build())
                .statusCode())
        .isEqualTo(400);
    assertThat(shop.send(shop.request("/payments").GET().build()).statusCode()).isEqualTo(405);
    assertThat(payments()).isZero();
    assertThat(charged).isEmpty();
  }

  @Test
  void poolWithoutAConnection_is503AndTheSameRequestGoesThroughLater() throws Exception {
    HikariDataSource pool = pool(1);
    Shop shop = shop(pool);
    try (Connection all = pool.getConnection()) {
      assertThat(all.isClosed()).isFalse();
      HttpResponse<String> answer = shop.post("k", "10");
      assertThat(answer.statusCode()).isEqualTo(503);
      assertThat(answer.headers().firstValue("Retry-After")).contains("1");
      assertThat(answer.body())
          .as("a step of it may have been done before")
          .contains("\"title\":\"unknown\"");
    }
    assertThat(charged).isEmpty();
    assertThat(shop.post("k", "10").statusCode()).isEqualTo(201);
    assertThat(charged).hasSize(1);
  }

  @Test
  void failureBehindTheCall_is503OnlyIfItCanGoAwayByItself() throws Exception {
    Shop shop = shop(postgres.dataSource());
    lastWork = "select 1 / 0";
    HttpResponse<String> broken = shop.post("k", "10");
    assertThat(broken.statusCode()).isEqualTo(500);
    assertThat(broken.headers().firstValue("Retry-After")).isEmpty();
    lastWork = "do $$ begin raise exception using errcode = '40001'; end $$";
    HttpResponse<String> busy = shop.post("k2", "10");
    assertThat(busy.statusCode()).isEqualTo(503);
    assertThat(busy.headers().firstValue("Retry-After")).contains("1");
    lastWork = "select 1";
    await()
        .atMost(Duration.ofMinutes(1))
        .until(
            () ->
                shop.post("k", "10").statusCode() == 201
                    && shop.post("k2", "10").statusCode() == 201);
    assertThat(charged).hasSize(2);
  }

  @Test
  void requestWithoutAFingerprint_is400Or413AndNothingIsKept() throws Exception {
    Shop shop = shop(postgres.dataSource());
    assertThat(shop.post("k", "long").statusCode()).isEqualTo(413);
    HttpResponse<String> unfit = shop.post("k", "unfit");
    assertThat(unfit.statusCode()).isEqualTo(400);
    assertThat(unfit.body()).contains("\"title\":\"request unfit\"");
    assertThat(payments()).isZero();
  }

  @Test
  void keys_belongToWhoeverIsAuthenticated() throws Exception {
    Shop shop = shop(postgres.dataSource());
    for (String user : List.of("ann", "bob")) {
      HttpResponse<String> answer =
          shop.send(shop.keyed("\"k\"", "10").setHeader("X-User", user).build());
      assertThat(answer.statusCode()).isEqualTo(201);
      assertThat(answer.headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
    }
    assertThat(charged).hasSize(2);
    HttpRequest nobody =
        HttpRequest.newBuilder(
                shop.keyed("\"k\"", "10").build(),
                (name, value) -> !name.equalsIgnoreCase("X-User"))
            .build();
    assertThat(shop.send(nobody).statusCode()).isEqualTo(401);
    assertThat(charged).hasSize(2);
  }

  @Test
  void whoWaits_getsTheAnswerOfTheFirst() throws Exception {
    Looks looks = new Looks(postgres.dataSource());
    Shop shop = shop(looks, Duration.ofMinutes(1));
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    provider =
        (execution, key) -> {
          asked.countDown();
          assertThat(goOn.await(1, TimeUnit.MINUTES)).isTrue();
          return paying.call(execution, key);
        };
    CompletableFuture<HttpResponse<String>> first = shop.postAsync("k", "10");
    assertThat(asked.await(1, TimeUnit.MINUTES)).isTrue();
    int before = looks.count();
    CompletableFuture<HttpResponse<String>> second = shop.postAsync("k", "10");
    // The first look finds it running; more are made only by somebody who waits.
    await()
        .atMost(Duration.ofMinutes(1))
        .until(() -> looks.count() >= before + 3 || second.isDone());
    goOn.countDown();
    assertThat(first.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(201);
    assertThat(second.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(201);
    assertThat(charged).hasSize(1);
  }

  @Test
  void waitBeyondAMinute_isRefusedAtTheStart() {
    assertThatThrownBy(
            () ->
                PaymentServlet.builder(
                        operation(postgres.dataSource()),
                        PaymentServletTest::read,
                        PaymentServletTest::write)
                    .waitFor(Duration.ofMinutes(2))
                    .build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("waitFor");
  }
}
