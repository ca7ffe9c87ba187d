package dev.pgbelay.examples.demo.locking;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.report.Chart;
import dev.pgbelay.examples.demo.report.Comparison;
import java.util.List;

/** One question about locks, answered by measuring. */
interface Study {
  Findings run(DemoContext context) throws Exception;

  /** Lines of the table and pictures. */
  record Findings(List<Comparison> comparisons, List<Chart> charts) {}
}
