package dev.pgbelay.idempotency.reconciliation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.OpenPayment;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.reconciliation.Finding.Action;
import dev.pgbelay.idempotency.reconciliation.Finding.Kind;
import dev.pgbelay.idempotency.reconciliation.Till.Compared;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Each kind of finding, at a provider with sockets and a list of pages. */
class ReconciliationPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Till.SCHEMA);

  private final Till till = new Till(postgres.dataSource(), postgres.jdbcUrl());

  @AfterEach
  void close() {
    till.close();
  }

  private static void assertFinding(Finding finding, Kind kind, Action action, IdempotencyKey key) {
    assertThat(finding.kind()).isEqualTo(kind);
    assertThat(finding.action()).isEqualTo(action);
    assertThat(finding.payment()).contains(key);
  }

  @Test
  void paymentsThatAgree_areMatchedAndTheReportSaysOfWhatWindow() throws Exception {
    for (int i = 1; i <= 5; i++) {
      till.paid("k" + i);
    }
    till.provider.next(ProviderFault.DECLINE);
    till.pay(till.key("declined"), 100);
    Instant before = Instant.now();
    Compared compared = till.compare();
    ReconciliationReport report = compared.report();
    assertThat(compared.findings()).isEmpty();
    assertThat(report.isClean()).isTrue();
    assertThat(report.matched()).isEqualTo(6);
    assertThat(report.payments()).isEqualTo(6);
    assertThat(report.records()).isEqualTo(6);
    assertThat(report.pages()).isEqualTo(3);
    ReconciliationReport.Window window = report.window();
    assertThat(window.margin()).isEqualTo(Duration.ofMinutes(5));
    assertThat(Duration.between(window.from(), window.to()))
        .isEqualTo(Till.LOOK_BACK.minus(window.margin()));
    assertThat(window.askedSince()).isEqualTo(window.from().minus(window.margin()));
    assertThat(window.to()).isBetween(before.minusSeconds(360), Instant.now().minusSeconds(240));
    assertThat(till.scratch()).isZero();
    assertThat(till.counter("runs", "result", "whole")).isEqualTo(1);
    assertThat(till.counter("records")).isEqualTo(6);
  }

  @Test
  void unknownThatTheProviderDid_isSettledOnlyWhenApplied() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_AFTER_ACTING);
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.STATE_DIFFERS, Action.SETTLE_SUCCEEDED, key);
    assertThat(finding.state()).contains(OpenPayment.State.UNKNOWN);
    assertThat(finding.records()).hasSize(1);
    assertThat(till.state(key)).isEqualTo("UNKNOWN");
    assertThat(till.reconciliation().apply(finding)).isEqualTo(Settlement.SETTLED);
    assertThat(till.pay(key, 100).outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(till.provider.charges()).hasSize(1);
    assertThat(till.reconciliation().apply(finding)).isEqualTo(Settlement.ALREADY_KNOWN);
    assertThat(till.compare().report().matched()).isEqualTo(1);
    assertThat(till.counter("findings", "kind", "state_differs")).isEqualTo(1);
    assertThat(till.counter("applied", "result", "settled")).isEqualTo(1);
  }

  @Test
  void unknownThatTheProviderDeclined_isSettledAsRefused() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_BEFORE_ACTING);
    till.provider.next(ProviderFault.DECLINE);
    till.client.charge(
        till.operation.providerKey(key, Till.CHARGED), Till.reference(key), 100, "eur");
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.STATE_DIFFERS, Action.SETTLE_REFUSED, key);
    assertThat(till.reconciliation().apply(finding)).isEqualTo(Settlement.SETTLED);
    assertThat(till.pay(key, 100).response()).contains("declined by the provider");
  }

  @Test
  void unknownThatTheProviderNeverSaw_isSettledBehindItsKeyWindowOnly() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_BEFORE_ACTING);
    Compared early = till.compare();
    assertThat(early.findings()).isEmpty();
    assertThat(early.report().inFlight()).isEqualTo(1);
    till.age(key, Duration.ofHours(30));
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.MISSING_THERE, Action.SETTLE_NOT_DONE, key);
    assertThat(finding.confirmed()).isTrue();
    assertThat(till.state(key)).isEqualTo("UNKNOWN");
    assertThat(till.reconciliation().apply(finding)).isEqualTo(Settlement.SETTLED);
    assertThat(till.pay(key, 100).response()).contains("not at the provider");
    assertThat(till.provider.charges()).isEmpty();
  }

  /** The list may be of yesterday by the time somebody applies what it showed. */
  @Test
  void chargeThatAppearsBeforeItIsSettledAsNotDone_settlesAsDone() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_BEFORE_ACTING);
    till.age(key, Duration.ofHours(30));
    Finding finding = till.compare().only();
    till.client.charge(
        till.operation.providerKey(key, Till.CHARGED), Till.reference(key), 100, "eur");
    assertThat(till.reconciliation().apply(finding)).isEqualTo(Settlement.SETTLED);
    assertThat(till.pay(key, 100).response()).contains("paid");
  }

  @Test
  void chargeWithoutAPayment_isMissingHereAndTheSameCallBooksIt() throws Exception {
    IdempotencyKey key = till.key("lost");
    till.client.charge(
        till.operation.providerKey(key, Till.CHARGED), Till.reference(key), 100, "eur");
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.MISSING_HERE, Action.BOOK, key);
    assertThat(finding.state()).isEmpty();
    till.paid("lost");
    assertThat(till.provider.charges()).hasSize(1);
    assertThat(till.compare().report().isClean()).isTrue();
  }

  @Test
  void chargeWithoutAPaymentBehindTheKeyWindow_isToBeRefunded() throws Exception {
    IdempotencyKey key = till.key("lost");
    till.ago(Duration.ofHours(30));
    till.client.charge(
        till.operation.providerKey(key, Till.CHARGED), Till.reference(key), 100, "eur");
    assertFinding(till.compare().only(), Kind.MISSING_HERE, Action.REFUND, key);
  }

  @Test
  void chargeThatNamesNobody_isForAnOperator() throws Exception {
    till.client.charge("some-key", "by hand", 100, "eur");
    Finding finding = till.compare().only();
    assertThat(finding.kind()).isEqualTo(Kind.MISSING_HERE);
    assertThat(finding.action()).isEqualTo(Action.ASK_OPERATOR);
    assertThat(finding.payment()).isEmpty();
  }

  @Test
  void chargeOfAnotherOperation_isLeftOut() throws Exception {
    till.client.charge("some-key", "acme/other/k", 100, "eur");
    Compared compared = till.compare();
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().payments()).isZero();
  }

  @Test
  void bookedPaymentThatIsNotThere_isMissingThere() throws Exception {
    IdempotencyKey key = till.paid("k");
    till.hides = true;
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.MISSING_THERE, Action.ASK_OPERATOR, key);
    assertThat(finding.confirmed()).isTrue();
    till.hasStatusQuery = false;
    assertThat(till.compare().only().confirmed()).isFalse();
    till.hasStatusQuery = true;
    assertThat(
            till.compareWith(till.reconciliation(till::page).statusQueries(0)).only().confirmed())
        .isFalse();
    assertThatThrownBy(() -> till.reconciliation().apply(finding))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("takes a decision");
  }

  @Test
  void paymentThatBeganBeforeTheWindow_isNotMissingThere() throws Exception {
    IdempotencyKey key = till.paid("k");
    till.age(key, Duration.ofHours(39));
    till.dsl.execute(
        "update pgbelay.payment set finished_at = clock_timestamp() - interval '1 hour'"
            + " where key = ?",
        key.key());
    till.hides = true;
    assertThat(till.compare().findings()).isEmpty();
  }

  @Test
  void otherAmount_isFoundAlsoWhereTheOutcomeIsUnknown() throws Exception {
    till.surcharge = 1;
    IdempotencyKey key = till.paid("k");
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.AMOUNT_DIFFERS, Action.ASK_OPERATOR, key);
    assertThat(finding.expected()).contains(new Amount(100, "EUR"));
    assertThat(finding.records().get(0).amount()).isEqualTo(new Amount(101, "EUR"));
    till.unknown("u", ProviderFault.DROP_AFTER_ACTING);
    assertThat(till.compare().findings())
        .hasSize(2)
        .extracting(Finding::kind)
        .containsOnly(Kind.AMOUNT_DIFFERS);
  }

  @Test
  void amountThatCannotBeRead_isCountedAndEndsNothing() throws Exception {
    till.paid("k");
    till.unknown("u", ProviderFault.DROP_AFTER_ACTING);
    Compared compared =
        till.compareWith(
            till.reconciliation(till::page)
                .expected(
                    execution -> {
                      throw new IllegalStateException("secret");
                    }));
    assertThat(compared.report().unreadable()).isEqualTo(2);
    assertThat(compared.report().matched()).isEqualTo(1);
    assertThat(compared.only().action()).isEqualTo(Action.ASK_OPERATOR);
  }

  @Test
  void chargeThatWasTakenBackThere_isToBeBooked() throws Exception {
    IdempotencyKey key = till.paid("k");
    till.client.refund("r", till.provider.charges().get(0).id());
    assertFinding(till.compare().only(), Kind.STATE_DIFFERS, Action.BOOK, key);
  }

  @Test
  void chargeOfARefusedPayment_isToBeRefunded() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_AFTER_ACTING);
    till.operation.settle(key, Till.CHARGED, ProviderReply.refused("operator's guess"));
    till.pay(key, 100);
    assertFinding(till.compare().only(), Kind.STATE_DIFFERS, Action.REFUND, key);
  }

  @Test
  void compensatedPayment_isMatchedOnlyIfTheProviderTookItBack() throws Exception {
    till.ships = false;
    IdempotencyKey key = till.key("k");
    assertThat(till.pay(key, 100).response()).contains("sold out");
    Compared compared = till.compare();
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().matched()).isEqualTo(1);
    Compared before =
        till.compareWith(
            till.reconciliation(
                (since, next) -> {
                  ProviderRecords.Page page = till.page(since, next);
                  return new ProviderRecords.Page(
                      page.records().stream().map(ReconciliationPostgresTest::standing).toList(),
                      page.next());
                }));
    assertFinding(before.only(), Kind.STATE_DIFFERS, Action.REFUND, key);
  }

  private static ProviderRecord standing(ProviderRecord record) {
    return new ProviderRecord(
        record.id(),
        record.providerKey(),
        record.payment(),
        record.amount(),
        ProviderRecord.State.SUCCEEDED,
        record.createdAt());
  }

  @Test
  void twoChargesUnderOneKey_areADuplicate() throws Exception {
    IdempotencyKey key = till.paid("k");
    till.provider.forgetKeys();
    till.client.charge(
        till.operation.providerKey(key, Till.CHARGED), Till.reference(key), 100, "eur");
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.DUPLICATE, Action.REFUND_ALL_BUT_ONE, key);
    assertThat(finding.records()).hasSize(2);
    till.client.refund("r", finding.records().get(1).id());
    assertThat(till.compare().report().isClean()).isTrue();
  }

  @Test
  void secondChargeUnderAnotherProviderKey_isADuplicate() throws Exception {
    IdempotencyKey key = till.paid("k");
    till.client.charge("made-up", Till.reference(key), 100, "eur");
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.DUPLICATE, Action.REFUND, key);
    assertThat(finding.records()).extracting(ProviderRecord::providerKey).hasSize(1);
    assertThat(finding.records().get(0).providerKey()).contains("made-up");
  }

  @Test
  void chargeLongAfterThePaymentWasFinished_isTheOneToBeRefunded() throws Exception {
    till.ago(Duration.ofHours(2));
    IdempotencyKey key = till.paid("k");
    till.provider.forgetKeys();
    till.ago(Duration.ofHours(1));
    till.client.charge(
        till.operation.providerKey(key, Till.CHARGED), Till.reference(key), 100, "eur");
    Finding finding = till.compare().only();
    assertFinding(finding, Kind.DUPLICATE, Action.REFUND, key);
    assertThat(finding.records())
        .extracting(ProviderRecord::id)
        .containsExactly(till.provider.charges().get(1).id());
  }

  /** The first charge is older than the list. */
  @Test
  void chargeLongAfterThePaymentWasFinished_isADuplicate() throws Exception {
    IdempotencyKey key = till.paid("k");
    till.age(key, Duration.ofHours(45));
    assertFinding(till.compare().only(), Kind.DUPLICATE, Action.REFUND, key);
  }

  @Test
  void providerThatKeepsThePaymentsKeyAlone_isMatchedByIt() throws Exception {
    till.paid("k");
    Compared compared =
        till.compareWith(
            till.reconciliation(
                (since, next) -> {
                  ProviderRecords.Page page = till.page(since, next);
                  return new ProviderRecords.Page(
                      page.records().stream().map(ReconciliationPostgresTest::keyless).toList(),
                      page.next());
                }));
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().matched()).isEqualTo(1);
  }

  private static ProviderRecord keyless(ProviderRecord record) {
    return new ProviderRecord(
        record.id(),
        Optional.empty(),
        record.payment(),
        record.amount(),
        record.state(),
        record.createdAt());
  }

  @Test
  void windowThatPurgedPaymentsFallInto_isRefused() {
    Reconciliation<String, String> reconciliation = till.reconciliation();
    assertThatThrownBy(() -> reconciliation.compare(Duration.ofDays(3), finding -> {}))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("keeps them for PT72H");
    assertThatThrownBy(() -> reconciliation.compare(Duration.ofSeconds(1), finding -> {}))
        .hasMessageContaining("lookBack");
    assertThatThrownBy(
            () ->
                till.transactions.execute(
                    tx -> {
                      try {
                        reconciliation.compare(Till.LOOK_BACK, finding -> {});
                      } catch (InterruptedException e) {
                        throw new AssertionError(e);
                      }
                    }))
        .isInstanceOf(TransactionException.class);
  }

  @Test
  void settlementWithoutAResult_isRefusedByName() throws Exception {
    till.unknown("k", ProviderFault.DROP_AFTER_ACTING);
    Finding finding = till.compare().only();
    Reconciliation<String, String> bare =
        Reconciliation.builder(till.transactions, till.operation.ledger(Till.CHARGED), till::page)
            .build();
    assertThatThrownBy(() -> bare.apply(finding)).hasMessageContaining("results(");
  }
}
