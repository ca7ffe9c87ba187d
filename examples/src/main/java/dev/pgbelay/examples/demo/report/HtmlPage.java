package dev.pgbelay.examples.demo.report;

import com.samskivert.mustache.Mustache;
import com.samskivert.mustache.Template;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * The report as one HTML page that needs nothing beside itself: style and pictures are inline, no
 * script. The template escapes every value.
 */
final class HtmlPage {

  private static final Template PAGE =
      Mustache.compiler().withLoader(HtmlPage::open).compile(open("index"));

  private HtmlPage() {}

  static String render(Report report) {
    return PAGE.execute(
        new PageView(report, report.scenarios().stream().map(HtmlPage::view).toList()));
  }

  record PageView(Report report, List<ScenarioView> scenarios) {
    String loadSeconds() {
      return String.format(Locale.ROOT, "%.1f", report.loadTime().toMillis() / 1000.0);
    }

    String rows() {
      return String.format(Locale.ROOT, "%,d", report.rows());
    }
  }

  record ScenarioView(
      ScenarioResult result, List<ComparisonView> comparisons, List<ChartView> charts) {
    String seconds() {
      return String.format(Locale.ROOT, "%.1f", result.took().toMillis() / 1000.0);
    }
  }

  record ComparisonView(Comparison comparison, String factor, List<DamageView> damage) {}

  record DamageView(String what, String naive, String safe) {}

  record ChartView(
      Chart chart, List<LegendEntry> legend, List<LineDrawing> lines, List<BarView> bars) {
    boolean hasBars() {
      return !bars.isEmpty();
    }
  }

  record LegendEntry(String role, String label) {}

  record BarView(String role, String label, String kept, String says) {}

  private static ScenarioView view(ScenarioResult result) {
    return new ScenarioView(
        result,
        result.comparisons().stream().map(HtmlPage::view).toList(),
        result.charts().stream().map(HtmlPage::view).toList());
  }

  private static ComparisonView view(Comparison comparison) {
    return new ComparisonView(
        comparison,
        Factor.text(comparison),
        comparison.damageDone().stream()
            .map(d -> new DamageView(d.what(), number(d.naive()), number(d.safe())))
            .toList());
  }

  private static ChartView view(Chart chart) {
    if (chart instanceof LineChart lines) {
      return new ChartView(
          chart,
          lines.lines().stream()
              .map(l -> new LegendEntry(LineDrawing.css(l.role()), l.label()))
              .toList(),
          List.of(
              LineDrawing.of(lines, "wide", 780, 380), LineDrawing.of(lines, "narrow", 370, 300)),
          List.of());
    }
    List<ShareChart.Bar> bars = ((ShareChart) chart).bars();
    return new ChartView(chart, List.of(), List.of(), bars.stream().map(HtmlPage::view).toList());
  }

  private static BarView view(ShareChart.Bar bar) {
    double kept = 100.0 * (bar.expected() - bar.lost()) / Math.max(1, bar.expected());
    String says =
        bar.lost() == 0
            ? "all " + number(bar.expected()) + " rows"
            : number(bar.lost()) + " of " + number(bar.expected()) + " rows lost";
    return new BarView(
        LineDrawing.css(bar.role()), bar.label(), String.format(Locale.ROOT, "%.2f", kept), says);
  }

  private static String number(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  private static Reader open(String template) {
    InputStream resource = HtmlPage.class.getResourceAsStream(template + ".mustache");
    return new InputStreamReader(
        Objects.requireNonNull(resource, () -> "no template " + template), StandardCharsets.UTF_8);
  }
}
