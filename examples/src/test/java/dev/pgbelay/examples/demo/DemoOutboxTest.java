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

class DemoOutboxTest {

  /** What is counted, not what is measured. */
  @Test
  void outbox_losesNothingAndInventsNothing_whereTheNaiveWaysDo(@TempDir Path out)
      throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();

    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=10000",
            "--only=outbox",
            "--out=" + out);

    String said = console.toString(StandardCharsets.UTF_8);
    assertThat(exitCode).as(said).isZero();
    JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    JsonNode comparisons = report.at("/scenarios/0/comparisons");
    assertThat(comparisons.findValuesAsText("id"))
        .containsExactly("crash-in-between", "rolled-back", "backlog");
    assertThat(comparisons.at("/0/damage/0/naive").asLong()).isEqualTo(10);
    assertThat(comparisons.at("/1/damage/0/naive").asLong()).isEqualTo(20);
    assertThat(comparisons.at("/1/safe/value").asLong()).isEqualTo(480);
    for (JsonNode damage : comparisons.findValues("damage")) {
      assertThat(damage.findValues("safe")).allMatch(safe -> safe.asLong() == 0);
    }
    assertThat(said).contains("Outbox (", "events lost");
    assertThat(Files.readString(out.resolve("index.html"))).contains("<section id=\"outbox\">");
  }
}
