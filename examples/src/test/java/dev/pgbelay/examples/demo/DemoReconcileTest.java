package dev.pgbelay.examples.demo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoReconcileTest {

  @Test
  void whatWasSeeded_isFoundAndRepaired_andInsertsAreCountedOnBothSides(@TempDir Path out)
      throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();

    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=10000",
            "--only=reconciliation",
            "--out=" + out);

    String said = console.toString(StandardCharsets.UTF_8);
    assertThat(exitCode).as(said).isZero();
    JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    JsonNode comparisons = report.at("/scenarios/0/comparisons");
    assertThat(comparisons.findValuesAsText("id")).containsExactly("hot-parent", "nobody-looks");
    assertThat(comparisons.at("/0/naive/value").asDouble()).isPositive();
    assertThat(comparisons.at("/0/safe/value").asDouble()).isPositive();
    assertThat(comparisons.at("/1/naive/value").asLong()).isEqualTo(40 + 67 + 80);
    assertThat(comparisons.at("/1/safe/value").asLong()).isZero();
    assertThat(comparisons.toString()).contains("187 confirmed of 187 seeded");
    assertThat(Files.readString(out.resolve("index.html")))
        .contains("<section id=\"reconciliation\">");
  }
}
