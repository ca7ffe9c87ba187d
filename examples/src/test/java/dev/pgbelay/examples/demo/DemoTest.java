package dev.pgbelay.examples.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoTest {
  @TempDir private static Path out;
  private static String printed = "";
  private static JsonNode report = new ObjectMapper().createObjectNode();
  private static String page = "";

  @BeforeAll
  static void runTheDemo() throws IOException {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=30000",
            "--seed=7",
            "--only=keyset",
            "--out=" + out);
    printed = console.toString(StandardCharsets.UTF_8);
    assertThat(exitCode).as(printed).isZero();
    report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    page = Files.readString(out.resolve("index.html"));
  }

  @Test
  void report_saysWhatRanOnWhat() {
    assertThat(report.get("rows").asLong()).isEqualTo(30_000);
    assertThat(report.get("seed").asLong()).isEqualTo(7);
    assertThat(report.get("postgres").asText())
        .startsWith(System.getProperty("pgbelay.postgres.major"));
    assertThat(report.get("command").asText())
        .isEqualTo("./demo --rows 30000 --seed 7 --only keyset");
    assertThat(report.get("scenarios")).hasSize(1);
    assertThat(report.at("/scenarios/0/id").asText()).isEqualTo("keyset");
  }

  @Test
  void safeRuns_sufferNoDamageWhereNaiveRunsDo() {
    Map<String, Long> naive = new HashMap<>();
    for (JsonNode comparison : report.at("/scenarios/0/comparisons")) {
      for (JsonNode damage : comparison.get("damage")) {
        String what = comparison.get("id").asText() + ", " + damage.get("what").asText();
        assertThat(damage.get("safe").asLong()).as("pgbelay: " + what).isZero();
        naive.put(what, damage.get("naive").asLong());
      }
    }
    assertThat(naive)
        .hasSize(6)
        .hasEntrySatisfying("while-others-write, rows skipped", n -> assertThat(n).isPositive())
        .hasEntrySatisfying("while-others-write, rows doubled", n -> assertThat(n).isPositive())
        .hasEntrySatisfying("ties, rows skipped", n -> assertThat(n).isPositive())
        .hasEntrySatisfying("nulls, rows skipped", n -> assertThat(n).isBetween(2_400L, 3_600L));
  }

  @Test
  void rowsAndDamage_addUp() {
    for (String id : new String[] {"ties", "nulls"}) {
      JsonNode comparison = comparison(id);
      assertThat(comparison.at("/safe/value").asLong()).isEqualTo(30_000);
      assertThat(comparison.at("/naive/value").asLong() + comparison.at("/damage/0/naive").asLong())
          .isEqualTo(30_000);
    }
  }

  @Test
  void factor_isTheNaiveTimeOverTheSafeOne() {
    JsonNode deepPage = comparison("deep-page");
    double naive = deepPage.at("/naive/value").asDouble();
    double safe = deepPage.at("/safe/value").asDouble();
    assertThat(naive).isPositive();
    assertThat(safe).isPositive();
    assertThat(deepPage.get("factor").asDouble())
        .isCloseTo(naive / safe, within(naive / safe / 50));
  }

  @Test
  void page_showsTheScenarioAndNeedsNothingElse() {
    assertThat(page)
        .contains("<section id=\"keyset\">", "<h2>Keyset pagination</h2>", "<svg", "30,000")
        .contains("./demo --rows 30000 --seed 7 --only keyset")
        .doesNotContain("http:", "https:", "src=", "@import", "<script", "<link", "url(", "{{");
    assertThat(page.split("<figure>", -1)).hasSize(5);
  }

  @Test
  void console_showsTheTableAndWhereThePageIs() {
    assertThat(printed)
        .contains("Keyset pagination (", "rows skipped (pgbelay: 0)", "What went wrong")
        .contains(out.resolve("index.html").toUri().toString());
  }

  private static JsonNode comparison(String id) {
    for (JsonNode comparison : report.at("/scenarios/0/comparisons")) {
      if (comparison.get("id").asText().equals(id)) {
        return comparison;
      }
    }
    throw new AssertionError("no comparison " + id + " in " + report);
  }
}
