package dev.pgbelay.outbox.inbox;

import static dev.pgbelay.outbox.inbox.InboxFixture.CONSUMER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxOptions.Isolation;
import dev.pgbelay.outbox.inbox.Inbox.Outcome;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Two transactions with the same message, in each order that matters. */
class InboxSchedulesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(InboxFixture.SCHEMA);

  private final InboxFixture fixture = new InboxFixture(postgres.dataSource());

  /** Of each age class one: dated mark, both, the other kind; and an id without a day. */
  static Stream<Arguments> isolationsAndAges() {
    return Stream.of(
            Connection.TRANSACTION_READ_COMMITTED,
            Connection.TRANSACTION_REPEATABLE_READ,
            Connection.TRANSACTION_SERIALIZABLE)
        .flatMap(isolation -> Stream.of(1, 6, 99, -1).map(age -> Arguments.of(isolation, age)));
  }

  private String idOf(int age) {
    return age < 0 ? "any-" + System.nanoTime() : fixture.bornDaysAgo(age);
  }

  private Outcome process(Connection connection, int isolation, String id) throws Exception {
    if (connection.getTransactionIsolation() != isolation) {
      connection.setTransactionIsolation(isolation);
    }
    return fixture.process(Tx.join(connection), id);
  }

  @ParameterizedTest
  @MethodSource("isolationsAndAges")
  void secondOfTwoAtOnce_waitsForTheFirstAndIsADuplicateIfThatCommits(int isolation, int age)
      throws Exception {
    String id = idOf(age);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      assertThat(a.start("first", c -> process(c, isolation, id)).get())
          .isEqualTo(Outcome.PROCESSED);
      Interleaving.Step<Outcome> second = b.start("second", c -> process(c, isolation, id));
      second.awaitBlockedBy(a);
      a.commit();
      if (isolation == Connection.TRANSACTION_READ_COMMITTED) {
        assertThat(second.get()).isEqualTo(Outcome.DUPLICATE);
        b.commit();
      } else {
        assertThatThrownBy(second::get)
            .satisfies(
                e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
        b.rollback();
        assertThat(b.start("again", c -> process(c, isolation, id)).get())
            .isEqualTo(Outcome.DUPLICATE);
        b.commit();
      }
    }
    assertThat(fixture.effects(id)).isEqualTo(1);
  }

  @ParameterizedTest
  @MethodSource("isolationsAndAges")
  void secondOfTwoAtOnce_processesTheMessageIfTheFirstIsRolledBack(int isolation, int age)
      throws Exception {
    String id = idOf(age);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      assertThat(a.start("first", c -> process(c, isolation, id)).get())
          .isEqualTo(Outcome.PROCESSED);
      Interleaving.Step<Outcome> second = b.start("second", c -> process(c, isolation, id));
      second.awaitBlockedBy(a);
      a.rollback();
      assertThat(second.get()).isEqualTo(Outcome.PROCESSED);
      b.commit();
    }
    assertThat(fixture.effects(id)).isEqualTo(1);
    assertThat(fixture.process(id)).isEqualTo(Outcome.DUPLICATE);
  }

  @ParameterizedTest
  @MethodSource("isolationsAndAges")
  void snapshotThatIsOlderThanTheFirstOne_givesNoSecondEffect(int isolation, int age)
      throws Exception {
    String id = idOf(age);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session b = script.session("b");
      b.run(
          c -> {
            c.setTransactionIsolation(isolation);
            c.createStatement().execute("select count(*) from effect");
          });
      assertThat(fixture.process(id)).isEqualTo(Outcome.PROCESSED);
      Interleaving.Step<Outcome> second = b.start("second", c -> process(c, isolation, id));
      if (isolation == Connection.TRANSACTION_READ_COMMITTED) {
        assertThat(second.get()).isEqualTo(Outcome.DUPLICATE);
      } else {
        assertThatThrownBy(second::get)
            .satisfies(
                e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
      }
      b.rollback();
    }
    assertThat(fixture.effects(id)).isEqualTo(1);
  }

  /** Whoever comes second waits at the first mark that they share, not in the middle of its own. */
  @ParameterizedTest
  @ValueSource(ints = {1, 99})
  void batchThatWaitsInItsMiddle_isWaitedForByTheOtherOrder(int age) throws Exception {
    List<String> ids = new ArrayList<>(List.of(idOf(age), idOf(age), idOf(age)));
    Collections.sort(ids);
    List<String> reversed = new ArrayList<>(ids);
    Collections.reverse(reversed);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session a = script.session("a");
      Interleaving.Session b = script.session("b");
      assertThat(holder.start("middle", c -> all(c, List.of(ids.get(1)))).get())
          .containsOnly(Outcome.PROCESSED);
      Interleaving.Step<List<Outcome>> one = a.start("one way", c -> all(c, ids));
      one.awaitBlockedBy(holder);
      Interleaving.Step<List<Outcome>> other = b.start("the other", c -> all(c, reversed));
      other.awaitBlockedBy(a);
      holder.rollback();
      assertThat(one.get()).containsOnly(Outcome.PROCESSED);
      a.commit();
      assertThat(other.get()).containsOnly(Outcome.DUPLICATE);
      b.commit();
    }
  }

  @Test
  void batchesWithTheSameMessagesInOppositeOrders_waitAndDoNotDeadlock() throws Exception {
    for (int round = 0; round < 5; round++) {
      List<String> ids = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        ids.add(idOf(List.of(1, 6, 99, -1).get(i % 4)) + (i % 4 == 3 ? "-" + i : ""));
      }
      List<String> reversed = new ArrayList<>(ids);
      Collections.reverse(reversed);
      try (Interleaving script = Interleaving.of(postgres.dataSource())) {
        Interleaving.Session a = script.session("a");
        Interleaving.Session b = script.session("b");
        assertThat(a.start("one way", c -> all(c, ids)).get()).containsOnly(Outcome.PROCESSED);
        Interleaving.Step<List<Outcome>> other = b.start("the other", c -> all(c, reversed));
        other.awaitBlockedBy(a);
        a.commit();
        assertThat(other.get()).containsOnly(Outcome.DUPLICATE);
        b.commit();
      }
      assertThat(ids).allMatch(id -> fixture.effects(id) == 1);
    }
  }

  private List<Outcome> all(Connection connection, List<String> ids) {
    return fixture.inbox.processAll(
        Tx.join(connection),
        CONSUMER,
        ids,
        Function.identity(),
        (same, first) -> first.forEach(id -> InboxFixture.effect(same, id)));
  }

  @ParameterizedTest
  @MethodSource("isolationsAndAges")
  void manyAtOnce_haveOneEffectForEachMessage(int isolation, int age) throws Exception {
    List<String> ids = Stream.generate(() -> idOf(age)).limit(20).toList();
    Isolation level =
        switch (isolation) {
          case Connection.TRANSACTION_READ_COMMITTED -> Isolation.READ_COMMITTED;
          case Connection.TRANSACTION_REPEATABLE_READ -> Isolation.REPEATABLE_READ;
          default -> Isolation.SERIALIZABLE;
        };
    TxOptions options =
        TxOptions.builder()
            .isolation(level)
            .retry(
                new TxOptions.Retry(
                    100,
                    Duration.ofMinutes(2),
                    Duration.ofMillis(1),
                    Duration.ofMillis(50),
                    TxOptions.Retry.defaults().kinds()))
            .build();
    AtomicInteger processed = new AtomicInteger();
    CyclicBarrier start = new CyclicBarrier(4);
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Future<?>> ends = new ArrayList<>();
      for (int thread = 0; thread < 4; thread++) {
        ends.add(
            threads.submit(
                () -> {
                  start.await(60, TimeUnit.SECONDS);
                  for (String id : ids) {
                    if (fixture.transactions.run(options, tx -> fixture.process(tx, id))
                        == Outcome.PROCESSED) {
                      processed.incrementAndGet();
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> end : ends) {
        end.get(2, TimeUnit.MINUTES);
      }
    } finally {
      threads.shutdownNow();
    }
    assertThat(processed).hasValue(20);
    assertThat(ids).allMatch(id -> fixture.effects(id) == 1);
  }
}
