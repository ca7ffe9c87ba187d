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

class DemoPaymentTest {

  /** What is counted, not what is measured. */
  @Test
  void payment_chargesNobodyTwice_andSettlesWhatWasUnknown(@TempDir Path out) throws Exception {
    ByteArrayOutputStream console = new ByteArrayOutputStream();

    int exitCode =
        Demo.run(
            new PrintStream(console, true, StandardCharsets.UTF_8),
            "--rows=10000",
            "--only=payment",
            "--out=" + out);

    String said = console.toString(StandardCharsets.UTF_8);
    assertThat(exitCode).as(said).isZero();
    JsonNode report = new ObjectMapper().readTree(out.resolve("report.json").toFile());
    JsonNode comparisons = report.at("/scenarios/0/comparisons");
    assertThat(comparisons.findValuesAsText("id"))
        .containsExactly("charged-twice", "never-answered");
    assertThat(comparisons.at("/0/damage/0/naive").asLong()).isGreaterThanOrEqualTo(10);
    assertThat(comparisons.at("/1/damage/1/naive").asLong()).isGreaterThanOrEqualTo(10);
    for (JsonNode damage : comparisons.findValues("damage")) {
      assertThat(damage.findValues("safe")).allMatch(safe -> safe.asLong() == 0);
    }
    assertThat(said).contains("Idempotent payments (", "customers charged twice");
    assertThat(Files.readString(out.resolve("index.html"))).contains("<section id=\"payment\">");
  }
}
