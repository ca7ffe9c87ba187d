package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What acknowledgements and holds write, where it is hard to write the right thing. */
class RelayWritesPostgresTest {
  private static final TxOptions OPTIONS = TxOptions.defaults();
  private static final RetryPauses SHORT =
      RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(20));
  private static final int LANE = KeyPlace.lane("k");

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final RelaySql relaySql = new RelaySql("pgbelay");

  /** A relay that has all lanes, as the tables say. */
  private LaneClaim claim() throws SQLException {
    Claimant claimant = Claimant.random();
    Fence fence = claimant.next();
    LaneSql laneSql = new LaneSql("pgbelay");
    fixture.transactions.execute(
        tx -> {
          relaySql.register(
              tx.connection(),
              claimant.id(),
              "here",
              Duration.ofMinutes(1),
              new Short[] {fixture.number});
          laneSql.make(tx.connection(), fixture.number);
          assertThat(laneSql.take(tx.connection(), fence, fixture.number, 32)).hasSize(32);
        });
    return new LaneClaim(LANE, fence);
  }

  private static LaneMessage message(LaneClaim claim, long id, @Nullable String at) {
    return new LaneMessage(
        claim,
        id,
        at,
        new LaneMessage.Content("x", "t", "k", null, Map.of(), 0, false),
        new byte[0]);
  }

  private String place(long id) {
    return String.valueOf(
        fixture.dsl.fetchValue(
            "select ctid::text from pgbelay.outbox_message where destination = ? and id = ?",
            fixture.number,
            id));
  }

  private AckSql.Acked acknowledge(LaneMessage message) throws SQLException {
    return new AckSql("pgbelay")
        .acknowledge(fixture.transactions, OPTIONS, fixture.number, false, List.of(message));
  }

  private int waiting() {
    return fixture.count(
        "select count(distinct pid) from pg_locks where not granted"
            + " and pid in (select pid from pg_stat_activity where datname = current_database())");
  }

  private CompletableFuture<Void> retire(LaneClaim claim) {
    return CompletableFuture.runAsync(
        () -> {
          try {
            fixture.transactions.execute(
                tx -> relaySql.remove(tx.connection(), claim.fence.claimant()));
          } catch (SQLException e) {
            throw new IllegalStateException(e);
          }
        },
        RelayWritesPostgresTest::inAThreadOfItsOwn);
  }

  /** The common pool may have a single one, and both that are started here wait. */
  private static void inAThreadOfItsOwn(Runnable task) {
    new Thread(task).start();
  }

  /** Without statistics the planner takes the index for cheaper: every id in every lane. */
  @Test
  void messagesWhosePlaceIsKnown_areNotLookedUpByTheIndex() throws Exception {
    LaneClaim claim = claim();
    List<LaneMessage> all = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      long id = fixture.append("k", "x");
      all.add(message(claim, id, place(id)));
    }
    AckSql sql = new AckSql("pgbelay");
    try (Connection connection = postgres.dataSource().getConnection()) {
      assertThat(sql.explain(connection, fixture.number, all))
          .containsPattern("(Tid|Seq) Scan on outbox_message")
          .doesNotContain("outbox_message_pkey");
    }
    AckSql.Acked acked = sql.acknowledge(fixture.transactions, OPTIONS, fixture.number, false, all);
    assertThat(acked.gone()).isEqualTo(300);
  }

  /** Where a message lay, another one may lie by now. */
  @Test
  void placeThatIsAnothersByNow_isNotDeleted() throws Exception {
    LaneClaim claim = claim();
    long gone = fixture.append("k", "gone");
    String place = place(gone);
    fixture.dsl.execute("delete from pgbelay.outbox_message where id = ?", gone);
    long other = gone;
    for (int i = 0; i < 20 && !place(other).equals(place); i++) {
      fixture.dsl.execute("vacuum pgbelay.outbox_message");
      other = fixture.append("k", "other");
    }
    assertThat(place(other)).as("the place is used again").isEqualTo(place);
    int before = fixture.messages();
    AckSql.Acked acked = acknowledge(message(claim, gone, place));
    assertThat(acked.alive()).isTrue();
    assertThat(acked.gone()).isZero();
    assertThat(fixture.messages()).isEqualTo(before);
  }

  @Test
  void rowThatLiesElsewhereByNow_isDeletedByItsId() throws Exception {
    LaneClaim claim = claim();
    long first = fixture.append("k", "first");
    long second = fixture.append("k", "second");
    String place = place(second);
    fixture.dsl.execute("delete from pgbelay.outbox_message where id = ?", first);
    fixture.dsl.execute("vacuum full pgbelay.outbox_message");
    assertThat(place(second)).as("it was moved").isNotEqualTo(place);
    AckSql.Acked acked = acknowledge(message(claim, second, place));
    assertThat(acked.gone()).isEqualTo(1);
    assertThat(fixture.messages()).isZero();
  }

  /** Else another would have the lanes, and deliver, while this still deletes. */
  @Test
  void retirement_waitsForAnAcknowledgementUnderWay() throws Exception {
    LaneClaim claim = claim();
    long id = fixture.append("k", "x");
    try (Connection locker = postgres.dataSource().getConnection()) {
      locker.setAutoCommit(false);
      locker
          .createStatement()
          .execute("select from pgbelay.outbox_message where id = " + id + " for update");
      CompletableFuture<AckSql.Acked> acked =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return acknowledge(message(claim, id, null));
                } catch (SQLException e) {
                  throw new IllegalStateException(e);
                }
              },
              RelayWritesPostgresTest::inAThreadOfItsOwn);
      RelayFixture.await(() -> waiting() == 1);
      CompletableFuture<Void> retired = retire(claim);
      RelayFixture.await(() -> waiting() == 2 || retired.isDone());
      assertThat(retired).as("the retirement").isNotDone();
      locker.commit();
      assertThat(acked.get(60, TimeUnit.SECONDS).gone()).isEqualTo(1);
      retired.get(60, TimeUnit.SECONDS);
    }
  }

  @Test
  void retirement_waitsForHoldsUnderWay() throws Exception {
    LaneClaim claim = claim();
    HoldSql sql = new HoldSql("pgbelay");
    try (Connection holding = postgres.dataSource().getConnection()) {
      holding.setAutoCommit(false);
      assertThat(sql.fence(holding, fixture.number, Set.of(claim))).isTrue();
      CompletableFuture<Void> retired = retire(claim);
      RelayFixture.await(() -> waiting() == 1 || retired.isDone());
      assertThat(retired).as("the retirement").isNotDone();
      holding.commit();
      retired.get(60, TimeUnit.SECONDS);
    }
  }

  /** It learns so by the fence alone: nothing else has told it. */
  @Test
  void failureOfARelayThatWasGivenUp_holdsNothingAndCountsNoAttempt() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    fixture.append("k", "x");
    fixture.append("k", "behind");
    List<Integer> attempts = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch stuck = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    AtomicBoolean once = new AtomicBoolean();
    Collected collected =
        new Collected()
            .answering(
                message -> {
                  attempts.add(message.attempt());
                  if (once.compareAndSet(false, true)) {
                    stuck.countDown();
                    goOn.await();
                    return Delivery.failed("too late");
                  }
                  return Delivery.delivered();
                });
    fixture.start(
        fixture
            .relay(
                Destination.of(fixture.destination, collected)
                    .withConcurrency(1)
                    .withRetries(
                        10, RetryPauses.exponential(Duration.ofHours(1), Duration.ofHours(1))))
            .lease(Duration.ofHours(1))
            .pollInterval(Duration.ofSeconds(1))
            .meterRegistry(registry));
    assertThat(stuck.await(60, TimeUnit.SECONDS)).isTrue();
    fixture.dsl.execute(
        "delete from pgbelay.outbox_relay where ? = any (destinations)", fixture.number);
    goOn.countDown();
    RelayFixture.await(() -> registry.get("pgbelay.outbox.relay.lost").counter().count() == 1);
    RelayFixture.await(fixture::isEmpty);
    assertThat(attempts).containsExactly(1, 1, 1);
    assertThat(collected.texts("k")).containsExactly("x", "behind");
  }

  @Test
  void relayThatTakesLanesOver_doesNotDeliverBehindAHeldMessage() {
    AtomicBoolean refusing = new AtomicBoolean(true);
    Collected collected =
        new Collected(5)
            .answering(
                message ->
                    refusing.get() && Collected.text(message).equals("poison")
                        ? Delivery.rejected("no")
                        : Delivery.delivered());
    Destination to =
        Destination.of(fixture.destination, collected).withPoisonPolicy(PoisonPolicy.PARK_KEY);
    fixture.append("k", "poison");
    OutboxRelay first = fixture.start(to);
    RelayFixture.await(() -> fixture.parkedKeys() == 1);
    assertThat(first.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    fixture.append("k", "behind");
    fixture.append("free", "free");
    fixture.start(to);
    RelayFixture.await(() -> fixture.held() == 2 && collected.count() == 1);
    assertThat(collected.texts("k")).isEmpty();
    refusing.set(false);
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set next_at = clock_timestamp() where destination = ?",
        fixture.number);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("k")).containsExactly("poison", "behind");
  }

  @Test
  void shorterAsk_doesNotShortenThePause() {
    fixture.append("k", "x");
    Collected collected =
        new Collected().answering(message -> Delivery.failed("soon", Duration.ofMillis(1)));
    fixture.start(
        Destination.of(fixture.destination, collected)
            .withRetries(10, RetryPauses.exponential(Duration.ofHours(1), Duration.ofHours(1))));
    RelayFixture.await(() -> fixture.heldKeys() == 1);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_held_key where destination = ?"
                    + " and next_at > now() + interval '40 minutes'",
                fixture.number))
        .isEqualTo(1);
  }

  /** The policy's pause after the last attempt is the longest, and an ask for more is kept too. */
  @Test
  void blockedKey_waitsForTheLongestPause() {
    fixture.append("k", "x");
    AtomicInteger calls = new AtomicInteger();
    Collected collected =
        new Collected()
            .answering(
                message -> {
                  calls.incrementAndGet();
                  return Delivery.failed("no");
                });
    fixture.start(
        Destination.of(fixture.destination, collected)
            .withPoisonPolicy(PoisonPolicy.BLOCK_KEY)
            .withRetries(2, RetryPauses.exponential(Duration.ofMillis(10), Duration.ofHours(2))));
    RelayFixture.await(
        () ->
            fixture.count(
                    "select count(*) from pgbelay.outbox_held_key where destination = ?"
                        + " and attempts = 2 and next_at > now() + interval '80 minutes'",
                    fixture.number)
                == 1);
    assertThat(calls).hasValue(2);
  }

  /** Each begins with its own attempts, whatever those before it have needed. */
  @Test
  void messagesBehindOneThatFailed_areAtTheirFirstAttempt() {
    Map<String, List<Integer>> attempts = new java.util.concurrent.ConcurrentHashMap<>();
    for (int i = 0; i < 4; i++) {
      fixture.append("k", Integer.toString(i));
    }
    Collected collected =
        new Collected(3)
            .answering(
                message -> {
                  String text = Collected.text(message);
                  attempts
                      .computeIfAbsent(
                          text, first -> Collections.synchronizedList(new ArrayList<>()))
                      .add(message.attempt());
                  return Integer.parseInt(text) % 2 == 0 && message.attempt() <= 2
                      ? Delivery.failed("not yet")
                      : Delivery.delivered();
                });
    fixture.start(Destination.of(fixture.destination, collected).withRetries(10, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("k")).containsExactly("0", "1", "2", "3");
    assertThat(attempts)
        .containsEntry("0", List.of(1, 2, 3))
        .containsEntry("1", List.of(1))
        .containsEntry("2", List.of(1, 2, 3))
        .containsEntry("3", List.of(1));
  }

  /** Through no fault of their own: those of other keys are not judged by one that failed. */
  @Test
  void messagesThatWereHeldBack_areGivenAgainAndNotJudged() {
    for (int i = 0; i < 5; i++) {
      fixture.append("k" + i, "0");
      fixture.append("k" + i, "1");
      fixture.append(null, "unkeyed");
    }
    Map<String, Integer> attempts = new java.util.concurrent.ConcurrentHashMap<>();
    Collected delivered = new Collected();
    AtomicBoolean once = new AtomicBoolean();
    MessagePublisher publisher =
        new MessagePublisher() {
          @Override
          public int batchSize() {
            return 100;
          }

          /** The first one of the first call is refused; nothing of that call is sent. */
          @Override
          public List<Delivery> publish(List<Message> messages) throws InterruptedException {
            boolean refuse = messages.size() > 3 && once.compareAndSet(false, true);
            List<Delivery> results = new ArrayList<>();
            for (Message message : messages) {
              attempts.merge(message.messageId(), message.attempt(), Math::max);
              if (!refuse) {
                results.addAll(delivered.publish(List.of(message)));
              } else {
                results.add(
                    results.isEmpty()
                        ? Delivery.rejected("no")
                        : Delivery.heldBack("one was refused"));
              }
            }
            return results;
          }
        };
    fixture.start(
        Destination.of(fixture.destination, publisher)
            .withConcurrency(1)
            .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
            .withRetries(1, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(once).isTrue();
    assertThat(fixture.dead()).isEqualTo(1);
    assertThat(delivered.count()).isEqualTo(14);
    assertThat(attempts.values()).containsOnly(1);
    delivered.assertOrdered();
  }
}
