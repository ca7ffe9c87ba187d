package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is appended in the relay's own process is found without a poll. */
class RelayWakeUpPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  @Test
  void commitOfThisProcess_wakesTheRelay() {
    String topic = "topic-" + fixture.destination;
    fixture.transactions.execute(tx -> Routes.create().add(tx, topic, fixture.destination));
    Outbox outbox = Outbox.create();
    Collected collected = new Collected();
    long begin = System.nanoTime();
    fixture.start(
        fixture
            .relay(Destination.of(fixture.destination, collected))
            .pollInterval(Duration.ofMinutes(1))
            .wokenBy(outbox));
    for (int i = 0; i < 5; i++) {
      int count = i + 1;
      fixture.transactions.execute(
          tx -> outbox.append(tx, NewMessage.text(topic, "hello").withKey("k")));
      RelayFixture.await(() -> collected.count() == count);
    }
    assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofMinutes(2));
    assertThat(collected.texts("k")).hasSize(5);
  }
}
