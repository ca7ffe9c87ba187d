package dev.pgbelay.batch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Streams in a JVM whose whole heap has 64 MiB: what does not fit there ends it. */
class BatchHeapTest {
  private static final int OUT_OF_MEMORY = 3;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(2);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  private record Ended(int exit, String said) {}

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private static Ended write(String way, int rows) throws IOException, InterruptedException {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:+ExitOnOutOfMemoryError",
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-cp",
                System.getProperty("java.class.path"),
                StreamingJvm.class.getName(),
                postgres.database().jdbcUrl(),
                way,
                Integer.toString(rows))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    StringBuilder said = new StringBuilder();
    try (BufferedReader answers = jvm.inputReader(StandardCharsets.UTF_8)) {
      for (String line = answers.readLine(); line != null; line = answers.readLine()) {
        said.append(line).append('\n');
      }
      assertThat(jvm.waitFor(60, TimeUnit.SECONDS)).isTrue();
    } finally {
      jvm.destroyForcibly();
    }
    return new Ended(jvm.exitValue(), said.toString());
  }

  private int count() {
    return transactions.run(tx -> tx.dsl().fetchCount(BatchSchema.ITEM));
  }

  @Test
  void streamOfAMillionRows_isInsertedWithin64MiB() throws Exception {
    Ended ended = write("insert", 1_000_000);
    assertThat(ended.said()).contains("COPY 1000000");
    assertThat(ended.exit()).isZero();
    assertThat(count()).isEqualTo(1_000_000);
  }

  @Test
  void streamOfUpserts_isStagedWithin64MiB() throws Exception {
    Ended ended = write("upsert", 400_000);
    assertThat(ended.said()).contains("STAGED 400000");
    assertThat(ended.exit()).isZero();
    assertThat(count()).isEqualTo(400_000);
  }

  /** The heap is small enough to tell the difference. */
  @Test
  void sameRowsCollectedFirst_doNotFit() throws Exception {
    Ended ended = write("collected", 400_000);
    assertThat(ended.exit()).isEqualTo(OUT_OF_MEMORY);
    assertThat(count()).isZero();
  }
}
