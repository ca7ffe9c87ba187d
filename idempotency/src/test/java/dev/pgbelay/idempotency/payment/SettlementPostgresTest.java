package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Counter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is said about a payment by another way than as the answer of its call. */
class SettlementPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final Duration LONG = Duration.ofMinutes(2);

  private final Bank bank = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);
  private final Duration slowly = Duration.ofMinutes(30);
  private final PaymentOperation<String, String> checkout =
      shop.checkout(options -> options.attempts(3, slowly, slowly).foundByProviderKey());

  private final IdempotencyKey key = checkout.key("acme", Shop.freshName());

  @AfterEach
  void close() {
    shop.close();
  }

  private Answer<String> pay() {
    return checkout.execute(key, "10 EUR", LONG);
  }

  private Settlement settle(ProviderReply<String> reply) {
    return checkout.settle(key, Shop.CHARGED, reply);
  }

  private double contradicted() {
    return shop
        .registry
        .find("pgbelay.idempotency.payment.settlements")
        .tag("result", "contradicted")
        .counters()
        .stream()
        .mapToDouble(Counter::count)
        .sum();
  }

  private void assertNoted(OpenPayment.State state, String note) {
    assertThat(shop.payments.contradicted(10).stream().filter(each -> each.key().equals(key)))
        .singleElement()
        .satisfies(
            payment -> {
              assertThat(payment.state()).isEqualTo(state);
              assertThat(payment.reason()).contains(note);
            });
    assertThat(contradicted()).isGreaterThan(0);
  }

  /** As with a webhook whose handler fails: it comes again, and settles then. */
  @Test
  void settlementInATransactionThatIsRolledBack_neverHappened() {
    bank.then(Bank.timeoutAfterActing());
    assertThat(checkout.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    String providerKey = checkout.providerKey(key, Shop.CHARGED);
    ProviderReply<String> paid = ProviderReply.succeeded("ch-1");
    List<Function<Tx, Settlement>> ways =
        List.of(
            tx -> checkout.settle(tx, key, Shop.CHARGED, paid),
            tx -> checkout.settleByProviderKey(tx, providerKey, Shop.CHARGED, paid));
    for (Function<Tx, Settlement> way : ways) {
      assertThatThrownBy(
              () ->
                  shop.transactions.execute(
                      tx -> {
                        assertThat(way.apply(tx)).isEqualTo(Settlement.SETTLED);
                        throw new IllegalStateException("on purpose");
                      }))
          .hasMessage("on purpose");
      assertThat(shop.state(key)).isEqualTo("UNKNOWN");
    }
  }

  @Test
  void webhookThatSaysSomethingElseThanTheAnswer_changesNothingAndIsNoted() {
    pay();
    assertThat(settle(ProviderReply.succeeded("ch-1"))).isEqualTo(Settlement.ALREADY_KNOWN);
    assertThat(shop.payments.contradicted(10)).isEmpty();
    assertThat(settle(ProviderReply.succeeded("ch-2"))).isEqualTo(Settlement.CONTRADICTED);
    assertThat(settle(ProviderReply.refused("no money"))).isEqualTo(Settlement.CONTRADICTED);
    assertThat(pay()).isEqualTo(Answer.replayed("paid by ch-1"));
    assertNoted(
        OpenPayment.State.COMPLETED,
        "step charge is recorded as SUCCEEDED, and is said to be SUCCEEDED otherwise");
  }

  @Test
  void answerThatSaysSomethingElseThanTheWebhookBeforeIt_changesNothingAndIsNoted() {
    bank.then(
        (bank, execution, providerKey) -> {
          assertThat(settle(ProviderReply.refused("declined"))).isEqualTo(Settlement.SETTLED);
          return ProviderReply.succeeded(bank.charge(providerKey));
        });
    assertThat(pay()).isEqualTo(Answer.executed("refused: declined"));
    assertNoted(
        OpenPayment.State.COMPLETED,
        "step charge is recorded as REFUSED, and is said to be SUCCEEDED");
  }

  @Test
  void answerOfAnotherChargeThanTheWebhookBeforeIt_isNoted() {
    bank.then(
        (bank, execution, providerKey) -> {
          settle(ProviderReply.succeeded("ch-of-the-webhook"));
          return ProviderReply.refused("declined");
        });
    assertThat(pay()).isEqualTo(Answer.executed("paid by ch-of-the-webhook"));
    assertNoted(
        OpenPayment.State.COMPLETED,
        "step charge is recorded as SUCCEEDED, and is said to be REFUSED");
  }

  @Test
  void webhookBeforeTheAnswer_thatAgree_isNoContradiction() {
    bank.then(
        (bank, execution, providerKey) -> {
          String charge = bank.charge(providerKey);
          assertThat(settle(ProviderReply.succeeded(charge))).isEqualTo(Settlement.SETTLED);
          return ProviderReply.succeeded(charge);
        });
    assertThat(pay()).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(shop.payments.contradicted(10)).isEmpty();
    assertThat(contradicted()).isZero();
  }

  /** The dangerous one: the customer was told no, and the money is gone. */
  @Test
  void chargeBehindAnOperatorsNo_isNoted() {
    bank.knowsNothing().then(Bank.timeoutAfterActing());
    checkout.execute(key, "10 EUR");
    settle(ProviderReply.refused("not at the provider"));
    pay();
    assertThat(settle(ProviderReply.refused("again"))).isEqualTo(Settlement.ALREADY_KNOWN);
    assertThat(settle(ProviderReply.succeeded("ch-1"))).isEqualTo(Settlement.CONTRADICTED);
    assertThat(pay()).isEqualTo(Answer.replayed("refused: not at the provider"));
    assertNoted(
        OpenPayment.State.COMPLETED,
        "step charge is recorded as REFUSED, and is said to be SUCCEEDED");
  }

  @Test
  void resultThatIsEncryptedOtherwiseEachTime_isComparedByWhatItMeans() {
    StepKey<String> charged = StepKey.of("charge", new Salted());
    PaymentOperation<String, String> operation =
        shop.bare(Shop.freshName())
            .provider(charged, bank, Shop.limits())
            .respond((tx, execution) -> "paid by " + execution.result(charged))
            .build();
    IdempotencyKey own = operation.key("acme", "k");
    operation.execute(own, "10 EUR");
    assertThat(operation.settle(own, charged, ProviderReply.succeeded("ch-1")))
        .isEqualTo(Settlement.ALREADY_KNOWN);
    assertThat(operation.settle(own, charged, ProviderReply.succeeded("ch-2")))
        .isEqualTo(Settlement.CONTRADICTED);
  }

  private static final class Salted implements Codec<String> {
    @Override
    public byte[] encode(String value) {
      byte[] text = value.getBytes(StandardCharsets.UTF_8);
      byte[] salted = new byte[16 + text.length];
      ThreadLocalRandom.current().nextBytes(salted);
      System.arraycopy(text, 0, salted, 16, text.length);
      return salted;
    }

    @Override
    public String decode(byte[] bytes) {
      return new String(Arrays.copyOfRange(bytes, 16, bytes.length), StandardCharsets.UTF_8);
    }
  }

  private Settlement settleBy(String providerKey, StepKey<String> step, String charge) {
    return shop.transactions.run(
        tx -> checkout.settleByProviderKey(tx, providerKey, step, ProviderReply.succeeded(charge)));
  }

  @Test
  void unknownPayment_isSettledByItsProviderKey() throws Exception {
    String providerKey = checkout.providerKey(key, Shop.CHARGED);
    assertThat(providerKey).matches("[0-9a-f]{40}");
    assertThat(settleBy(providerKey, Shop.CHARGED, "ch-1")).isEqualTo(Settlement.NO_SUCH_KEY);
    bank.knowsNothing().then(Bank.timeoutAfterActing());
    checkout.execute(key, "10 EUR");
    assertThat(bank.calls()).containsExactly(providerKey);
    assertThat(settleBy(providerKey, Shop.CHARGED, "ch-1")).isEqualTo(Settlement.SETTLED);
    assertThat(pay()).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(settleBy(providerKey, Shop.CHARGED, "ch-1")).isEqualTo(Settlement.ALREADY_KNOWN);
    assertThat(settleBy(providerKey, Shop.CHARGED, "ch-2")).isEqualTo(Settlement.CONTRADICTED);
  }

  @Test
  void keyOfAnotherStepOperationOrForm_settlesNothing() {
    pay();
    String ofRefund = checkout.providerKey(key, Shop.REFUNDED);
    assertThat(settleBy(ofRefund, Shop.CHARGED, "ch-1")).isEqualTo(Settlement.NO_SUCH_KEY);
    assertThat(settleBy("not one of ours", Shop.CHARGED, "x")).isEqualTo(Settlement.NO_SUCH_KEY);
    PaymentOperation<String, String> other =
        shop.checkout(PaymentOperation.Builder::foundByProviderKey);
    String ofOther = other.providerKey(other.key("acme", key.key()), Shop.CHARGED);
    assertThat(settleBy(ofOther, Shop.CHARGED, "x")).isEqualTo(Settlement.NO_SUCH_KEY);
    assertThatThrownBy(
            () ->
                shop.transactions.run(
                    tx ->
                        shop.checkout()
                            .settleByProviderKey(
                                tx, ofOther, Shop.CHARGED, ProviderReply.succeeded("x"))))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("foundByProviderKey");
  }
}
