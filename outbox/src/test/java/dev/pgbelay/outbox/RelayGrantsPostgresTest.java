package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.outbox.replay.Published;
import dev.pgbelay.outbox.replay.Replay;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide are enough for a relay, and each of them is needed. */
class RelayGrantsPostgresTest {
  private static final List<String> DELIVERING =
      List.of(
          "select on pgbelay.outbox_destination",
          "select on pgbelay.outbox_message_id_seq",
          "select on pgbelay.outbox_message",
          "delete on pgbelay.outbox_message",
          "select on pgbelay.outbox_relay",
          "insert on pgbelay.outbox_relay",
          "update on pgbelay.outbox_relay",
          "delete on pgbelay.outbox_relay",
          "select on pgbelay.outbox_lane",
          "insert on pgbelay.outbox_lane",
          "update on pgbelay.outbox_lane",
          "select on pgbelay.outbox_held_key",
          "insert on pgbelay.outbox_held_key",
          "update on pgbelay.outbox_held_key",
          "delete on pgbelay.outbox_held_key",
          "select on pgbelay.outbox_held",
          "insert on pgbelay.outbox_held",
          "delete on pgbelay.outbox_held",
          "select on pgbelay.outbox_dead",
          "insert on pgbelay.outbox_dead");
  private static final List<String> KEEPING =
      List.of(
          "insert on pgbelay.outbox_published",
          "update (retention_days) on pgbelay.outbox_destination");
  private static final int AT_ONCE = 11;
  private static final AtomicInteger ROLES = new AtomicInteger();

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  /** A role, and a relay of its grants with one message of each fate. */
  private static final class Scene implements AutoCloseable {
    final RelayFixture fixture = new RelayFixture(postgres, relays);
    final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    final List<HikariDataSource> opened = new ArrayList<>();
    final HikariDataSource pool;
    final OutboxRelay relay;
    final Collected collected =
        new Collected()
            .answering(
                message ->
                    switch (Collected.text(message)) {
                      case "rejected" -> Delivery.rejected("no");
                      case "failing" ->
                          message.attempt() == 1 ? Delivery.failed("once") : Delivery.delivered();
                      default -> Delivery.delivered();
                    });

    Scene(List<String> grants, boolean keeping) {
      String role = role(fixture, grants);
      pool = RelayFixture.pool(postgres.jdbcUrl(), 3, role);
      fixture.append("a", "plain");
      fixture.append("a", "x".repeat(20_000));
      fixture.append("b", "failing");
      fixture.append("b", "behind");
      fixture.append("c", "rejected");
      fixture.append("c", "behind");
      Destination to =
          Destination.of(fixture.destination, collected)
              .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
              .withConcurrency(1)
              .withRetries(
                  3, RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(20)));
      relay =
          OutboxRelay.builder(Transactions.of(pool), beats(role))
              .name("grants-" + fixture.destination)
              .pollInterval(Duration.ofMillis(20))
              .lease(Duration.ofSeconds(3))
              .meterRegistry(registry)
              .deliver(keeping ? to.withRetention(Duration.ofDays(1)) : to)
              .build();
      relay.start();
    }

    private HikariDataSource beats(String role) {
      HikariDataSource own = RelayFixture.pool(postgres.jdbcUrl(), 1, role);
      opened.add(own);
      return own;
    }

    boolean isDone() {
      return fixture.isEmpty() && collected.count() == 5 && fixture.dead() == 1;
    }

    /** Of any of its loops. */
    boolean failed() {
      return registry.find("pgbelay.background.failures.consecutive").gauges().stream()
          .mapToDouble(Gauge::value)
          .anyMatch(value -> value > 0);
    }

    @Override
    public void close() {
      OutboxRelay.StopReport ignored = relay.stop(Duration.ofSeconds(5));
      opened.forEach(HikariDataSource::close);
      pool.close();
    }
  }

  private static String role(RelayFixture fixture, List<String> grants) {
    String role =
        "outbox_relay_"
            + postgres.database().name().toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", "_")
            + "_"
            + ROLES.incrementAndGet();
    fixture.dsl.execute("create role " + role);
    fixture.dsl.execute("grant usage on schema pgbelay to " + role);
    grants.forEach(grant -> fixture.dsl.execute("grant " + grant + " to " + role));
    return role;
  }

  private static List<String> all() {
    List<String> all = new ArrayList<>(DELIVERING);
    all.addAll(KEEPING);
    return all;
  }

  @Test
  void withoutRetention_theseAreEnough() {
    try (Scene scene = new Scene(DELIVERING, false)) {
      RelayFixture.await(scene::isDone);
      assertThat(scene.failed()).isFalse();
      assertThat(scene.relay.stop(Duration.ofSeconds(5)).isClean()).isTrue();
      assertThat(
              scene.fixture.count(
                  "select count(*) from pgbelay.outbox_relay where ? = any (destinations)",
                  scene.fixture.number))
          .isZero();
    }
  }

  @Test
  void withRetention_theRestIsEnoughAndOldDaysAreEmptied() {
    List<String> all = all();
    for (int slot = 0; slot < 32; slot++) {
      all.add("truncate on " + new TablesSql("pgbelay").slot(slot));
    }
    try (Scene scene = new Scene(all, true)) {
      RelayFixture.await(scene::isDone);
      RelayFixture.await(
          () ->
              scene.fixture.count(
                      "select count(*) from pgbelay.outbox_published where destination = ?",
                      scene.fixture.number)
                  == 5);
      assertThat(scene.failed()).isFalse();
    }
    scene(all, "truncate");
  }

  /** An old day is there: with the grant it goes, without it the loop fails and all else works. */
  private void scene(List<String> all, String needed) {
    List<String> without = all.stream().filter(grant -> !grant.startsWith(needed)).toList();
    RelayFixture fixture = new RelayFixture(postgres, relays);
    fixture.dsl.execute(
        "insert into pgbelay.outbox_published (id, appended_at, published_at, published_day,"
            + " destination, lane, replay, message_id, topic, payload)"
            + " select 1, at, at, extract(epoch from at) / 86400, ?, 0, false, 'm', 't', ''"
            + " from (select now() - interval '10 days' as at) as t",
        fixture.number);
    String old = "select count(*) from pgbelay.outbox_published where destination = ?";
    try (Scene scene = new Scene(without, true)) {
      RelayFixture.await(() -> scene.isDone() && scene.failed());
      assertThat(fixture.count(old, fixture.number)).isEqualTo(1);
    }
    try (Scene scene = new Scene(all, true)) {
      RelayFixture.await(() -> fixture.count(old, fixture.number) == 0);
      RelayFixture.await(scene::isDone);
      assertThat(scene.failed()).isFalse();
    }
  }

  @Test
  void eachOfThem_isNeeded() {
    List<String> all = all();
    List<Thread> closing = new ArrayList<>();
    for (int from = 0; from < all.size(); from += AT_ONCE) {
      List<Scene> scenes = new ArrayList<>();
      List<String> missing = all.subList(from, Math.min(all.size(), from + AT_ONCE));
      try {
        for (String one : missing) {
          scenes.add(new Scene(all.stream().filter(grant -> !grant.equals(one)).toList(), true));
        }
        for (int i = 0; i < scenes.size(); i++) {
          Scene scene = scenes.get(i);
          if (missing.get(i).equals("delete on pgbelay.outbox_relay")) {
            // Needed to retire others and at the end.
            RelayFixture.await(() -> scene.failed() || scene.isDone());
          } else {
            RelayFixture.await(() -> scene.failed() || isSettled(scene));
          }
          assertThat(scene.failed()).as("without %s", missing.get(i)).isTrue();
        }
      } finally {
        // Each waits for what it cannot write.
        scenes.forEach(scene -> closing.add(new Thread(scene::close)));
        closing.subList(closing.size() - scenes.size(), closing.size()).forEach(Thread::start);
      }
    }
    RelayFixture.await(() -> closing.stream().noneMatch(Thread::isAlive));
  }

  /** Nothing more can fail. */
  private static boolean isSettled(Scene scene) {
    return scene.isDone()
        && scene.fixture.count(
                "select count(*) from pgbelay.outbox_destination where id = ?"
                    + " and retention_days is not null",
                scene.fixture.number)
            == 1;
  }

  @Test
  void replay_needsWhatTheGuideSays() {
    List<String> replaying =
        List.of(
            "select on pgbelay.outbox_destination",
            "select on pgbelay.outbox_published",
            "insert on pgbelay.outbox_message");
    RelayFixture fixture = new RelayFixture(postgres, relays);
    Published all = Published.to(fixture.destination).withIds(0, Long.MAX_VALUE);
    fixture.dsl.execute(
        "insert into pgbelay.outbox_published (id, appended_at, published_at, published_day,"
            + " destination, lane, replay, message_id, topic, payload)"
            + " select 1, now(), now(), extract(epoch from now()) / 86400, ?, 0, false, 'm', 't', ''",
        fixture.number);
    try (HikariDataSource pool =
        RelayFixture.pool(postgres.jdbcUrl(), 1, role(fixture, replaying))) {
      assertThat(Replay.of(Transactions.of(pool)).replay(all)).isEqualTo(1);
    }
    for (String one : replaying) {
      List<String> without = replaying.stream().filter(grant -> !grant.equals(one)).toList();
      try (HikariDataSource pool =
          RelayFixture.pool(postgres.jdbcUrl(), 1, role(fixture, without))) {
        assertThatThrownBy(() -> Replay.of(Transactions.of(pool)).replay(all))
            .as("without %s", one)
            .hasStackTraceContaining("permission denied");
      }
    }
  }
}
