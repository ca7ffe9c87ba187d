package dev.pgbelay.idempotency.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.testing.PostgresExtension;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.InstantSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KeyedSenderPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  @Test
  void openTransaction_isRefusedBeforeAnythingIsSent() {
    try (FakeProvider provider = FakeProvider.start(InstantSource.system())) {
      KeyedSender sender = KeyedSender.builder(HttpClient.newHttpClient()).build();
      HttpRequest head = HttpRequest.newBuilder(provider.uri().resolve("/charges")).build();
      assertThatThrownBy(
              () ->
                  Transactions.of(postgres.dataSource())
                      .run(tx -> sender.send(head, new byte[0], "k", BodyHandlers.discarding())))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("transaction");
      assertThat(provider.requests()).isZero();
    }
  }
}
