package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.ServletException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a client is told when something is broken, and what is true then. */
class FilterFailuresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final FingerprintRule RULE =
      FingerprintRule.builder().method().path().jsonBody().build();
  private static final Duration LONG = Duration.ofMinutes(1);

  private final List<AutoCloseable> opened = new ArrayList<>();

  private Shop shop(DataSource dataSource) throws Exception {
    IdempotencyFilter filter =
        IdempotencyFilter.builder(Shop.idempotency(dataSource), "orders", RULE)
            .retention(Duration.ofMinutes(1))
            .build();
    Shop shop = new Shop(postgres.dataSource(), filter);
    opened.add(shop::stop);
    return shop;
  }

  private HikariDataSource impatientPool(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(1);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(500);
    config.setInitializationFailTimeout(-1);
    HikariDataSource pool = new HikariDataSource(config);
    opened.add(pool);
    return pool;
  }

  @BeforeEach
  void emptyTables() {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("truncate placed, pgbelay.idempotency_key");
  }

  @AfterEach
  void closeAll() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
  }

  /** 503, when to come again, and that it is safe to. */
  private static void assertComeAgain(HttpResponse<String> answer, String title) {
    assertThat(answer.statusCode()).isEqualTo(503);
    assertThat(answer.headers().firstValue("Retry-After")).contains("1");
    assertThat(answer.headers().firstValue("Content-Type")).contains("application/problem+json");
    assertThat(answer.body()).contains("\"title\":\"" + title + "\"").contains("same key");
  }

  @Test
  void answerThatIsNoLongerKept_is410AndNothingRuns() throws Exception {
    Shop shop = shop(postgres.dataSource());
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(201);
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("update pgbelay.idempotency_key set created_at = created_at - interval '1 hour'");
    HttpResponse<String> late = shop.post("k", "{}");
    assertThat(late.statusCode()).isEqualTo(410);
    assertThat(late.body()).contains("Use a new key");
    assertThat(late.headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
    assertThat(shop.post("k", "{\"other\":1}").statusCode()).isEqualTo(422);
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void poolWithoutAConnection_is503AndNothingRuns() throws Exception {
    HikariDataSource pool = impatientPool(postgres.jdbcUrl());
    Shop shop = shop(pool);
    AtomicInteger served = countServed(shop);
    try (Connection all = pool.getConnection()) {
      assertThat(all.isClosed()).isFalse();
      assertComeAgain(shop.post("k", "{}"), "not done");
    }
    assertThat(served).hasValue(0);
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(201);
    assertThat(shop.placed()).isEqualTo(1);
  }

  @Test
  void databaseThatCannotBeReached_is503AndNothingRuns() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary())) {
      proxy.refuseConnections();
      Shop shop = shop(impatientPool(proxy.jdbcUrl(postgres.database().name())));
      AtomicInteger served = countServed(shop);
      assertComeAgain(shop.post("k", "{}"), "not done");
      assertThat(served).hasValue(0);
      proxy.acceptConnections();
      await().atMost(LONG).until(() -> shop.post("k", "{}").statusCode() == 201);
      assertThat(shop.placed()).isEqualTo(1);
    }
  }

  private static AtomicInteger countServed(Shop shop) {
    AtomicInteger served = new AtomicInteger();
    shop.counter =
        (request, response) -> {
          served.incrementAndGet();
          Shop.place(request, response, "one");
        };
    return served;
  }

  @Test
  void databaseThatGoesAwayUnderTheServlet_is503AndRolledBack() throws Exception {
    Shop shop = shop(postgres.dataSource());
    for (boolean wrapped : new boolean[] {false, true}) {
      shop.counter =
          (request, response) -> {
            Shop.place(request, response, "half");
            try {
              IdempotencyFilter.tx(request)
                  .dsl()
                  .execute("select pg_terminate_backend(pg_backend_pid())");
            } catch (DataAccessException e) {
              if (wrapped) {
                throw new ServletException(e);
              }
              throw e;
            }
          };
      assertComeAgain(shop.post("k", "{}"), "not done");
      assertThat(shop.placed() + shop.stored()).isZero();
    }
  }

  @Test
  void serializationFailure_is503AndTheServletRunsOnce() throws Exception {
    Shop shop = shop(postgres.dataSource());
    AtomicInteger served = new AtomicInteger();
    shop.counter =
        (request, response) -> {
          served.incrementAndGet();
          Shop.place(request, response, "half");
          IdempotencyFilter.tx(request)
              .dsl()
              .execute("do $$ begin raise exception using errcode = '40001'; end $$");
        };
    assertComeAgain(shop.post("k", "{}"), "not done");
    assertThat(served).hasValue(1);
    assertThat(shop.placed() + shop.stored()).isZero();
  }

  @Test
  void failureThatComesAgain_isNoneOfThese() throws Exception {
    Shop shop = shop(postgres.dataSource());
    shop.counter =
        (request, response) -> IdempotencyFilter.tx(request).dsl().execute("select 1 / 0");
    HttpResponse<String> answer = shop.post("k", "{}");
    assertThat(answer.statusCode()).isEqualTo(500);
    assertThat(answer.headers().firstValue("Retry-After")).isEmpty();
  }

  @Test
  void answerToCommitThatIsLost_is503AndTheSameRequestIsAnsweredLater() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary())) {
      Shop shop = shop(impatientPool(proxy.jdbcUrl(postgres.database().name())));
      shop.counter =
          (request, response) -> {
            Shop.place(request, response, "one");
            proxy.cutAfterCommit(1);
            proxy.refuseConnections();
          };
      assertComeAgain(shop.post("k", "{}"), "unknown");
      proxy.heal();
      shop.counter = (request, response) -> Shop.place(request, response, "never");
      AtomicInteger replays = new AtomicInteger();
      await()
          .atMost(LONG)
          .until(
              () -> {
                HttpResponse<String> answer = shop.post("k", "{}");
                if (answer.statusCode() == 201) {
                  assertThat(answer.body()).isEqualTo("placed: one");
                  replays.incrementAndGet();
                }
                return replays.get() == 1;
              });
      assertThat(shop.placed()).isEqualTo(1);
    }
  }

  @Test
  void errorPage_isNoRequestUnderTheKey() throws Exception {
    Shop shop = shop(postgres.dataSource());
    List<DispatcherType> seen = new CopyOnWriteArrayList<>();
    shop.counter =
        (request, response) -> {
          seen.add(request.getDispatcherType());
          if (request.getDispatcherType() == DispatcherType.ERROR) {
            assertThatThrownBy(() -> IdempotencyFilter.tx(request))
                .isInstanceOf(PgBelayException.class);
            response.getWriter().print("sorry");
          } else {
            Shop.place(request, response, "half");
            throw new ServletException("on purpose");
          }
        };
    HttpResponse<String> answer = shop.post("k", "{}");
    assertThat(answer.statusCode()).isEqualTo(500);
    assertThat(answer.body()).isEqualTo("sorry");
    assertThat(seen).containsExactly(DispatcherType.REQUEST, DispatcherType.ERROR);
    assertThat(shop.placed() + shop.stored()).isZero();
  }

  @Test
  void forwarding_staysInTheTransactionOfTheRequest() throws Exception {
    Shop shop = shop(postgres.dataSource());
    shop.counter =
        (request, response) -> {
          if (request.getDispatcherType() == DispatcherType.FORWARD) {
            Shop.place(request, response, "forwarded");
          } else {
            request.getRequestDispatcher("/other").forward(request, response);
          }
        };
    assertThat(shop.post("k", "{}").body()).isEqualTo("placed: forwarded");
    assertThat(shop.post("k", "{}").body()).isEqualTo("placed: forwarded");
    assertThat(shop.placed()).isEqualTo(1);
  }

  private static Socket connect(Shop shop) throws IOException {
    return new Socket(InetAddress.getByName("localhost"), shop.port());
  }

  private static void write(Socket socket, String body, int length) throws IOException {
    String head =
        "POST /orders HTTP/1.1\r\nHost: localhost\r\nX-User: ann\r\nIdempotency-Key: \"k\"\r\n"
            + "Content-Type: application/json\r\nContent-Length: "
            + length
            + "\r\n\r\n";
    socket.getOutputStream().write((head + body).getBytes(US_ASCII));
    socket.getOutputStream().flush();
  }

  @Test
  void clientThatLeavesInTheMiddleOfTheBody_leavesNothing() throws Exception {
    Shop shop = shop(postgres.dataSource());
    AtomicInteger served = countServed(shop);
    try (Socket socket = connect(shop)) {
      write(socket, "{\"a\":", 1_000);
    }
    await().atMost(LONG).until(() -> shop.ended() == 1);
    assertThat(served).hasValue(0);
    assertThat(shop.stored()).isZero();
    assertThat(shop.post("k", "{}").statusCode()).isEqualTo(201);
  }

  @Test
  void clientThatLeavesBeforeTheAnswer_getsItWithTheNextRequest() throws Exception {
    Shop shop = shop(postgres.dataSource());
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch gone = new CountDownLatch(1);
    shop.counter =
        (request, response) -> {
          running.countDown();
          awaited(gone);
          Shop.place(request, response, "one");
        };
    try (Socket socket = connect(shop)) {
      write(socket, "{}", 2);
      awaited(running);
    }
    gone.countDown();
    await().atMost(LONG).until(() -> shop.ended() == 1);
    HttpResponse<String> again = shop.post("k", "{}");
    assertThat(again.headers().firstValue(IdempotencyFilter.REPLAYED)).contains("true");
    assertThat(again.body()).isEqualTo("placed: one");
    assertThat(shop.placed()).isEqualTo(1);
  }

  private static void awaited(CountDownLatch latch) {
    try {
      assertThat(latch.await(1, TimeUnit.MINUTES)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
