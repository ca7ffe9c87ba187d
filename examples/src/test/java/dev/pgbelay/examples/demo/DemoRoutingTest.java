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
    assertThat(comparisons.findValuesAsText("id"))
        .containsExactly("random-replica", "pinned", "failover-random-replica", "failover-pinned");
    for (JsonNode comparison : comparisons) {
      for (JsonNode damage : comparison.at("/damage")) {
        assertThat(damage.at("/safe").asLong()).as("%s", damage).isZero();
      }
      assertThat(comparison.at("/safe/value").asLong()).isPositive();
    }
    for (int guess = 0; guess < 3; guess++) {
      assertThat(comparisons.get(guess).at("/damage/0/naive").asLong()).isPositive();
    }
    assertThat(comparisons.get(2).at("/damage/1/naive").asLong()).isPositive();
    // None of them was replicated: who does not say so is silent about all.
    assertThat(comparisons.get(3).at("/damage/2/naive").asLong()).isEqualTo(40);
    assertThat(Files.readString(out.resolve("index.html"))).contains("<section id=\"routing\">");
  }
}
