package dev.pgbelay.outbox.health;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.core.permit.Permits;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.OutboxRelayBuilder;
import dev.pgbelay.outbox.PoisonPolicy;
import dev.pgbelay.outbox.RetryPauses;
import dev.pgbelay.outbox.testing.CapturePublisher;
import dev.pgbelay.testing.PostgresExtension;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.time.Duration;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a monitor sees of relays that run. */
class MonitoredRelayPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final OutboxMonitor monitor =
      OutboxMonitor.builder(fixture.transactions).standstill(Duration.ofSeconds(30)).build();
  private HikariDataSource heartbeats = new HikariDataSource();

  @BeforeEach
  void open() {
    fixture.dsl.execute(
        "truncate pgbelay.outbox_message, pgbelay.outbox_relay, pgbelay.outbox_held,"
            + " pgbelay.outbox_held_key, pgbelay.outbox_dead");
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    heartbeats = new HikariDataSource(config);
  }

  @AfterEach
  void close() {
    heartbeats.close();
    monitor.close();
  }

  private OutboxRelayBuilder relay(Destination to) {
    return OutboxRelay.builder(fixture.transactions, heartbeats)
        .name(fixture.destination)
        .lease(Duration.ofSeconds(3))
        .pollInterval(Duration.ofMillis(20))
        .closeDeadline(Duration.ZERO)
        .deliver(to);
  }

  private DestinationFigures look() {
    return Objects.requireNonNull(monitor.look().destinations().get(fixture.destination));
  }

  private void append(int keys) {
    fixture.appendAll(
        IntStream.range(0, keys).mapToObj(i -> fixture.message("k" + i, "x")).toList());
  }

  /** As if all that waits had waited for a minute more. */
  private void wait1Minute() {
    fixture.dsl.execute(
        "update pgbelay.outbox_message set appended_at = appended_at - interval '1 minute'");
  }

  private String firstReason() {
    return monitor.health().reasons().stream().map(Reason::text).findFirst().orElse("none");
  }

  @Test
  void relayThatDelivers_isSeenUntilItIsGone() {
    Destination to = Destination.of(fixture.destination, CapturePublisher.create());
    try (OutboxRelay relay = relay(to).build()) {
      relay.start();
      OutboxFixture.await(() -> look().service().freeLanes() == 0);
      assertThat(look().service().relays()).isEqualTo(1);
      assertThat(look().service().sinceDelivered()).as("nothing so far").isEmpty();
      append(3);
      OutboxFixture.await(() -> look().service().sinceDelivered().isPresent());
      assertThat(look().service().sinceDelivered().orElseThrow())
          .isLessThan(Duration.ofSeconds(30));
      assertThat(monitor.health().status()).isEqualTo(Status.UP);
    }
    append(2);
    wait1Minute();
    DestinationFigures then = look();
    assertThat(then.service().relays()).isZero();
    assertThat(then.service().freeLanes()).isEqualTo(32);
    assertThat(then.lag().messages()).isEqualTo(2);
    assertThat(firstReason()).contains("2 messages wait", "no relay is alive");
  }

  @Test
  void destinationWhereEverythingFails_isPausedAndSoItSays() {
    Destination to =
        Destination.of(
                fixture.destination,
                messages -> messages.stream().map(message -> Delivery.failed("down")).toList())
            .withMostFailingKeys(2)
            .withRetries(
                1_000, RetryPauses.exponential(Duration.ofSeconds(1), Duration.ofMinutes(5)));
    try (OutboxRelay relay = relay(to).build()) {
      relay.start();
      append(40);
      OutboxFixture.await(() -> look().service().paused() == 1);
      assertThat(firstReason()).contains("everything fails there, 1 of 1 relays only probe it");
      wait1Minute();
      look();
      assertThat(monitor.health().status()).isEqualTo(Status.DOWN);
      assertThat(firstReason()).contains("one relay is alive; everything fails there");
    }
  }

  @Test
  void destinationWhoseBreakerIsOpen_isRefusedAndSoItSays() {
    CircuitBreaker breaker = CircuitBreaker.ofDefaults("open");
    breaker.transitionToForcedOpenState();
    Destination to =
        Destination.of(fixture.destination, CapturePublisher.create())
            .withPermit(Permits.byBreaker(breaker));
    try (OutboxRelay relay = relay(to).build()) {
      relay.start();
      append(3);
      OutboxFixture.await(() -> look().service().refused() == 1);
      assertThat(monitor.health().status()).isEqualTo(Status.UP);
      wait1Minute();
      look();
      assertThat(firstReason()).contains("3 messages wait", "permits of 1 let nothing begin");
      breaker.transitionToClosedState();
      OutboxFixture.await(() -> look().service().refused() == 0 && look().lag().messages() == 0);
    }
  }

  @Test
  void parkedKey_isSeenWithWhatIsBehindIt() {
    Destination to =
        Destination.of(
                fixture.destination,
                messages -> messages.stream().map(message -> Delivery.rejected("no")).toList())
            .withPoisonPolicy(PoisonPolicy.PARK_KEY);
    try (OutboxRelay relay = relay(to).build()) {
      relay.start();
      fixture.append(fixture.message("k", "1"));
      fixture.append(fixture.message("k", "2"));
      OutboxFixture.await(() -> look().held().messages() == 2);
      assertThat(look().held().parkedKeys()).isEqualTo(1);
      assertThat(firstReason()).contains("1 keys are parked");
    }
  }
}
