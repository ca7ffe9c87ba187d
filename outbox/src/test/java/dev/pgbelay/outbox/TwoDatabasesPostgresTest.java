package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A service with a database for each tenant, a relay for each, and one outbox for all: an outbox
 * knows no database but that of the transaction it is given.
 */
class TwoDatabasesPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension one = PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final PostgresExtension other =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(3)
  static final RelayFixture.Relays relaysOfOne = new RelayFixture.Relays(one);

  @RegisterExtension
  @Order(4)
  static final RelayFixture.Relays relaysOfOther = new RelayFixture.Relays(other);

  private final Outbox outbox = Outbox.create();

  /** Destinations have the same numbers in both, and so have messages. */
  @Test
  void messageOfOneDatabase_isNotGivenToTheRelayOfTheOther() {
    Tenant first = new Tenant(new RelayFixture(one, relaysOfOne), "first");
    Tenant second = new Tenant(new RelayFixture(other, relaysOfOther), "second");
    assertThat(second.fixture.number).isEqualTo(first.fixture.number);
    for (int i = 0; i < 50; i++) {
      first.append(i);
      second.append(i);
    }
    RelayFixture.await(() -> first.fixture.isEmpty() && second.fixture.isEmpty());
    assertThat(second.collected.texts()).containsExactlyInAnyOrderElementsOf(second.texts(50));
    assertThat(first.collected.texts()).containsExactlyInAnyOrderElementsOf(first.texts(50));
    assertThat(first.handed()).as("given without a look").isPositive();
    assertThat(second.handed()).as("given without a look").isPositive();
  }

  private final class Tenant {
    private final RelayFixture fixture;
    private final String name;
    private final Transactions transactions;
    private final Collected collected = new Collected(10);
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

    Tenant(RelayFixture fixture, String name) {
      this.fixture = fixture;
      this.name = name;
      this.transactions = fixture.transactions;
      transactions.execute(tx -> Routes.create().add(tx, "topic", fixture.destination));
      fixture.start(
          fixture
              .relay(Destination.of(fixture.destination, collected))
              .meterRegistry(registry)
              .wokenBy(outbox));
      RelayFixture.await(() -> registry.get("pgbelay.outbox.lanes").gauge().value() == 32);
    }

    void append(int n) {
      transactions.execute(tx -> outbox.append(tx, NewMessage.text("topic", name + n)));
    }

    List<String> texts(int count) {
      return IntStream.range(0, count).mapToObj(n -> name + n).toList();
    }

    double handed() {
      return registry.get("pgbelay.outbox.handed").functionCounter().count();
    }
  }
}
