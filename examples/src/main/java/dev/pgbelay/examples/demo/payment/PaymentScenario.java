package dev.pgbelay.examples.demo.payment;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.DemoScenario;
import dev.pgbelay.examples.demo.Study.Findings;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import java.time.Duration;
import java.util.List;

/** Hand-written idempotency keys against the payments of {@code idempotency}. */
public final class PaymentScenario implements DemoScenario {
  private static final String PROBLEM =
      "The provider timed out: did the charge happen? Code that takes the exception for a no frees"
          + " the key, and the customer's next click charges again. Code that takes it for nothing"
          + " leaves a customer who was charged and is never told.";

  private static final List<String> CAVEATS =
      List.of(
          "The provider is a server of this process, over real sockets: it charges at once, and"
              + " holds its answer until the caller, who waits for "
              + Cards.PATIENCE.toMillis()
              + " ms, has gone. It honours idempotency keys; the hand-written code makes one for"
              + " each call, so it is of no use.",
          "Both take their turns one after the other. The seconds are mostly those of the ten calls"
              + " that are waited for, and with pgbelay the pauses until the provider is asked what"
              + " it did; they say nothing about throughput.");

  @Override
  public String id() {
    return "payment";
  }

  @Override
  public String summary() {
    return "A provider that times out after charging: double charges, and keys nobody settles";
  }

  @Override
  public ScenarioResult run(DemoContext context) throws Exception {
    long start = System.nanoTime();
    SchemaInstaller.builder(context.dataSource()).modules("idempotency").build().install();
    Findings findings = Findings.of(List.of(new TimedOutCharge()), context);
    return new ScenarioResult(
        id(),
        "Idempotent payments",
        PROBLEM,
        findings.comparisons(),
        findings.charts(),
        CAVEATS,
        Duration.ofNanos(System.nanoTime() - start));
  }
}
