package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Keys that were taken before a deployment with another rule for fingerprints. */
class FingerprintVersionsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(KeyFixture.SCHEMA);

  private final KeyFixture fixture = new KeyFixture(postgres.dataSource());
  private final String name = KeyFixture.freshName();

  /** The rule before: all of the request. */
  private static Fingerprint before(String request) {
    return Fingerprint.of(1, request.getBytes(StandardCharsets.UTF_8));
  }

  /** The rule now: upper and lower case are one. */
  private static Fingerprint now(String request) {
    return Fingerprint.of(2, request.toLowerCase(Locale.ROOT).getBytes(StandardCharsets.UTF_8));
  }

  private static Fingerprint nowOrBefore(String request) {
    return now(request).accepting(before(request));
  }

  private static Fingerprint beforeOrNow(String request) {
    return before(request).accepting(now(request));
  }

  /** As another process of the same service declares it. */
  private Operation<String, String> deployed(Function<String, Fingerprint> rule) {
    return Idempotency.builder(Transactions.of(fixture.dataSource), fixture.dataSource)
        .cache(1_000_000, Duration.ofHours(1))
        .build()
        .operation(name, rule, Codec.text())
        .build();
  }

  private static Answer<String> place(
      Operation<String, String> operation, IdempotencyKey key, String request) {
    return operation.execute(key, request, tx -> KeyFixture.place(tx, key));
  }

  @Test
  void keyOfAVersionThatTheRuleDoesNotAccept_isNeitherAnsweredNorRunAgain() {
    IdempotencyKey key =
        deployed(FingerprintVersionsPostgresTest::before).key("acme", KeyFixture.freshName());
    place(deployed(FingerprintVersionsPostgresTest::before), key, "ten");
    Operation<String, String> newer = deployed(FingerprintVersionsPostgresTest::now);
    for (String request : new String[] {"another", "ten"}) {
      assertThatThrownBy(() -> place(newer, key, request))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("with a fingerprint of version 1")
          .hasMessageContaining("Nothing was done")
          .hasMessageNotContaining(request + " ");
      assertThatThrownBy(
              () ->
                  fixture.transactions.execute(
                      tx -> newer.execute(tx, key, request, t -> KeyFixture.place(t, key))))
          .isInstanceOf(PgBelayException.class);
    }
    assertThat(fixture.placed(key)).isEqualTo(1);
    assertThat(newer.find(key)).contains(Answer.replayed("placed " + key.key()));
  }

  @Test
  void ruleThatAcceptsTheOneBefore_replaysTheSameRequestAndRefusesAnother() {
    Operation<String, String> older = deployed(FingerprintVersionsPostgresTest::before);
    IdempotencyKey key = older.key("acme", KeyFixture.freshName());
    place(older, key, "ten");
    Operation<String, String> newer = deployed(FingerprintVersionsPostgresTest::nowOrBefore);
    for (int i = 0; i < 2; i++) { // the second time from the cache
      assertThat(place(newer, key, "ten")).isEqualTo(Answer.replayed("placed " + key.key()));
      assertThat(place(newer, key, "eleven").outcome()).isEqualTo(Outcome.FINGERPRINT_MISMATCH);
      assertThat(place(newer, key, "TEN").outcome())
          .as("by the rule that took the key")
          .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    }
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  @Test
  void processesThatAcceptEachOther_answerForEachOtherDuringADeployment() {
    Operation<String, String> older = deployed(FingerprintVersionsPostgresTest::beforeOrNow);
    Operation<String, String> newer = deployed(FingerprintVersionsPostgresTest::nowOrBefore);
    IdempotencyKey key = older.key("acme", KeyFixture.freshName());
    place(newer, key, "ten");
    assertThat(place(older, key, "TEN")).isEqualTo(Answer.replayed("placed " + key.key()));
    assertThat(place(older, key, "eleven").outcome()).isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    IdempotencyKey other = older.key("acme", KeyFixture.freshName());
    place(older, other, "ten");
    assertThat(place(newer, other, "ten")).isEqualTo(Answer.replayed("placed " + other.key()));
    assertThat(fixture.placed(key) + fixture.placed(other)).isEqualTo(2);
  }

  @Test
  void twoFingerprintsOfOneVersion_areRefused() {
    assertThatThrownBy(() -> before("x").accepting(before("y")))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("version 1");
    assertThatThrownBy(() -> nowOrBefore("x").accepting(before("y")))
        .isInstanceOf(PgBelayException.class);
    Fingerprint three = Fingerprint.of(3, new byte[0]).accepting(nowOrBefore("x"));
    assertThat(three.others()).containsExactly(now("x"), before("x"));
  }
}
