package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.io.BufferedReader;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class OptionalLibrariesTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  @Test
  void withoutMicrometerAndCaffeine_paymentsAndSimpleOperationsWork() throws Exception {
    String classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(each -> !each.contains("micrometer") && !each.contains("caffeine"))
            .collect(Collectors.joining(File.pathSeparator));
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-cp",
                classPath,
                BareProcess.class.getName(),
                postgres.jdbcUrl())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader said = jvm.inputReader(StandardCharsets.UTF_8)) {
      List<String> lines = said.lines().toList();
      assertThat(jvm.waitFor(60, TimeUnit.SECONDS)).isTrue();
      assertThat(lines)
          .containsExactly(
              "absent", "absent", "EXECUTED", "REPLAYED", "UNKNOWN_OUTCOME", "paid by ch-1, 1");
    } finally {
      jvm.destroyForcibly();
    }
  }
}
