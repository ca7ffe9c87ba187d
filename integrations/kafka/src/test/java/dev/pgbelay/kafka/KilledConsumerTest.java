package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.testing.PostgresExtension;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A consumer with an inbox that is killed between its effects and the commit of its offsets. */
class KilledConsumerTest {
  private static final int RECORDS = 60;
  private static final String TOPIC = "killed";

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          // The broker, which all classes share, has threads of its own.
          .withoutLeakChecks()
          .withTemplate(
              dataSource -> {
                SchemaInstaller.builder(dataSource).modules("outbox").build().install();
                DSL.using(dataSource, SQLDialect.POSTGRES)
                    .execute("create table effect (place serial, id text not null)");
              });

  private static Process consumer(KafkaBroker broker, int hangAfter) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "-Xmx128m",
            "-Dorg.jooq.no-logo=true",
            "-Dorg.jooq.no-tips=true",
            "-cp",
            System.getProperty("java.class.path"),
            ConsumerProcess.class.getName(),
            postgres.jdbcUrl(),
            broker.bootstrap(),
            TOPIC,
            Integer.toString(hangAfter),
            Integer.toString(RECORDS))
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  private static String lastLine(Process process, String until) throws IOException {
    BufferedReader said =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    String last = "";
    for (String line = said.readLine(); line != null; line = said.readLine()) {
      last = line;
      if (line.equals(until)) {
        break;
      }
    }
    return last;
  }

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void effectsOfAConsumerThatIsKilledBeforeItsOffsets_happenOnceAndInOrder() throws Exception {
    KafkaBroker broker = KafkaBroker.shared();
    broker.createTopic(TOPIC, 1, Map.of());
    try (KafkaPublisher publisher =
        KafkaPublisher.builder(Map.of("bootstrap.servers", broker.bootstrap())).build()) {
      List<Message> messages = new ArrayList<>();
      for (int i = 0; i < RECORDS; i++) {
        messages.add(Messages.of(TOPIC, "key", Integer.toString(i)));
      }
      assertThat(publisher.publish(messages)).containsOnly(Delivery.delivered());
      Process killed = consumer(broker, 27);
      try {
        assertThat(lastLine(killed, ConsumerProcess.HANGS)).isEqualTo(ConsumerProcess.HANGS);
      } finally {
        killed.destroyForcibly();
      }
      assertThat(killed.waitFor(1, TimeUnit.MINUTES)).isTrue();
      Process next = consumer(broker, -1);
      try {
        assertThat(lastLine(next, ""))
            .as("those before the kill come again as far as no offset was committed")
            .matches("33 effects, [1-9][0-9]? duplicates");
        assertThat(next.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(next.exitValue()).isZero();
      } finally {
        next.destroyForcibly();
      }
      assertThat(
              DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
                  .fetch("select id from effect order by place")
                  .map(row -> row.get(0, String.class)))
          .isEqualTo(messages.stream().map(Message::messageId).toList());
    }
  }
}
