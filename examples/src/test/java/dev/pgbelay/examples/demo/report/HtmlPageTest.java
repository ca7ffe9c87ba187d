package dev.pgbelay.examples.demo.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.examples.demo.report.Chart.Role;
import dev.pgbelay.examples.demo.report.LineChart.Axis;
import dev.pgbelay.examples.demo.report.LineChart.Line;
import dev.pgbelay.examples.demo.report.LineChart.Point;
import dev.pgbelay.examples.demo.report.LineChart.Scale;
import dev.pgbelay.examples.demo.report.ShareChart.Bar;
import java.io.StringReader;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.xml.sax.InputSource;

class HtmlPageTest {
  private static final String EVIL = "<img src=x onerror=alert(1)>\"'&{{report.seed}}";

  @Test
  void everyValue_isEscaped() {
    String page = HtmlPage.render(report(EVIL));
    assertThat(page).contains("&lt;img src").doesNotContain("<img", "onerror=alert", EVIL);
    assertThat(page.split("&lt;img", -1).length - 1)
        .as("places that show a text")
        .isGreaterThan(15);
  }

  @Test
  void everyPicture_isWellFormed() throws Exception {
    String page = HtmlPage.render(report("a & b"));
    List<String> pictures =
        Pattern.compile("<svg.*?</svg>", Pattern.DOTALL)
            .matcher(page)
            .results()
            .map(found -> found.group())
            .toList();
    assertThat(pictures).as("one for wide screens, one for phones").hasSize(2);
    for (String picture : pictures) {
      var document =
          DocumentBuilderFactory.newInstance()
              .newDocumentBuilder()
              .parse(new InputSource(new StringReader(picture)));
      assertThat(document.getElementsByTagName("circle").getLength()).isEqualTo(3);
      assertThat(picture).doesNotContain("NaN", "Infinity");
    }
  }

  private static Report report(String text) {
    Line line =
        new Line(
            text, Role.NAIVE, List.of(new Point(1, 0.2), new Point(10, 3), new Point(500, 90)));
    Comparison comparison =
        new Comparison(
            text,
            text,
            text,
            text,
            Measure.millis(10),
            Measure.millis(1),
            List.of(new Damage(text, 3, 0)),
            text);
    ScenarioResult scenario =
        new ScenarioResult(
            text,
            text,
            text,
            List.of(comparison),
            List.of(
                new LineChart(
                    text,
                    text,
                    new Axis(text, Scale.LOG, text),
                    new Axis(text, Scale.LINEAR, text),
                    List.of(line)),
                new ShareChart(text, text, List.of(new Bar(text, Role.SAFE, 10, 1)))),
            List.of(text),
            Duration.ofMillis(1));
    return new Report(text, text, text, 2, 10, 1, Duration.ofMillis(1), text, List.of(scenario));
  }
}
