package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Starting and stopping, also at the wrong time. */
class RelayLifecyclePostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final Collected collected = new Collected();

  private Destination destination() {
    return Destination.of(fixture.destination, collected);
  }

  /** A shutdown that comes before the start has ended. */
  @Test
  void relayThatWasClosed_isNotStartedAnyMore() {
    OutboxRelay relay = fixture.relay(destination()).build();
    relay.close();
    assertThatThrownBy(relay::start)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("build a new one");
    relay.close();
  }

  @Test
  void relayThatWasStopped_isNotStartedAgain() {
    OutboxRelay relay = fixture.start(destination());
    assertThat(relay.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    assertThat(relay.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    assertThatThrownBy(relay::start).hasMessageContaining("build a new one");
  }

  @Test
  void stopWithTimeWithoutEnd_stops() {
    fixture.append("k", "1");
    OutboxRelay relay = fixture.start(destination());
    RelayFixture.await(fixture::isEmpty);
    assertThat(relay.stop(Duration.ofSeconds(Long.MAX_VALUE)).isClean()).isTrue();
    assertThat(fixture.count("select count(*) from pgbelay.outbox_relay")).isZero();
  }

  /** What a relay is called is for people: two of one name share the work all the same. */
  @Test
  void twoRelaysOfOneName_shareTheLanes() {
    OutboxRelay one = fixture.start(fixture.relay(destination()).name("same"));
    OutboxRelay other = fixture.start(fixture.relay(destination()).name("same"));
    RelayFixture.await(
        () ->
            fixture
                .dsl
                .fetch(
                    "select count(*) from pgbelay.outbox_lane where destination = ?"
                        + " and claimant is not null group by claimant",
                    fixture.number)
                .getValues(0, Integer.class)
                .equals(java.util.List.of(16, 16)));
    for (int i = 0; i < 20; i++) {
      fixture.append("k" + i, "x");
    }
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.count()).isEqualTo(20);
    assertThat(one.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    assertThat(other.stop(Duration.ofSeconds(10)).isClean()).isTrue();
  }

  /** Their threads report under their names: the second is refused, and leaves nothing behind. */
  @Test
  void secondRelayOfOneNameInOneRegistry_isRefusedAndLeavesNothingRunning() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    fixture.start(fixture.relay(destination()).name("same").meterRegistry(registry));
    OutboxRelay other = fixture.relay(destination()).name("same").meterRegistry(registry).build();
    assertThatThrownBy(other::start)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("same");
    other.close();
    fixture.append("k", "1");
    RelayFixture.await(fixture::isEmpty);
    assertThat(registry.get("pgbelay.outbox.lanes").gauge().value()).isEqualTo(32);
    assertThat(
            Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().contains("outbox-same-deliver")))
        .hasSizeLessThanOrEqualTo(4);
  }
}
