package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.servlet.IdempotencyFilter;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.InstantSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the guide's curl lines get. */
class PaymentsOverHttpTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static final Duration LONG = Duration.ofMinutes(1);
  private final HttpClient http = HttpClient.newHttpClient();

  private HttpResponse<String> post(PaymentsOverHttp shop, String path, String key, String body)
      throws IOException, InterruptedException {
    return http.send(
        HttpRequest.newBuilder(shop.uri().resolve(path))
            .timeout(LONG)
            .header("Authorization", "Bearer demo-token")
            .header("Idempotency-Key", "\"" + key + "\"")
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(body))
            .build(),
        BodyHandlers.ofString());
  }

  @Test
  void paymentWhoseAnswerIsLost_isChargedOnceAndAnsweredInTheEnd() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    try (HikariDataSource leases = new HikariDataSource(config);
        FakeProvider provider = FakeProvider.start(InstantSource.system());
        PaymentsOverHttp shop =
            new PaymentsOverHttp(
                postgres.dataSource(),
                leases,
                new FakeProviderClient(http, provider.uri(), LONG),
                0)) {
      provider.next(ProviderFault.DROP_AFTER_ACTING);
      String order = "{\"order\":\"order-1\",\"cents\":1990}";
      HttpResponse<String> first = post(shop, "/payments", "a1", order);
      assertThat(first.statusCode()).isEqualTo(503);
      assertThat(first.headers().firstValue("Retry-After")).isPresent();
      await().atMost(LONG).until(() -> post(shop, "/payments", "a1", order).statusCode() == 201);
      HttpResponse<String> replay =
          post(shop, "/payments", "a1", "{\"cents\":1990, \"order\":\"order-1\"}");
      assertThat(replay.headers().firstValue(IdempotencyFilter.REPLAYED)).contains("true");
      assertThat(replay.body()).contains("\"charge\":\"ch-1\"");
      assertThat(provider.effects("order-1")).isEqualTo(1);
      assertThat(post(shop, "/payments", "a1", "{\"order\":\"order-1\",\"cents\":1}").statusCode())
          .isEqualTo(422);
      assertThat(post(shop, "/payments", "a2", "{\"order\":\"o\",\"cents\":-1}").statusCode())
          .isEqualTo(400);

      assertThat(post(shop, "/orders", "b1", "{}").statusCode()).isEqualTo(201);
      assertThat(post(shop, "/orders", "b1", "{}").body()).isEqualTo("{\"state\":\"placed\"}");
      assertThat(
              DSL.using(postgres.dataSource(), SQLDialect.POSTGRES).fetchCount(DSL.table("orders")))
          .isEqualTo(1);
    }
  }
}
