package dev.pgbelay.examples.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DemoOptionsTest {

  @Test
  void list_namesEveryScenario() {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    assertThat(Demo.run(new PrintStream(console, true, StandardCharsets.UTF_8), "--list")).isZero();
    assertThat(console.toString(StandardCharsets.UTF_8).lines())
        .satisfiesExactly(
            line -> assertThat(line).matches("keyset +\\S.*"),
            line -> assertThat(line).matches("batching +\\S.*"),
            line -> assertThat(line).matches("locking +\\S.*"),
            line -> assertThat(line).matches("queue +\\S.*"),
            line -> assertThat(line).matches("payment +\\S.*"),
            line -> assertThat(line).matches("outbox +\\S.*"),
            line -> assertThat(line).matches("routing +\\S.*"),
            line -> assertThat(line).matches("reconciliation +\\S.*"));
  }

  @ParameterizedTest
  @CsvSource({
    "--rows=9999, is not between 10000 and 100000000",
    "--rows=many, --rows",
    "--only=nothing, Known: keyset",
    "--sead=1, --sead"
  })
  void wrongOption_isRefusedByName(String option, String says) {
    StringWriter errors = new StringWriter();
    PrintStream console =
        new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
    int exitCode = Demo.commandLine(console).setErr(new PrintWriter(errors, true)).execute(option);
    assertThat(exitCode).isEqualTo(2);
    assertThat(errors.toString()).contains(says);
  }

  @Test
  void tooLittleDisk_isRefusedWithFiguresAndARemedy(@TempDir Path directory) {
    assertThatThrownBy(() -> Preflight.check(directory, 1L << 40))
        .isInstanceOf(DemoException.class)
        .hasMessageContainingAll(directory.toString(), "MiB are free", "--rows", "TMPDIR");
  }

  @Test
  void missingDirectory_isRefusedByName(@TempDir Path directory) {
    assertThatThrownBy(() -> Preflight.check(directory.resolve("gone"), 10_000))
        .isInstanceOf(DemoException.class)
        .hasMessageContainingAll(directory.resolve("gone").toString(), "TMPDIR");
  }
}
