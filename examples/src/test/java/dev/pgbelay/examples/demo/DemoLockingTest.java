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

class DemoLockingTest {

  @Test
  void locking_orderedNeverDeadlocks_andAGuardedLeaderOverwritesNothing(@TempDir Path out)
      throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();

    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=10000",
            "--only=locking",
            "--out=" + out);

    String said = console.toString(StandardCharsets.UTF_8);
    assertThat(exitCode).as(said).isZero();
    JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    JsonNode comparisons = report.at("/scenarios/0/comparisons");
    assertThat(comparisons.findValuesAsText("id"))
        .containsExactly("unordered-transfers", "stalled-leader");
    assertThat(comparisons.at("/0/damage/0/naive").asLong()).as("deadlocks").isNotNegative();
    assertThat(comparisons.at("/0/damage/0/safe").asLong()).isZero();
    assertThat(comparisons.at("/1/damage/0/naive").asLong()).isEqualTo(90);
    assertThat(comparisons.at("/1/damage/0/safe").asLong()).isZero();
    assertThat(report.at("/scenarios/0/charts/0/lines").size()).isEqualTo(2);
    assertThat(said).contains("Ordered locking (", "prices overwritten late");
    assertThat(Files.readString(out.resolve("index.html")))
        .contains("<section id=\"locking\">", "<svg", "pgbelay order", "deadlocks a second");
  }
}
