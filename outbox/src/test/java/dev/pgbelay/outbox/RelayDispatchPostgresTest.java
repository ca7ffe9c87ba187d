package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Nothing is given to the publisher before it is known that nobody has taken over. */
class RelayDispatchPostgresTest {
  private static final int LANE = 7;

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final Collected collected = new Collected(10);
  private final RelayOptions options =
      fixture.relay(Destination.of(fixture.destination, collected)).options();
  private final RelayIdentity identity =
      new RelayIdentity(options, new RelaySql("pgbelay"), List::of, () -> {});
  private final RelayDestination destination =
      new RelayDestination(options, 1, options.destinations().get(0), identity);
  private final Thread dispatch =
      new Thread(
          new RelayDispatch(
              destination,
              options.destinations().get(0).permit(),
              identity,
              destination.meters(),
              options.transactions(),
              new LookSql("pgbelay")));

  @AfterEach
  void end() throws Exception {
    destination.window().stop();
    dispatch.interrupt();
    dispatch.join();
    identity.close();
  }

  private void give(Fence fence) {
    RelayWindow window = destination.window();
    window.add(List.of(new LaneClaim(LANE, fence)), Map.of());
    assertThat(
            Objects.requireNonNull(window.handOvers().promise(LANE))
                .give(
                    new WrittenRow(fixture.number, 1, "(0,1)", 0, "7", "db"),
                    new LaneMessage.Content("m", "t", null, null, Map.of(), 0, false),
                    new byte[0],
                    Optional.empty()))
        .isTrue();
    dispatch.start();
  }

  @Test
  void relayThatIsAlive_delivers() throws Exception {
    give(identity.begin(new Short[] {fixture.number}).claimant().next());
    RelayFixture.await(() -> collected.count() == 1);
  }

  /** Whoever it was before does not count. */
  @Test
  void relayThatWasGivenUp_beginsNothingOfWhatItHas() throws Exception {
    Fence before = Claimant.random().next();
    assertThat(identity.begin(new Short[] {fixture.number}).id()).isNotEqualTo(before.claimant());
    give(before);
    RelayFixture.await(() -> destination.window().running() == 1 || collected.count() > 0);
    destination.forget();
    RelayFixture.await(() -> destination.window().running() == 0);
    assertThat(collected.count()).isZero();
  }

  @Test
  void relayThatHasNoIdentity_beginsNothing() throws Exception {
    CountDownLatch called = new CountDownLatch(1);
    collected.answering(
        message -> {
          called.countDown();
          return Delivery.delivered();
        });
    Fence fence = Claimant.random().next();
    give(fence);
    RelayFixture.await(() -> destination.window().running() == 1 || called.getCount() == 0);
    destination.window().stop();
    RelayFixture.await(() -> destination.window().running() == 0);
    assertThat(called.getCount()).as("not called").isEqualTo(1);
  }
}
