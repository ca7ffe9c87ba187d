package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionAbortedException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What one call after another gets. */
class OperationPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(KeyFixture.SCHEMA);

  private final KeyFixture fixture = new KeyFixture(postgres.dataSource());
  private final Operation<String, String> operation = fixture.operation;
  private final IdempotencyKey key = fixture.freshKey();

  private Answer<String> place(IdempotencyKey under, String request) {
    return operation.execute(under, request, tx -> KeyFixture.place(tx, under));
  }

  @Test
  void secondCall_isAnsweredWithTheStoredResponseAndRunsNothing() {
    Answer<String> first = place(key, "two apples");
    Answer<String> second = place(key, "two apples");
    assertThat(first).isEqualTo(Answer.executed("placed " + key.key()));
    assertThat(second).isEqualTo(Answer.replayed("placed " + key.key()));
    assertThat(operation.find(key)).contains(second);
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  @Test
  void anotherRequestUnderTheKey_isAMismatchAndRunsNothing() {
    place(key, "two apples");
    assertThat(place(key, "three apples").outcome()).isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  @Test
  void sameKeyOfTwoTenants_areTwoKeys() {
    IdempotencyKey other = operation.key("other", key.key());
    place(key, "two apples");
    assertThat(place(other, "three apples").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(fixture.placed(key)).isEqualTo(2);
  }

  @Test
  void workThatThrows_leavesNothingAndTheKeyFree() {
    for (Throwable failure : List.of(new IOException("no"), new AssertionError("no"))) {
      assertThatThrownBy(
              () ->
                  operation.execute(
                      key,
                      "two apples",
                      tx -> {
                        KeyFixture.place(tx, key);
                        if (failure instanceof Error error) {
                          throw error;
                        }
                        throw (IOException) failure;
                      }))
          .isSameAs(failure);
      assertThat(fixture.placed(key)).isZero();
      assertThat(operation.find(key)).isEmpty();
    }
    assertThat(place(key, "three apples").outcome()).isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void interruptedWork_leavesNothingAndTheKeyFree() {
    assertThatThrownBy(
            () ->
                operation.execute(
                    key,
                    "two apples",
                    tx -> {
                      KeyFixture.place(tx, key);
                      throw new InterruptedException();
                    }))
        .isInstanceOf(InterruptedException.class);
    assertThat(fixture.placed(key)).isZero();
    assertThat(place(key, "two apples").outcome()).isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void refusalThatIsAnAnswer_isStored() {
    AtomicInteger runs = new AtomicInteger();
    for (int i = 0; i < 3; i++) {
      Answer<String> answer =
          operation.execute(key, "too many apples", tx -> "declined " + runs.incrementAndGet());
      assertThat(answer.response()).contains("declined 1");
    }
    assertThat(runs).hasValue(1);
  }

  @Test
  void serializationFailure_runsTheWorkAgainAndKeepsOneEffect() {
    Operation<String, String> serializable =
        KeyFixture.operation(fixture.idempotency)
            .options(TxOptions.builder().isolation(TxOptions.Isolation.SERIALIZABLE).build())
            .build();
    IdempotencyKey own = serializable.key("acme", key.key());
    AtomicInteger runs = new AtomicInteger();
    Answer<String> answer =
        serializable.execute(
            own,
            "two apples",
            tx -> {
              String placed = KeyFixture.place(tx, own);
              if (runs.incrementAndGet() == 1) {
                tx.dsl()
                    .execute("do $$ begin raise exception 'no' using errcode = '40001'; end $$");
              }
              return placed;
            });
    assertThat(answer.outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(runs).hasValue(2);
    assertThat(fixture.placed(own)).isEqualTo(1);
  }

  @Test
  void requestThatTheWorkChanges_isComparedAsItArrived() {
    Operation<List<String>, String> lists =
        fixture
            .idempotency
            .operation(
                KeyFixture.freshName(),
                (List<String> list) -> KeyFixture.fingerprint(String.join(",", list)),
                Codec.text())
            .build();
    IdempotencyKey own = lists.key("acme", "k");
    List<String> request = new ArrayList<>(List.of("apple"));
    lists.execute(
        own,
        request,
        tx -> {
          request.add("pear");
          return "done";
        });
    assertThat(lists.execute(own, List.of("apple"), tx -> "again").outcome())
        .isEqualTo(Outcome.REPLAYED);
    assertThat(lists.execute(own, request, tx -> "again").outcome())
        .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
  }

  @Test
  void insideTheCallersTransaction_workAndResponseCommitWithIt() {
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      operation.execute(tx, key, "two apples", t -> KeyFixture.place(t, key));
                      throw new IllegalStateException("the caller changed his mind");
                    }))
        .hasMessage("the caller changed his mind");
    assertThat(fixture.placed(key)).isZero();
    assertThat(operation.find(key)).isEmpty();

    Answer<String> answer =
        fixture.transactions.run(
            tx -> operation.execute(tx, key, "two apples", t -> KeyFixture.place(t, key)));
    assertThat(answer.outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(place(key, "two apples").outcome()).isEqualTo(Outcome.REPLAYED);
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  @Test
  void twiceInOneTransaction_isAnsweredWithTheFirstResponse() {
    fixture.transactions.execute(
        tx -> {
          operation.execute(tx, key, "two apples", t -> KeyFixture.place(t, key));
          assertThat(operation.execute(tx, key, "two apples", t -> "again").outcome())
              .isEqualTo(Outcome.REPLAYED);
        });
  }

  @Test
  void swallowedFailureOfTheWork_cannotBeCommittedByTheCaller() {
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      try {
                        operation.execute(
                            tx,
                            key,
                            "two apples",
                            t -> {
                              KeyFixture.place(t, key);
                              throw new IOException("half way");
                            });
                      } catch (IOException swallowed) {
                        // as careless callers do
                      }
                    }))
        .isInstanceOf(TransactionAbortedException.class);
    assertThat(fixture.placed(key)).isZero();
  }

  @Test
  void failureUnderASavepoint_leavesTheCallersOtherWork() {
    fixture.transactions.execute(
        tx -> {
          KeyFixture.place(tx, key);
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              inner ->
                                  operation.execute(
                                      Tx.join(inner.dsl()),
                                      key,
                                      "two apples",
                                      t -> {
                                        KeyFixture.place(t, key);
                                        throw new IOException("half way");
                                      })))
              .hasRootCauseInstanceOf(IOException.class);
        });
    assertThat(fixture.placed(key)).isEqualTo(1);
    assertThat(operation.find(key)).isEmpty();
  }

  @Test
  void snapshotOlderThanAnothersCommit_failsAsSerializationFailure() {
    TxOptions repeatable =
        TxOptions.builder()
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .retry(TxOptions.Retry.none())
            .build();
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    repeatable,
                    tx -> {
                      tx.dsl().fetch("select 1 from placed");
                      Thread other = new Thread(() -> place(key, "two apples"));
                      other.start();
                      other.join();
                      operation.execute(tx, key, "two apples", t -> KeyFixture.place(t, key));
                    }))
        .satisfies(
            e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.SERIALIZATION_FAILURE));
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  @Test
  void insideATransactionOfTheThread_theCallThatCommitsIsRefused() {
    assertThatThrownBy(() -> fixture.transactions.execute(tx -> place(key, "two apples")))
        .isInstanceOf(TransactionException.class)
        .hasMessageContaining("is open on this thread");
  }

  @Test
  void keyOfAnotherOperation_isRefused() {
    IdempotencyKey other = new IdempotencyKey("acme", "refund", "k");
    assertThatThrownBy(() -> place(other, "two apples"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("is of operation \"refund\"");
  }

  @Test
  void expiredAnswer_isNeitherReplayedNorRunAgain_untilThePurge() {
    place(key, "two apples");
    IdempotencyKey young = fixture.freshKey();
    place(young, "two apples");
    fixture.age(young, "71 hours");
    fixture.age(key, "73 hours");
    assertThat(place(key, "two apples").outcome()).isEqualTo(Outcome.EXPIRED);
    assertThat(place(key, "three apples").outcome()).isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    assertThat(operation.find(key).map(Answer::outcome)).contains(Outcome.EXPIRED);

    assertThat(operation.purge().build().run().rows()).isEqualTo(1);
    assertThat(operation.find(young).map(Answer::outcome)).contains(Outcome.REPLAYED);
    assertThat(place(key, "two apples").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(fixture.placed(key)).isEqualTo(2);
  }

  @Test
  void purgeOfOneOperation_leavesTheAnswersOfOthers() {
    Operation<String, String> other = KeyFixture.operation(fixture.idempotency).build();
    IdempotencyKey others = other.key("acme", "k");
    other.execute(others, "two apples", tx -> "done");
    fixture.age(others, "73 hours");
    place(key, "two apples");
    fixture.age(key, "73 hours");
    operation.purge().build().run();
    assertThat(fixture.kept(key)).isZero();
    assertThat(fixture.kept(others)).isEqualTo(1);
  }

  @Test
  void missingTable_isNamedWithWhatToInstall() {
    Idempotency elsewhere =
        Idempotency.builder(fixture.transactions, fixture.dataSource).schema("elsewhere").build();
    Operation<String, String> lost = KeyFixture.operation(elsewhere).build();
    assertThatThrownBy(() -> lost.execute(lost.key("acme", "k"), "two apples", tx -> "done"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("SchemaInstaller");
    assertThatThrownBy(() -> lost.find(lost.key("acme", "k")))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("SchemaInstaller");
  }

  @Test
  void findOfAnUnusedKey_isEmpty() {
    assertThat(operation.find(key)).isEqualTo(Optional.empty());
    assertThat(operation.execute(key, "two apples", Duration.ZERO, tx -> "x").outcome())
        .isEqualTo(Outcome.EXECUTED);
  }
}
