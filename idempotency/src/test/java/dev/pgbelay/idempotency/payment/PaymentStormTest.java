package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Payments of three steps, called several times at once by each of two processes, under everything
 * that goes wrong; at four kinds of providers, whose webhooks go through the inbox. The same
 * without the fence, and with keys that are freed on an exception, shows at full scale what each is
 * for; what it shows is forced in {@code DoubleChargePostgresTest}.
 */
class PaymentStormTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int KEYS = FULL ? 520 : 12;
  private static final int ROUNDS = FULL ? 8 : 1;

  @Test
  void paymentsUnderRandomFaults_chargeOnceBookOnceAndEndAnsweredOrUnknownWithTheTruth()
      throws Exception {
    try (PaymentStorm storm = new PaymentStorm(StormProcess.Mode.PGBELAY, KEYS, ROUNDS)) {
      storm.rage();
      storm.calm();
      StormTruth truth = storm.truth();
      System.out.println(storm.report(truth));
      assertThat(truth.violations(storm.answers())).as(storm.seed()).isEmpty();
      storm.requireEachEventHandledOnce();
      if (FULL) {
        assertThat(storm.provoked().values()).as("each kind of fault").doesNotContain(0);
      }
      storm.forgetAndAskAgain();
      assertThat(storm.truth().violations(storm.answers())).as(storm.seed()).isEmpty();
      storm.decide(truth.in(OpenPayment.State.UNKNOWN));
      StormTruth end = storm.truth();
      assertThat(end.violations(storm.answers())).as(storm.seed()).isEmpty();
      assertThat(end.in(OpenPayment.State.UNKNOWN)).as(storm.seed()).isEmpty();
    }
  }

  /** Prints what it comes to: whether one wakes at the worst moment is luck here. */
  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void sameWithoutTheFence_isShown() throws Exception {
    doubleCharges(StormProcess.Mode.WITHOUT_FENCE);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void sameWithKeysFreedOnAnException_chargesTwice() throws Exception {
    assertThat(doubleCharges(StormProcess.Mode.FREE_ON_EXCEPTION)).containsKey(StormRegime.KEYLESS);
  }

  private static Map<StormRegime, Long> doubleCharges(StormProcess.Mode mode) throws Exception {
    try (PaymentStorm storm = new PaymentStorm(mode, KEYS, ROUNDS)) {
      storm.rage();
      StormTruth truth = storm.truth();
      System.out.println(storm.report(truth));
      assertThat(storm.fencesRemoved() > 0).isEqualTo(mode == StormProcess.Mode.WITHOUT_FENCE);
      return truth.doubleCharges();
    }
  }
}
