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

class DemoBatchingTest {

  @Test
  void batching_hasItsFourComparisonsAndItsPicture_andTheSafeRunLosesNothing(@TempDir Path out)
      throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();

    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=20000",
            "--only=batching",
            "--out=" + out);

    assertThat(exitCode).as(console.toString(StandardCharsets.UTF_8)).isZero();
    JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    JsonNode comparisons = report.at("/scenarios/0/comparisons");
    assertThat(comparisons.findValuesAsText("id"))
        .containsExactly("row-at-a-time", "overlapping-upserts", "list-view", "giant-delete");
    assertThat(comparisons.at("/0/factor").asDouble()).isPositive();
    // How many batches deadlock depends on the moment; through the writer none ever does.
    assertThat(comparisons.at("/1/damage/0/naive").isIntegralNumber()).isTrue();
    assertThat(comparisons.at("/1/damage/0/safe").asLong()).isZero();
    assertThat(report.at("/scenarios/0/charts/0/lines").size()).isEqualTo(2);
    assertThat(Files.readString(out.resolve("index.html")))
        .contains("<section id=\"batching\">", "<svg", "pgbelay purge");
  }
}
