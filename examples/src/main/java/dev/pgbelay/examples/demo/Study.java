package dev.pgbelay.examples.demo;

import dev.pgbelay.examples.demo.report.Chart;
import dev.pgbelay.examples.demo.report.Comparison;
import java.util.ArrayList;
import java.util.List;

/** One question of a scenario, answered by measuring. */
public interface Study {
  Findings run(DemoContext context) throws Exception;

  /** Lines of the table and pictures. */
  record Findings(List<Comparison> comparisons, List<Chart> charts) {

    /** Of all studies, run one after the other. */
    public static Findings of(List<? extends Study> studies, DemoContext context) throws Exception {
      List<Comparison> comparisons = new ArrayList<>();
      List<Chart> charts = new ArrayList<>();
      for (Study study : studies) {
        Findings found = study.run(context);
        comparisons.addAll(found.comparisons());
        charts.addAll(found.charts());
      }
      return new Findings(comparisons, charts);
    }
  }
}
