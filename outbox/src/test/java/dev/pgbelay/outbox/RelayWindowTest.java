package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.internal.Claimant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A message is taken in only for a lane that is this relay's at that moment, under one claim. */
class RelayWindowTest {
  private static final int LANE = 7;

  private final Claimant relay = Claimant.random();
  private final RelayWindow window =
      new RelayWindow(100, 1 << 20, Destination.of("d", new Collected()));
  private final LaneClaim claim = new LaneClaim(LANE, relay.next());

  @BeforeEach
  void own() {
    window.wakes(() -> {}, () -> {}, () -> {});
    window.add(List.of(claim), Map.of());
  }

  private HandOver promise() {
    return Objects.requireNonNull(window.handOvers().promise(LANE));
  }

  private static boolean give(HandOver place, long id) {
    return place.give(
        new WrittenRow(1, id, "(0,1)", 0, "7", "db"),
        new LaneMessage.Content("m" + id, "t", null, null, Map.of(), 0, false),
        new byte[0],
        Optional.empty());
  }

  @Test
  void messageOfALaneThatIsOwned_isTakenIn() {
    assertThat(give(promise(), 1)).isTrue();
    assertThat(window.here()).isEqualTo(1);
    assertThat(window.handOvers().promise(LANE + 1)).as("of a lane that it does not have").isNull();
  }

  @Test
  void messageOfALaneThatIsBeingGivenBack_isRefused() {
    HandOver place = promise();
    window.drain(1);
    assertThat(give(place, 1)).isFalse();
    window.remove(window.drained());
    assertThat(give(place, 1)).isFalse();
    assertThat(window.here()).isZero();
  }

  @Test
  void messageOfALaneThatWasLostAndTakenAgain_isRefusedUnderTheClaimBefore() {
    HandOver before = promise();
    assertThat(window.lose()).isZero();
    assertThat(give(before, 1)).isFalse();
    LaneClaim again = new LaneClaim(LANE, relay.next());
    window.add(List.of(again), Map.of());
    assertThat(give(before, 1)).isFalse();
    assertThat(give(promise(), 1)).isTrue();
    assertThat(window.calls().take(10))
        .as("under one claim")
        .singleElement()
        .satisfies(message -> assertThat(message.lane).isSameAs(again));
  }

  @Test
  void lanesOfOneCall_areLostAtOnceAndNotGivenBackBefore() {
    window.add(List.of(new LaneClaim(LANE + 1, relay.next())), Map.of());
    assertThat(give(promise(), 1)).isTrue();
    assertThat(give(Objects.requireNonNull(window.handOvers().promise(LANE + 1)), 2)).isTrue();
    List<LaneMessage> call = window.calls().take(10);
    assertThat(call).hasSize(2);
    window.drain(2);
    assertThat(window.drained()).as("lanes of which something is on its way").isEmpty();
    assertThat(window.lose()).isEqualTo(2);
    assertThat(call).allMatch(message -> message.lane.lost);
  }
}
