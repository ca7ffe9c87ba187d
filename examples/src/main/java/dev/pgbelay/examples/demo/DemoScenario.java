package dev.pgbelay.examples.demo;

import dev.pgbelay.examples.demo.report.ScenarioResult;

/**
 * One pattern's naive habit against its safe form. A new one joins the list in {@link Demo}; table,
 * page and {@code report.json} take it from its result. A scenario may change the loaded orders
 * only where no other scenario reads them, and stays below 30 seconds on two processors.
 */
public interface DemoScenario {

  /** The name given to {@code --only}. */
  String id();

  /** What {@code --list} says about it, in one line. */
  String summary();

  /** Runs both sides and reports what was measured. */
  ScenarioResult run(DemoContext context) throws Exception;
}
