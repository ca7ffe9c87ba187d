package dev.pgbelay.outbox.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.core.horizon.HorizonPin;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What is made of figures: each reason just below its threshold and just above it. */
class HealthRulesTest {
  private static final Duration MINUTE = Duration.ofMinutes(1);

  private final HealthRules rules =
      new HealthRules(
          Map.of("slow", Duration.ofHours(2)),
          MINUTE.multipliedBy(2),
          MINUTE.multipliedBy(15),
          MINUTE.multipliedBy(20),
          MINUTE.multipliedBy(5),
          MINUTE,
          3);

  private static ServiceFigures service(int relays, @Nullable Duration sinceDelivered) {
    return new ServiceFigures(relays, 0, Duration.ZERO, 0, 0, Optional.ofNullable(sinceDelivered));
  }

  private static DestinationFigures waiting(
      String name, @Nullable Duration oldest, ServiceFigures service) {
    return new DestinationFigures(
        name,
        true,
        new Lag(oldest == null ? 0 : 9, Optional.ofNullable(oldest), 4),
        Map.of(),
        HeldFigures.NONE,
        0,
        service);
  }

  private static DestinationFigures held(HeldFigures held, int deadLetters) {
    return new DestinationFigures(
        "d", true, Lag.NONE, Map.of(), held, deadLetters, service(1, null));
  }

  private static DestinationFigures free(boolean routed, int relays, int lanes, Duration since) {
    return new DestinationFigures(
        "d",
        routed,
        Lag.NONE,
        Map.of(),
        HeldFigures.NONE,
        0,
        new ServiceFigures(relays, lanes, since, 0, 0, Optional.empty()));
  }

  private Health judge(DestinationFigures... all) {
    return judge(1, all);
  }

  private Health judge(int relays, DestinationFigures... all) {
    Map<String, DestinationFigures> byName = new java.util.HashMap<>();
    for (DestinationFigures one : all) {
      byName.put(one.destination(), one);
    }
    return rules.judge(new OutboxSnapshot(byName, relays, 0, List.of()));
  }

  private static void assertReason(Health health, Status status, String text) {
    assertThat(health.status()).isEqualTo(status);
    assertThat(health.reasons()).containsExactly(new Reason(status, text));
  }

  @Test
  void nothingThatWaits_isUpHoweverLongAgoSomethingWasDelivered() {
    assertThat(judge(waiting("d", null, service(1, Duration.ofDays(9)))).status())
        .isEqualTo(Status.UP);
    assertThat(judge().status()).isEqualTo(Status.UP);
  }

  @Test
  void messagesOfWhichNoneIsDelivered_areDown() {
    Duration days = Duration.ofDays(9);
    assertThat(judge(waiting("d", MINUTE.multipliedBy(2), service(1, days))).status())
        .as("not for long enough")
        .isEqualTo(Status.UP);
    assertReason(
        judge(waiting("d", MINUTE.multipliedBy(3), service(1, days))),
        Status.DOWN,
        "destination 'd': 9 messages wait, the oldest for PT3M, and none was delivered for PT216H;"
            + " one relay is alive");
    assertReason(
        judge(0, waiting("d", MINUTE.multipliedBy(3), service(0, null))),
        Status.DOWN,
        "destination 'd': 9 messages wait, the oldest for PT3M, and none was delivered by a relay"
            + " that is alive; no relay is alive");
    assertReason(
        judge(2, waiting("d", MINUTE.multipliedBy(3), service(0, null))),
        Status.DOWN,
        "destination 'd': 9 messages wait, the oldest for PT3M, and none was delivered by a relay"
            + " that is alive; 2 relays are alive, but none that delivers there");
    assertThat(
            judge(waiting("d", MINUTE.multipliedBy(3), service(1, MINUTE.multipliedBy(2))))
                .status())
        .as("one was delivered just in time")
        .isEqualTo(Status.UP);
    assertThat(judge(waiting("slow", MINUTE.multipliedBy(14), service(1, days))).status())
        .as("has a threshold of its own")
        .isEqualTo(Status.UP);
  }

  @Test
  void lateMessages_areDegradedWhileOthersAreDelivered() {
    assertThat(judge(waiting("d", MINUTE.multipliedBy(15), service(1, MINUTE))).status())
        .isEqualTo(Status.UP);
    assertReason(
        judge(waiting("d", MINUTE.multipliedBy(16), service(1, MINUTE))),
        Status.DEGRADED,
        "destination 'd': 9 messages wait, the oldest for PT16M, though others are delivered");
  }

  @Test
  void pauseAndRefusal_areNamed() {
    ServiceFigures refused =
        new ServiceFigures(2, 0, Duration.ZERO, 0, 1, Optional.of(Duration.ofHours(1)));
    assertThat(judge(waiting("d", null, refused)).status())
        .as("a permit may refuse")
        .isEqualTo(Status.UP);
    assertReason(
        judge(waiting("d", MINUTE.multipliedBy(3), refused)),
        Status.DOWN,
        "destination 'd': 9 messages wait, the oldest for PT3M, and none was delivered for PT1H;"
            + " one relay is alive; permits of 1 let nothing begin just now");
    ServiceFigures paused =
        new ServiceFigures(2, 0, Duration.ZERO, 1, 0, Optional.of(Duration.ofHours(1)));
    assertReason(
        judge(waiting("d", null, paused)),
        Status.DEGRADED,
        "destination 'd': everything fails there, 1 of 2 relays only probe it");
    assertThat(judge(waiting("d", MINUTE.multipliedBy(3), paused)).reasons())
        .extracting(Reason::text)
        .containsExactly(
            "destination 'd': 9 messages wait, the oldest for PT3M, and none was delivered for"
                + " PT1H; one relay is alive; everything fails there",
            "destination 'd': everything fails there, 1 of 2 relays only probe it");
  }

  @Test
  void lanesWithoutARelay_areDownAfterAWhile() {
    assertThat(judge(free(true, 1, 4, MINUTE)).status()).isEqualTo(Status.UP);
    assertReason(
        judge(free(true, 1, 4, MINUTE.plusSeconds(1))),
        Status.DOWN,
        "destination 'd': 4 of 32 lanes have no relay, for PT1M1S");
    assertReason(
        judge(free(true, 0, 32, MINUTE.plusSeconds(1))),
        Status.DOWN,
        "destination 'd': no relay that is alive delivers there, for PT1M1S");
    assertThat(judge(free(false, 0, 32, Duration.ofDays(1))).status())
        .as("nothing is routed there")
        .isEqualTo(Status.UP);
  }

  @Test
  void heldKeys_areDegradedByHowLongTheyWait() {
    HeldFigures young =
        new HeldFigures(
            7,
            2,
            Optional.of(MINUTE.multipliedBy(20)),
            Optional.of(MINUTE.multipliedBy(5)),
            12,
            99,
            Optional.of(Duration.ofHours(3)));
    assertThat(judge(held(young, 3)).status()).isEqualTo(Status.UP);
    HeldFigures retried =
        new HeldFigures(
            7, 0, Optional.of(MINUTE.multipliedBy(21)), Optional.empty(), 12, 7, Optional.empty());
    assertReason(
        judge(held(retried, 0)),
        Status.DEGRADED,
        "destination 'd': 7 keys wait for a message that fails, the longest for PT21M, after up to"
            + " 12 attempts");
    HeldFigures parked =
        new HeldFigures(
            0, 2, Optional.empty(), Optional.of(MINUTE.multipliedBy(6)), 0, 2, Optional.empty());
    assertReason(
        judge(held(parked, 0)),
        Status.DEGRADED,
        "destination 'd': 2 keys are parked, the longest for PT6M: resume or skip them with"
            + " HeldKeys");
  }

  @Test
  void deadLetters_areDegradedAboveWhatIsExpected() {
    assertThat(judge(held(HeldFigures.NONE, 3)).status()).isEqualTo(Status.UP);
    assertReason(
        judge(held(HeldFigures.NONE, 4)),
        Status.DEGRADED,
        "destination 'd': 4 dead letters, and no more than 3 are expected: redrive or delete them"
            + " with DeadLetters");
  }

  @Test
  void daysThatWereNotEmptiedAndPins_areDegraded_andTheWorstReasonComesFirst() {
    HorizonPin pin =
        new HorizonPin(HorizonPin.Holder.REPLICATION_SLOT, "old_slot", 42, Duration.ofHours(3));
    Health health =
        rules.judge(
            new OutboxSnapshot(
                Map.of("d", free(true, 0, 32, Duration.ofHours(1))), 0, 2, List.of(pin)));
    assertThat(health.status()).isEqualTo(Status.DOWN);
    assertThat(health.reasons())
        .extracting(Reason::text)
        .containsExactly(
            "destination 'd': no relay that is alive delivers there, for PT1H",
            "2 days of published messages are past their retention and were not emptied",
            "dead rows are not cleaned up because of replication slot old_slot for PT3H, 42"
                + " transactions back");
  }
}
