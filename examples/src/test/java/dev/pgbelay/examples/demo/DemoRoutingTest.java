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

class DemoRoutingTest {

  @Test
  void routedReads_areNeverStale_whereGuessesAre(@TempDir Path out) throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();

    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=10000",
            "--only=routing",
            "--out=" + out);

    String said = console.toString(StandardCharsets.UTF_8);
    assertThat(exitCode).as(said).isZero();
    JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    JsonNode comparisons = report.at("/scenarios/0/comparisons");
    assertThat(comparisons.findValuesAsText("id")).containsExactly("random-replica", "pinned");
    for (JsonNode comparison : comparisons) {
      assertThat(comparison.at("/damage/0/naive").asLong()).isPositive();
      assertThat(comparison.at("/damage/0/safe").asLong()).isZero();
      assertThat(comparison.at("/safe/value").asLong()).isPositive();
    }
    assertThat(Files.readString(out.resolve("index.html"))).contains("<section id=\"routing\">");
  }
}
