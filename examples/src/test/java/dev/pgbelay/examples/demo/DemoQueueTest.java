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

class DemoQueueTest {

  /** What is counted, not what is measured: how fast either side is, the machine decides. */
  @Test
  void queue_losesNoJobOfAKilledWorker_andAStalledOneWritesNothingTwice(@TempDir Path out)
      throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();

    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=10000",
            "--only=queue",
            "--out=" + out);

    String said = console.toString(StandardCharsets.UTF_8);
    assertThat(exitCode).as(said).isZero();
    JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    JsonNode comparisons = report.at("/scenarios/0/comparisons");
    assertThat(comparisons.findValuesAsText("id"))
        .containsExactly("one-by-one", "killed-worker", "stalled-worker");
    assertThat(comparisons.at("/1/damage/0/naive").asLong())
        .as("of ten that were claimed, four were done")
        .isEqualTo(6);
    assertThat(comparisons.at("/1/damage/0/safe").asLong()).isZero();
    assertThat(comparisons.at("/2/damage/0/naive").asLong()).isEqualTo(6);
    assertThat(comparisons.at("/2/damage/0/safe").asLong()).isZero();
    assertThat(said).contains("Job queue (", "invoices written twice");
    assertThat(Files.readString(out.resolve("index.html"))).contains("<section id=\"queue\">");
  }
}
