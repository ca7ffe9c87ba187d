package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Steps that take others back, steps that change with a deployment, options, and retention. */
class StepsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final Duration SLOWLY = Duration.ofMinutes(30);

  private final Bank bank = new Bank();
  private final Bank carrier = new Bank();
  private final Bank refunds = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);

  @AfterEach
  void close() {
    shop.close();
  }

  /** Charge, ship; a charge is taken back by a refund. */
  private PaymentOperation<String, String> shipping() {
    return shop.bare(Shop.freshName())
        .provider(Shop.CHARGED, bank, Shop.limits())
        .provider(Shop.SHIPPED, carrier, Shop.limits())
        .compensate(Shop.CHARGED, Shop.REFUNDED, refunds, Shop.limits())
        .respond(
            (tx, execution) ->
                execution.refusal().isEmpty()
                    ? "shipped"
                    : execution.refusal().get()
                        + ", refunded by "
                        + execution.result(Shop.REFUNDED))
        .attempts(3, SLOWLY, SLOWLY)
        .build();
  }

  @Test
  void laterStepThatIsRefused_isAnsweredOnceTheEarlierOneIsTakenBack() {
    PaymentOperation<String, String> operation = shipping();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    carrier.then(Bank.refusing("no such address"));
    assertThat(operation.execute(key, "10 EUR"))
        .isEqualTo(Answer.executed("no such address, refunded by ch-1"));
    assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.REPLAYED);
    assertThat(refunds.calls()).containsExactly(operation.providerKey(key, Shop.REFUNDED));
    assertThat(bank.calls()).hasSize(1);
  }

  @Test
  void stepThatIsRefusedWithNothingBeforeIt_takesNothingBack() {
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, bank, Shop.limits())
            .compensate(Shop.CHARGED, Shop.REFUNDED, refunds, Shop.limits())
            .respond(Shop::receipt)
            .build();
    bank.then(Bank.refusing("no money"));
    assertThat(operation.execute(operation.key("acme", "k"), "10 EUR"))
        .isEqualTo(Answer.executed("refused: no money"));
    assertThat(refunds.calls()).isEmpty();
  }

  @Test
  void compensationOfUnknownEffect_isUnknownAndFoundOutLikeAnyCall() {
    PaymentOperation<String, String> operation = shipping();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    carrier.then(Bank.refusing("no such address"));
    refunds.then(Bank.timeoutAfterActing());
    assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    shop.age(key, "1 hour");
    assertThat(operation.execute(key, "10 EUR"))
        .isEqualTo(Answer.executed("no such address, refunded by ch-1"));
    assertThat(refunds.calls()).hasSize(1);
    assertThat(carrier.calls()).hasSize(1);
  }

  @Test
  void compensationThatIsRefused_parksThePaymentForSomebodyToDecide() {
    PaymentOperation<String, String> operation = shipping();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    carrier.then(Bank.refusing("no such address"));
    refunds.then(Bank.refusing("too old"));
    assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    assertThat(shop.state(key)).isEqualTo("PARKED");
    assertThat(operation.settle(key, Shop.REFUNDED, ProviderReply.succeeded("by hand")))
        .isEqualTo(PaymentOperation.Settlement.SETTLED);
    assertThat(operation.execute(key, "10 EUR"))
        .isEqualTo(Answer.executed("no such address, refunded by by hand"));
  }

  @Test
  void databaseStepThatRefuses_rollsItsWritesBackAndTakesTheChargeBack() {
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, bank, Shop.limits())
            .compensate(Shop.CHARGED, Shop.REFUNDED, refunds, Shop.limits())
            .database(
                Shop.BOOKED,
                (tx, execution) -> {
                  Shop.write(tx, execution, "booked");
                  throw new StepRefusedException("sold out");
                })
            .respond(Shop::receipt)
            .build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(key, "10 EUR")).isEqualTo(Answer.executed("refused: sold out"));
    assertThat(refunds.charged()).isEqualTo(1);
    assertThat(shop.written(key)).isEmpty();
  }

  @Test
  void firstStepThatRefuses_isAnAnswerWithoutACall() {
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .database(
                Shop.RESERVED,
                (tx, execution) -> {
                  throw new StepRefusedException("sold out");
                })
            .provider(Shop.CHARGED, bank, Shop.limits())
            .respond(Shop::receipt)
            .build();
    IdempotencyKey key = operation.key("acme", "k");
    assertThat(operation.execute(key, "10 EUR")).isEqualTo(Answer.executed("refused: sold out"));
    assertThat(operation.execute(key, "10 EUR")).isEqualTo(Answer.replayed("refused: sold out"));
    assertThat(bank.calls()).isEmpty();
  }

  /** The same operation as another process declares it. */
  private interface Deployed {
    void run(PaymentOperation<String, String> operation, Shop there) throws Exception;
  }

  private void deployed(String name, int version, List<StepKey<String>> more, Deployed test)
      throws Exception {
    try (Shop there = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank)) {
      PaymentOperation.Builder<String, String> builder =
          there.bare(name).version(version).provider(Shop.CHARGED, bank, Shop.limits());
      for (StepKey<String> step : more) {
        builder.database(step, (tx, execution) -> Shop.write(tx, execution, step.name()));
      }
      test.run(builder.respond(Shop::receipt).build(), there);
    }
  }

  private String unknownPayment(IdempotencyKey[] key) throws Exception {
    String name = Shop.freshName();
    bank.then(Bank.timeoutAfterActing());
    deployed(
        name,
        2,
        List.of(Shop.BOOKED),
        (operation, there) -> {
          key[0] = operation.key("acme", Shop.freshName());
          operation.execute(key[0], "10 EUR");
          there.age(key[0], "1 hour");
        });
    return name;
  }

  @Test
  void newStepsBehindTheOldOnes_resumeAnOpenPayment() throws Exception {
    IdempotencyKey[] key = new IdempotencyKey[1];
    String name = unknownPayment(key);
    deployed(
        name,
        3,
        List.of(Shop.RESERVED, Shop.BOOKED),
        (operation, there) -> {
          assertThat(there.completer().runOnce()).isEqualTo(1);
          assertThat(there.written(key[0])).containsExactly("reserve", "book");
        });
  }

  @Test
  void stepsThatDoNotFit_stopWithAClearError_andParkInTheCompleter() throws Exception {
    IdempotencyKey[] key = new IdempotencyKey[1];
    String name = unknownPayment(key);
    try (Shop there = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank)) {
      PaymentOperation<String, String> changed =
          there
              .bare(name)
              .version(3)
              .database(Shop.RESERVED, (tx, execution) -> "reserved")
              .provider(Shop.CHARGED, bank, Shop.limits())
              .respond(Shop::receipt)
              .build();
      assertThatThrownBy(() -> changed.execute(key[0], "10 EUR"))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("steps changed: version 2 did [], and in version 3 \"charge\"");
      there.completer().runOnce();
      assertThat(there.payments.open(OpenPayment.State.PARKED, 10))
          .singleElement()
          .satisfies(p -> assertThat(p.reason().orElseThrow()).contains("steps changed"));
      assertThat(bank.calls()).hasSize(1);
    }
  }

  @Test
  void olderProcess_leavesAPaymentOfNewerStepsAlone() throws Exception {
    IdempotencyKey[] key = new IdempotencyKey[1];
    String name = unknownPayment(key);
    deployed(
        name,
        1,
        List.of(),
        (operation, there) -> {
          assertThat(there.completer().runOnce()).isZero();
          assertThat(operation.execute(key[0], "10 EUR").outcome())
              .isEqualTo(Outcome.UNKNOWN_OUTCOME);
          assertThat(there.state(key[0])).isEqualTo("UNKNOWN");
        });
  }

  @Test
  void requestThatTheCodecCannotRead_parksInsteadOfBlockingTheOthers() throws Exception {
    PaymentOperation<String, String> operation =
        shop.checkout(options -> options.attempts(3, SLOWLY, SLOWLY));
    bank.then(Bank.timeoutAfterActing()).then(Bank.timeoutAfterActing());
    IdempotencyKey poison = operation.key("acme", Shop.freshName());
    IdempotencyKey healthy = operation.key("acme", Shop.freshName());
    operation.execute(poison, "10 EUR");
    operation.execute(healthy, "10 EUR");
    shop.age(poison, "2 hours");
    shop.age(healthy, "1 hour");
    shop.dsl.execute("update pgbelay.payment set request = '\\xff' where key = ?", poison.key());
    assertThat(shop.completer().runOnce()).isEqualTo(2);
    assertThat(shop.state(poison)).isEqualTo("PARKED");
    assertThat(shop.state(healthy)).isEqualTo("COMPLETED");
  }

  @Test
  void finishedPayments_expireAndArePurged_openOnesStay() {
    PaymentOperation<String, String> operation =
        shop.checkout(options -> options.attempts(3, SLOWLY, SLOWLY));
    IdempotencyKey old = operation.key("acme", Shop.freshName());
    IdempotencyKey open = operation.key("acme", Shop.freshName());
    operation.execute(old, "10 EUR");
    bank.then(Bank.timeoutAfterActing());
    operation.execute(open, "10 EUR");
    shop.age(old, "4 days");
    shop.age(open, "4 days");
    assertThat(operation.execute(old, "10 EUR").outcome()).isEqualTo(Outcome.EXPIRED);
    assertThat(operation.purge().build().run().rows()).isEqualTo(1);
    assertThat(shop.state(old)).isEqualTo("none");
    assertThat(shop.state(open)).isEqualTo("UNKNOWN");
  }

  @Test
  void retentionShorterThanTheProvidersKeyWindow_isRefusedAtTheStart() {
    assertThatThrownBy(() -> shop.checkout(options -> options.retention(Duration.ofHours(23))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("honours its keys for PT24H");
    assertThat(shop.checkout(options -> options.retention(Duration.ofHours(24)))).isNotNull();
    ProviderLimits longer =
        ProviderLimits.builder("bank", Duration.ofDays(2), Duration.ofSeconds(1)).build();
    refused(
        () ->
            shop.checkout(
                options ->
                    options
                        .retention(Duration.ofHours(47))
                        .compensate(Shop.CHARGED, Shop.REFUNDED, refunds, longer)),
        "step \"refund\" honours its keys for PT48H");
  }

  @Test
  void declarationsThatCannotWork_areRefusedWithTheRule() {
    PaymentOperation<String, String> declared = shop.checkout();
    refused(() -> shop.checkout(declared.name(), Shop.limits()).build(), "was declared before");
    refused(() -> shop.bare(Shop.freshName()).build(), "has no respond");
    refused(
        () ->
            shop.checkout(Shop.freshName(), Shop.limits())
                .provider(Shop.CHARGED, bank, Shop.limits())
                .build(),
        "two steps \"charge\"");
    refused(
        () ->
            shop.checkout(Shop.freshName(), Shop.limits())
                .compensate(Shop.SHIPPED, Shop.REFUNDED, refunds, Shop.limits())
                .build(),
        "no step \"ship\" to compensate");
    refused(() -> shop.checkout(o -> o.version(0)), "version must be");
    refused(() -> shop.checkout(o -> o.maxBytes(0)), "maxBytes must be between");
    refused(() -> shop.checkout(o -> o.attempts(0, SLOWLY, SLOWLY)), "maxAttempts must be");
    refused(
        () -> shop.checkout(o -> o.options(TxOptions.builder().readOnly(true).build())),
        "readOnly");
    refused(() -> StepKey.of("Charge!", Codec.text()), "the name of a step");
    refused(
        () -> ProviderLimits.builder("b", SLOWLY, Duration.ofHours(1)).build(),
        "timeLimit must be between");
    refused(
        () -> Payments.builder(shop.transactions, postgres.dataSource()).build(),
        "a small DataSource of its own");
    refused(
        () ->
            Payments.builder(shop.transactions, shop.keepAlive)
                .name(shop.payments.name())
                .meterRegistry(shop.registry)
                .build(),
        "give them different names");
    refused(() -> ProviderReply.refused(""), "1 to 200 characters");
  }

  private static void refused(Runnable declaration, String rule) {
    assertThatThrownBy(declaration::run)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining(rule);
  }

  @Test
  void whatIsStored_goesThroughTheCodecs() {
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
    StepKey<String> sealed = StepKey.of("charge", reversing);
    PaymentOperation<String, String> operation =
        shop.payments
            .operation(Shop.freshName(), Shop::fingerprint, reversing, reversing)
            .provider(sealed, bank, Shop.limits())
            .respond((tx, execution) -> "card 4242, " + execution.result(sealed))
            .build();
    IdempotencyKey key = operation.key("acme", "k");
    operation.execute(key, "cvc 123");
    assertThat(operation.execute(key, "cvc 123")).isEqualTo(Answer.replayed("card 4242, ch-1"));
    String stored =
        shop.dsl
            .fetchSingle(
                "select encode(request, 'escape') || encode(results[1], 'escape')"
                    + " || encode(response, 'escape') from pgbelay.payment where operation = ?",
                operation.name())
            .get(0, String.class);
    assertThat(stored).isEqualTo("321 cvc" + "1-hc" + "1-hc ,2424 drac");
  }

  @Test
  void serializationFailureBehindTheCall_repeatsTheTransactionAndNotTheCall() {
    AtomicInteger runs = new AtomicInteger();
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(Shop.CHARGED, bank, Shop.limits())
            .database(
                Shop.BOOKED,
                (tx, execution) -> {
                  Shop.write(tx, execution, "booked");
                  if (runs.incrementAndGet() == 1) {
                    tx.dsl()
                        .execute(
                            "do $$ begin raise exception 'no' using errcode = '40001'; end $$");
                  }
                  return "booked";
                })
            .respond(Shop::receipt)
            .build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(runs).hasValue(2);
    assertThat(bank.calls()).hasSize(1);
    assertThat(shop.written(key)).containsExactly("booked");
  }

  @Test
  void callFromInsideADatabaseStep_isRefusedByWhateverRequiresNone() {
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .database(
                Shop.RESERVED,
                (tx, execution) -> {
                  Transactions.requireNone();
                  return "never";
                })
            .respond((tx, execution) -> "never")
            .build();
    assertThatThrownBy(() -> operation.execute(operation.key("acme", "k"), "x"))
        .hasMessageContaining("is open on this thread");
  }
}
