package dev.pgbelay.examples.demo.keyset;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.report.Chart;
import dev.pgbelay.examples.demo.report.Comparison;
import java.util.List;

/** One question about paging, answered by measuring. */
interface Study {
  Findings run(DemoContext context);

  /** Lines of the table and pictures. */
  record Findings(List<Comparison> comparisons, List<Chart> charts) {}
}
