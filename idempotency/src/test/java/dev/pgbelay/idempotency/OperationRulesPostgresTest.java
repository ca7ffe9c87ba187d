package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.idempotency.internal.AnswerCache;
import dev.pgbelay.idempotency.internal.Stored;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Options, responses that cannot be kept, the cache, and metrics. */
class OperationRulesPostgresTest {
  /** Counts what reaches the server. */
  private static final class Counting implements StatementObserver {
    private final AtomicInteger statements = new AtomicInteger();

    @Override
    public void executed(StatementEvent event) {
      statements.incrementAndGet();
    }

    @Override
    public void ended(TransactionEvent event) {}
  }

  private static final Counting SENT = new Counting();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(KeyFixture.SCHEMA).withObserver(SENT);

  private final KeyFixture fixture = new KeyFixture(postgres.dataSource());

  private Operation.Builder<String, String> operation() {
    return KeyFixture.operation(fixture.idempotency);
  }

  private static void isRefused(Operation.Builder<?, ?> builder, String reason) {
    assertThatThrownBy(builder::build)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining(reason);
  }

  @Test
  void optionsOutOfTheirRange_areRefusedByName() {
    isRefused(operation().retention(Duration.ofSeconds(59)), "retention must be between");
    isRefused(operation().maxBytes(0), "maxBytes must be between");
    isRefused(operation().options(TxOptions.builder().readOnly(true).build()), "readOnly");
    isRefused(
        operation().options(TxOptions.builder().nesting(TxOptions.Nesting.JOIN).build()), "nest");
    assertThatThrownBy(
            () ->
                fixture.operation.execute(
                    fixture.freshKey(), "x", Duration.ofMinutes(11), tx -> "y"))
        .hasMessageContaining("wait must be between");
    assertThatThrownBy(
            () ->
                Idempotency.builder(fixture.transactions, fixture.dataSource)
                    .cache(1, Duration.ofSeconds(1)))
        .hasMessageContaining("bytes must be between");
    assertThatThrownBy(
            () ->
                fixture.idempotency.operation("Place Order", KeyFixture::fingerprint, Codec.text()))
        .hasMessageContaining("a-z");
  }

  @Test
  void retentionShorterThanTheCallersRetries_isRefusedAtTheStart() {
    isRefused(
        operation().retention(Duration.ofDays(1)).repeatedFor(Duration.ofDays(3)),
        "a late one would run the work again");
    assertThat(operation().retention(Duration.ofDays(3)).repeatedFor(Duration.ofDays(3)).build())
        .isNotNull();
  }

  @Test
  void secondOperationOfAName_isRefused() {
    String name = KeyFixture.freshName();
    fixture.idempotency.operation(name, KeyFixture::fingerprint, Codec.text()).build();
    isRefused(
        fixture.idempotency.operation(name, KeyFixture::fingerprint, Codec.text()),
        "was declared before");
  }

  @Test
  void responseThatCannotBeStored_commitsNothing() {
    Codec<String> broken =
        new Codec<>() {
          @Override
          public byte[] encode(String value) {
            throw new UnsupportedOperationException("not serialisable");
          }

          @Override
          public String decode(byte[] bytes) {
            return "";
          }
        };
    Operation<String, String> unfit =
        fixture
            .idempotency
            .operation(KeyFixture.freshName(), KeyFixture::fingerprint, broken)
            .build();
    IdempotencyKey key = unfit.key("acme", "k1");
    assertThatThrownBy(() -> unfit.execute(key, "x", tx -> KeyFixture.place(tx, key)))
        .isInstanceOf(UnsupportedOperationException.class);
    assertThat(fixture.placed(key) + fixture.kept(key)).isZero();

    Operation<String, String> small = operation().maxBytes(10).build();
    IdempotencyKey large = small.key("acme", "k2");
    assertThatThrownBy(
            () ->
                small.execute(
                    large,
                    "x",
                    tx -> {
                      KeyFixture.place(tx, large);
                      return "a secret that is long";
                    }))
        .hasMessageContaining("raise maxBytes")
        .hasMessageNotContaining("secret");
    assertThat(fixture.placed(large) + fixture.kept(large)).isZero();
  }

  @Test
  @SuppressWarnings("NullAway") // what the types forbid
  void nullResponse_commitsNothing() {
    IdempotencyKey key = fixture.freshKey();
    assertThatThrownBy(
            () ->
                fixture.operation.execute(
                    key,
                    "x",
                    tx -> {
                      KeyFixture.place(tx, key);
                      return (String) null;
                    }))
        .hasMessageContaining("returned null");
    assertThat(fixture.placed(key) + fixture.kept(key)).isZero();
  }

  @Test
  void storedResponseThatTheCodecCannotRead_isAnErrorWithoutItsContent() {
    IdempotencyKey key = fixture.freshKey();
    fixture.operation.execute(key, "x", tx -> "done");
    DSL.using(fixture.dataSource, SQLDialect.POSTGRES)
        .execute("update pgbelay.idempotency_key set response = '\\xff' where key = ?", key.key());
    assertThatThrownBy(() -> fixture.operation.execute(key, "x", tx -> "again"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("The key is not free; the work was done")
        .hasNoCause();
  }

  @Test
  void codecThatEncrypts_leavesNoPlainTextInTheTable() {
    Codec<String> reversing =
        new Codec<>() {
          @Override
          public byte[] encode(String value) {
            return new StringBuilder(value).reverse().toString().getBytes(StandardCharsets.UTF_8);
          }

          @Override
          public String decode(byte[] bytes) {
            return new StringBuilder(new String(bytes, StandardCharsets.UTF_8))
                .reverse()
                .toString();
          }
        };
    Operation<String, String> sealed =
        fixture
            .idempotency
            .operation(KeyFixture.freshName(), KeyFixture::fingerprint, reversing)
            .build();
    IdempotencyKey key = sealed.key("acme", "k");
    sealed.execute(key, "x", tx -> "4242");
    assertThat(sealed.execute(key, "x", tx -> "").response()).contains("4242");
    byte[] stored =
        DSL.using(fixture.dataSource, SQLDialect.POSTGRES)
            .fetchSingle(
                "select response from pgbelay.idempotency_key where operation = ?", key.operation())
            .get(0, byte[].class);
    assertThat(new String(stored, StandardCharsets.UTF_8)).isEqualTo("2424");
  }

  @Test
  void cachedAnswer_costsNoStatement_andOnlyCommittedOnesAreCached() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    Idempotency caching =
        Idempotency.builder(fixture.transactions, fixture.dataSource)
            .cache(1_000_000, Duration.ofHours(1))
            .meterRegistry(registry)
            .build();
    Operation<String, String> cached = KeyFixture.operation(caching).build();
    IdempotencyKey key = cached.key("acme", "k");
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      cached.execute(tx, key, "x", t -> "rolled back");
                      throw new IllegalStateException();
                    }))
        .isInstanceOf(IllegalStateException.class);
    assertThat(cached.execute(key, "x", tx -> "done").outcome()).isEqualTo(Outcome.EXECUTED);

    int before = SENT.statements.get();
    for (int i = 0; i < 10; i++) {
      assertThat(cached.execute(key, "x", tx -> "again")).isEqualTo(Answer.replayed("done"));
    }
    assertThat(cached.execute(key, "y", tx -> "again").outcome())
        .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    assertThat(SENT.statements.get()).isEqualTo(before);
    assertThat(counter(registry, "pgbelay.idempotency.cache.hits", cached)).isEqualTo(11);
  }

  @Test
  void cachedAnswer_endsWithTheRetention() {
    AnswerCache cache = AnswerCache.of(10_000, Duration.ofMinutes(1));
    IdempotencyKey key = fixture.freshKey();
    byte[] response = {1};
    Fingerprint fingerprint = KeyFixture.fingerprint("x");
    cache.keep(key, new Stored(fingerprint, response, Duration.ZERO));
    assertThat(cache.find(key)).as("over when it was read").isNull();
    cache.keep(key, new Stored(fingerprint, response, Duration.ofNanos(1)));
    assertThat(cache.find(key)).as("over since").isNull();
    cache.keep(key, new Stored(fingerprint, response, Duration.ofDays(1)));
    assertThat(cache.find(key)).isNotNull();
  }

  @Test
  void manyReplays_areReadWithoutATransaction() {
    IdempotencyKey key = fixture.freshKey();
    fixture.operation.execute(key, "x", tx -> "done");
    for (int i = 0; i < 30; i++) {
      fixture.operation.execute(key, "x", tx -> "again");
    }
    int before = SENT.statements.get();
    assertThat(fixture.operation.execute(key, "x", tx -> "again"))
        .isEqualTo(Answer.replayed("done"));
    assertThat(SENT.statements.get()).isEqualTo(before + 1);
    IdempotencyKey fresh = fixture.freshKey();
    assertThat(fixture.operation.execute(fresh, "x", tx -> "done").outcome())
        .isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void everyOutcome_isCounted() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    Operation<String, String> metered =
        KeyFixture.operation(
                Idempotency.builder(Transactions.of(fixture.dataSource), fixture.dataSource)
                    .meterRegistry(registry)
                    .build())
            .build();
    IdempotencyKey key = metered.key("acme", "k");
    assertThatThrownBy(
            () ->
                metered.execute(
                    key,
                    "x",
                    tx -> {
                      throw new IllegalStateException();
                    }))
        .isInstanceOf(IllegalStateException.class);
    metered.execute(key, "x", tx -> "done");
    metered.execute(key, "x", tx -> "done");
    metered.execute(key, "y", tx -> "done");
    fixture.age(key, "73 hours");
    metered.execute(key, "x", tx -> "done");
    IdempotencyKey busy = metered.key("acme", "busy");
    metered.execute(
        busy,
        "x",
        tx -> {
          Thread duplicate =
              new Thread(() -> metered.execute(busy, "x", Duration.ofMillis(20), t -> "no"));
          duplicate.start();
          duplicate.join();
          return "done";
        });
    assertThat(calls(registry, metered, "failed")).isEqualTo(1);
    assertThat(calls(registry, metered, Outcome.EXECUTED.name())).isEqualTo(2);
    assertThat(calls(registry, metered, Outcome.REPLAYED.name())).isEqualTo(1);
    assertThat(calls(registry, metered, Outcome.FINGERPRINT_MISMATCH.name())).isEqualTo(1);
    assertThat(calls(registry, metered, Outcome.EXPIRED.name())).isEqualTo(1);
    assertThat(calls(registry, metered, Outcome.IN_PROGRESS.name())).isEqualTo(1);
    assertThat(registry.get("pgbelay.idempotency.waits").timer().count()).isEqualTo(1);
  }

  private static double calls(
      SimpleMeterRegistry registry, Operation<?, ?> operation, String outcome) {
    return registry
        .get("pgbelay.idempotency.calls")
        .tag("operation", operation.key("t", "k").operation())
        .tag("outcome", outcome.toLowerCase(Locale.ROOT))
        .counter()
        .count();
  }

  private static double counter(
      SimpleMeterRegistry registry, String name, Operation<?, ?> operation) {
    return registry
        .get(name)
        .tag("operation", operation.key("t", "k").operation())
        .counter()
        .count();
  }

  @Test
  void keys_areRefusedWithTheRuleAndWithoutTheValue() {
    String name = "place-order";
    for (String bad : new String[] {"", "x".repeat(256), "kéy", "tab\there", "nul\0"}) {
      assertThatThrownBy(() -> new IdempotencyKey("acme", name, bad))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("the key of an idempotency key must");
    }
    for (String bad : new String[] {"", "x".repeat(129), "ä"}) {
      assertThatThrownBy(() -> new IdempotencyKey(bad, name, "k"))
          .hasMessageContaining("the tenant of an idempotency key must");
    }
    IdempotencyKey longest = fixture.operation.key("t".repeat(128), "k ~".repeat(85));
    assertThat(fixture.operation.execute(longest, "x", tx -> "done").outcome())
        .isEqualTo(Outcome.EXECUTED);
  }
}
