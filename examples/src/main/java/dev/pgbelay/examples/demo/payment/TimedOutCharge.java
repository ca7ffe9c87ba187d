package dev.pgbelay.examples.demo.payment;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.payment.HandWrittenKeys.OnException;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import java.util.List;

/** What becomes of a customer whose card was charged by a call that timed out? */
final class TimedOutCharge implements Study {
  private static final String TASK = "A provider that charges, and answers too late";
  private static final String WHAT =
      Cards.CUSTOMERS + " customers pay; the provider charges ten of them and answers too late";
  private static final String SAFE = "PaymentOperation with a Completer";

  @Override
  public Findings run(DemoContext context) throws Exception {
    Clicks freed = Clicks.handWritten(context, OnException.FREE);
    context.progress().step(TASK, 1, 3);
    Clicks stuck = Clicks.handWritten(context, OnException.STAY);
    context.progress().step(TASK, 2, 3);
    Clicks safe = Clicks.pgbelay(context);
    context.progress().step(TASK, 3, 3);
    return new Findings(
        List.of(
            new Comparison(
                "charged-twice",
                WHAT,
                "frees the key when the call throws, and the customer clicks again",
                SAFE,
                Measure.seconds(freed.seconds()),
                Measure.seconds(safe.seconds()),
                List.of(
                    new Damage(
                        "customers charged twice", freed.chargedTwice(), safe.chargedTwice()),
                    new Damage(
                        "customers without a receipt", freed.unanswered(), safe.unanswered())),
                "An exception was taken for \"did not happen\"."),
            new Comparison(
                "never-answered",
                "The same; what becomes of the keys whose call threw",
                "leaves the key taken when the call throws",
                "the key is UNKNOWN, and the completer asks the provider",
                Measure.seconds(stuck.seconds()),
                Measure.seconds(safe.seconds()),
                List.of(
                    new Damage(
                        "customers charged twice", stuck.chargedTwice(), safe.chargedTwice()),
                    new Damage(
                        "charged customers without a receipt",
                        stuck.unanswered(),
                        safe.unanswered())),
                "Charged once, and never told so. With pgbelay "
                    + safe.unknown()
                    + " keys were UNKNOWN for a time, and all of them were settled.")),
        List.of());
  }
}
