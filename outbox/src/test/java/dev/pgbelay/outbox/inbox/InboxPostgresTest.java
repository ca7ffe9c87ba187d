package dev.pgbelay.outbox.inbox;

import static dev.pgbelay.outbox.inbox.InboxFixture.CONSUMER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionAbortedException;
import dev.pgbelay.outbox.inbox.Inbox.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InboxPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(InboxFixture.SCHEMA);

  private final InboxFixture fixture = new InboxFixture(postgres.dataSource());

  @Test
  void messageThatComesAgain_hasItsEffectOnce() {
    for (String id :
        List.of(fixture.bornDaysAgo(1), fixture.bornDaysAgo(6), fixture.bornDaysAgo(99), "a-1")) {
      assertThat(fixture.process(id)).as(id).isEqualTo(Outcome.PROCESSED);
      assertThat(fixture.process(id)).as(id).isEqualTo(Outcome.DUPLICATE);
      assertThat(fixture.effects(id)).as(id).isEqualTo(1);
    }
  }

  @Test
  void ids_areMarkedByTheirDayWhereTheySayIt() {
    String fresh = fixture.bornDaysAgo(1);
    String late = fixture.bornDaysAgo(6);
    String ancient = fixture.bornDaysAgo(99);
    String random = UUID.randomUUID().toString();
    String upper = fixture.bornDaysAgo(1).toUpperCase(Locale.ROOT);
    for (String id : List.of(fresh, late, ancient, random, upper)) {
      fixture.process(id);
    }
    assertThat(Stream.of(fresh, late, ancient, random, upper).map(fixture::datedMarks))
        .containsExactly(1, 1, 0, 0, 0);
    assertThat(Stream.of(fresh, late, ancient, random, upper).map(fixture::otherMarks))
        .containsExactly(0, 1, 1, 1, 1);
  }

  @Test
  void consumers_processTheSameMessageEachOnce() {
    String id = fixture.bornDaysAgo(0);
    assertThat(fixture.process(id)).isEqualTo(Outcome.PROCESSED);
    for (Outcome expected : Outcome.values()) {
      Outcome outcome =
          fixture.transactions.run(
              tx ->
                  fixture.inbox.process(tx, id, "mailing", same -> InboxFixture.effect(same, id)));
      assertThat(outcome).isEqualTo(expected);
    }
    assertThat(fixture.effects(id)).isEqualTo(2);
  }

  @Test
  void workThatThrows_leavesTheMessageUnprocessed() {
    String id = fixture.bornDaysAgo(0);
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      fixture.inbox.process(
                          tx,
                          id,
                          CONSUMER,
                          same -> {
                            InboxFixture.effect(same, id);
                            throw new IOException("the work's own");
                          });
                    }))
        .isExactlyInstanceOf(IOException.class)
        .hasMessage("the work's own");
    assertThat(fixture.effects(id)).isZero();
    assertThat(fixture.process(id)).isEqualTo(Outcome.PROCESSED);
  }

  @Test
  void callerThatSwallowsTheFailureOfTheWork_cannotCommitHalfOfIt() {
    String id = fixture.bornDaysAgo(0);
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      try {
                        fixture.inbox.process(
                            tx,
                            id,
                            CONSUMER,
                            same -> {
                              InboxFixture.effect(same, id);
                              throw new IllegalStateException("half way");
                            });
                      } catch (IllegalStateException swallowed) {
                        // On purpose.
                      }
                    }))
        .isInstanceOf(TransactionAbortedException.class);
    assertThat(fixture.effects(id)).isZero();
    assertThat(fixture.process(id)).isEqualTo(Outcome.PROCESSED);
  }

  @Test
  void callerThatRollsBackToASavepoint_hasNeitherMarkNorEffect() throws Exception {
    String id = fixture.bornDaysAgo(0);
    fixture.transactions.execute(
        tx -> {
          Savepoint before = tx.connection().setSavepoint();
          assertThat(fixture.process(tx, id)).isEqualTo(Outcome.PROCESSED);
          tx.connection().rollback(before);
          assertThat(fixture.process(tx, id)).isEqualTo(Outcome.PROCESSED);
          assertThat(fixture.process(tx, id)).isEqualTo(Outcome.DUPLICATE);
        });
    assertThat(fixture.effects(id)).isEqualTo(1);
  }

  @Test
  void batch_processesWhatIsNewInItsOrderAndOnce() {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      ids.add(
          switch (i % 4) {
            case 0 -> fixture.bornDaysAgo(i % 3);
            case 1 -> fixture.bornDaysAgo(6);
            case 2 -> fixture.bornDaysAgo(99);
            default -> "any-" + UUID.randomUUID();
          });
    }
    List<String> before =
        IntStream.range(0, 300).filter(i -> i % 7 == 0).mapToObj(ids::get).toList();
    before.forEach(fixture::process);
    List<String> given = new ArrayList<>(ids);
    given.addAll(ids.subList(50, 60));
    List<String> worked = new ArrayList<>();
    List<Outcome> outcomes =
        fixture.transactions.run(
            tx ->
                fixture.inbox.processAll(
                    tx,
                    CONSUMER,
                    given,
                    Function.identity(),
                    (same, first) -> worked.addAll(first)));
    List<String> expected = ids.stream().filter(id -> !before.contains(id)).toList();
    assertThat(worked).isEqualTo(expected);
    assertThat(outcomes).hasSize(310);
    for (int i = 0; i < 310; i++) {
      assertThat(outcomes.get(i))
          .isEqualTo(i < 300 && i % 7 != 0 ? Outcome.PROCESSED : Outcome.DUPLICATE);
    }
  }

  @Test
  void batchWithNothingNew_doesNotCallTheWork() {
    String id = fixture.bornDaysAgo(0);
    fixture.process(id);
    List<Outcome> outcomes =
        fixture.transactions.run(
            tx ->
                fixture.inbox.processAll(
                    tx,
                    CONSUMER,
                    List.of(id, id),
                    Function.identity(),
                    (same, first) -> {
                      throw new AssertionError("called");
                    }));
    assertThat(outcomes).containsExactly(Outcome.DUPLICATE, Outcome.DUPLICATE);
    List<Outcome> ofNone =
        fixture.transactions.run(
            tx ->
                fixture.inbox.processAll(
                    tx, CONSUMER, List.<String>of(), Function.identity(), (same, f) -> {}));
    assertThat(ofNone).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a\0b", "half \ud800"})
  void idThatIsUnfit_isRefusedBeforeAnythingIsWritten(String id) {
    assertThatThrownBy(() -> fixture.process(id))
        .isExactlyInstanceOf(PgBelayException.class)
        .hasMessageContaining("message id");
  }

  @Test
  void idOfTheGreatestLength_isTakenAndOneMoreIsNot() {
    assertThat(fixture.process("ü".repeat(255))).isEqualTo(Outcome.PROCESSED);
    assertThat(fixture.process("ü".repeat(255))).isEqualTo(Outcome.DUPLICATE);
    assertThatThrownBy(() -> fixture.process("x".repeat(256)))
        .hasMessageContaining("1 to 255 characters, has 256");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "A", "1a", "a b", "a;drop"})
  void consumerNameThatIsUnfit_isRefused(String consumer) {
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      fixture.inbox.process(tx, "x", consumer, same -> {});
                    }))
        .hasMessageContaining("the consumer is \"" + consumer + "\"");
  }

  @Test
  void retentionOutOfRange_isRefused() {
    for (Duration unfit :
        List.of(Duration.ZERO, Duration.ofDays(22), Duration.ofHours(23), Duration.ofHours(36))) {
      assertThatThrownBy(() -> Inbox.builder().retention(unfit).build())
          .isExactlyInstanceOf(PgBelayException.class)
          .hasMessageContaining("retention must be");
    }
  }

  @Test
  void missingTables_areNamedWithTheRemedy() {
    Inbox elsewhere = Inbox.builder().schema("public").build();
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      elsewhere.process(tx, "x", CONSUMER, same -> {});
                    }))
        .hasMessageContaining("SchemaInstaller, module \"outbox\"");
    assertThatThrownBy(() -> elsewhere.retention(fixture.transactions).emptyDays())
        .hasMessageContaining("SchemaInstaller, module \"outbox\"");
  }

  @Test
  void meters_countWhatWasDone() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    Inbox counted = Inbox.builder().meterRegistry(registry).build();
    String id = fixture.bornDaysAgo(0);
    for (int i = 0; i < 3; i++) {
      fixture.transactions.run(tx -> counted.process(tx, id, CONSUMER, same -> {}));
    }
    assertThatThrownBy(
        () ->
            fixture.transactions.execute(
                tx -> {
                  counted.process(
                      tx,
                      "other",
                      CONSUMER,
                      same -> {
                        throw new IllegalStateException();
                      });
                }));
    counted.retention(fixture.transactions).emptyDays();
    assertThat(count(registry, "processed")).isEqualTo(1);
    assertThat(count(registry, "duplicate")).isEqualTo(2);
    assertThat(count(registry, "failed")).isEqualTo(1);
    assertThat(registry.get("pgbelay.outbox.inbox.emptied").counter().count()).isZero();
  }

  private static double count(SimpleMeterRegistry registry, String outcome) {
    return registry
        .get("pgbelay.outbox.inbox.messages")
        .tags("consumer", CONSUMER, "outcome", outcome)
        .counter()
        .count();
  }
}
