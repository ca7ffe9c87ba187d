package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What callers do around a simple operation, and to what it hands out. */
class OperationSchedulesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(KeyFixture.SCHEMA);

  private final KeyFixture fixture = new KeyFixture(postgres.dataSource());

  @Test
  void callThatTheCallerRollsBackToASavepoint_leavesTheKeyFreeForItselfAndForOthers()
      throws Exception {
    IdempotencyKey key = fixture.freshKey();
    fixture.transactions.execute(
        tx -> {
          Savepoint before = tx.connection().setSavepoint();
          assertThat(
                  fixture.operation.execute(tx, key, "one", inner -> KeyFixture.place(inner, key)))
              .extracting(Answer::outcome)
              .isEqualTo(Outcome.EXECUTED);
          tx.connection().rollback(before);
        });
    assertThat(fixture.kept(key)).isZero();
    fixture.transactions.execute(
        tx -> {
          Savepoint before = tx.connection().setSavepoint();
          fixture.operation.execute(tx, key, "one", inner -> KeyFixture.place(inner, key));
          tx.connection().rollback(before);
          assertThat(
                  fixture.operation.execute(tx, key, "two", inner -> KeyFixture.place(inner, key)))
              .as("nothing of the first call is left, its fingerprint neither")
              .extracting(Answer::outcome)
              .isEqualTo(Outcome.EXECUTED);
        });
    assertThat(fixture.placed(key)).isEqualTo(1);
    assertThat(fixture.operation.execute(key, "two", tx -> "never").outcome())
        .isEqualTo(Outcome.REPLAYED);
  }

  @Test
  void readOnlyTransactionOfTheCaller_replaysAndRefusesAFirstCall() {
    IdempotencyKey key = fixture.freshKey();
    TxOptions readOnly = TxOptions.builder().readOnly(true).build();
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    readOnly,
                    tx -> {
                      fixture.operation.execute(tx, key, "one", inner -> "nothing to write");
                    }))
        .hasStackTraceContaining("read-only");
    fixture.operation.execute(key, "one", tx -> KeyFixture.place(tx, key));
    Answer<String> replayed =
        fixture.transactions.run(
            readOnly, tx -> fixture.operation.execute(tx, key, "one", inner -> "never"));
    assertThat(replayed).isEqualTo(Answer.replayed("placed " + key.key()));
  }

  @Test
  void keysOfOddCharacters_areKeptApartByEachOfThem() {
    List<String> odd =
        List.of(
            "'; drop table placed; --",
            "%",
            "_",
            "\\",
            "\\\\",
            "?",
            "$1",
            "{0}",
            "a b",
            " a b",
            "a b ",
            "A B",
            "\"a\"",
            "~",
            "/",
            "//",
            "key/key");
    for (String each : odd) {
      IdempotencyKey key = fixture.operation.key("tenant " + each, each);
      assertThat(fixture.operation.execute(key, each, tx -> "answer to " + each).outcome())
          .as(each)
          .isEqualTo(Outcome.EXECUTED);
    }
    for (String each : odd) {
      IdempotencyKey key = fixture.operation.key("tenant " + each, each);
      assertThat(fixture.operation.execute(key, each, tx -> "never"))
          .isEqualTo(Answer.replayed("answer to " + each));
      assertThat(fixture.operation.find(fixture.operation.key("tenant", each))).isEmpty();
    }
  }

  @Test
  void arraysThatTheirOwnersWriteTo_changeNoCachedAnswer() {
    Idempotency caching =
        Idempotency.builder(fixture.transactions, postgres.dataSource())
            .cache(1_000_000, Duration.ofHours(1))
            .build();
    Operation<String, byte[]> operation =
        caching
            .<String, byte[]>operation(
                KeyFixture.freshName(), KeyFixture::fingerprint, new AsTheyAre())
            .build();
    IdempotencyKey key = operation.key("acme", "k");
    byte[] mine = "first".getBytes(StandardCharsets.UTF_8);
    operation.execute(key, "one", tx -> mine);
    mine[0] = 'X';
    byte[] replayed = operation.execute(key, "one", tx -> mine).response().orElseThrow();
    assertThat(replayed).asString().isEqualTo("first");
    replayed[0] = 'Y';
    assertThat(operation.execute(key, "one", tx -> mine).response().orElseThrow())
        .asString()
        .isEqualTo("first");
  }

  /** Keeps and hands out the very arrays that it is given. */
  private static final class AsTheyAre implements Codec<byte[]> {
    @Override
    public byte[] encode(byte[] value) {
      return value;
    }

    @Override
    public byte[] decode(byte[] bytes) {
      return bytes;
    }
  }
}
