package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A lane that passes to another relay while a call of the publisher has messages of it. */
class RelayRebalancePostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  private static String keyOfTheFirstLane() {
    for (int i = 0; ; i++) {
      if (KeyPlace.lane("key" + i) == 0) {
        return "key" + i;
      }
    }
  }

  /** How many lanes are with another relay than the first one. */
  private int passed(String firstClaimant) {
    return fixture.count(
        "select count(*) from pgbelay.outbox_lane where destination = ?"
            + " and claimant <> cast(? as uuid)",
        fixture.number,
        firstClaimant);
  }

  private String claimantOfTheFirstLane() {
    return String.valueOf(
        fixture.dsl.fetchValue(
            "select claimant from pgbelay.outbox_lane where destination = ? and lane = 0",
            fixture.number));
  }

  @Test
  void keyInFlight_staysUntilItsCallHasEnded_andGoesOnInOrder() {
    String key = keyOfTheFirstLane();
    for (int i = 0; i < 10; i++) {
      fixture.append(key, "m" + i);
    }
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    Collected first =
        new Collected()
            .answering(
                message -> {
                  begun.countDown();
                  assertThat(goOn.await(60, TimeUnit.SECONDS)).isTrue();
                  return Delivery.delivered();
                });
    Collected second = new Collected();
    fixture.start(Destination.of(fixture.destination, first));
    RelayFixture.await(() -> begun.getCount() == 0);
    String claimant = claimantOfTheFirstLane();
    fixture.start(
        fixture
            .relay(Destination.of(fixture.destination, second))
            .pollInterval(Duration.ofMillis(20)));
    RelayFixture.await(() -> passed(claimant) == 15);
    assertThat(claimantOfTheFirstLane()).isEqualTo(claimant);
    assertThat(second.count()).isZero();
    goOn.countDown();
    RelayFixture.await(fixture::isEmpty);
    assertThat(first.texts(key)).containsExactly("m0");
    assertThat(second.texts(key))
        .containsExactly("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9");
    assertThat(passed(claimant)).isEqualTo(16);
  }
}
