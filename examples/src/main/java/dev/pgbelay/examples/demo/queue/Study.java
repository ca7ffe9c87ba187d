package dev.pgbelay.examples.demo.queue;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.report.Comparison;

/** One question about a queue, answered by measuring. */
interface Study {
  Comparison run(DemoContext context) throws Exception;
}
