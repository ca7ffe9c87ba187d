package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an operator reads of a job that failed for good before deciding about it. */
class DeadLetterPayloadPostgresTest {
  private static final String SECRET = "to: somebody@example.org";
  private static final byte[] NOT_UTF8 = {'s', 'e', 'c', 'r', 'e', 't', (byte) 0xff};

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers running = new RunningWorkers(postgres, 4);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());
  private final DeadLetters letters = DeadLetters.create();

  private long deadLetter(NewJob<?> job) {
    int before = fixture.dead();
    long id = fixture.enqueue(job.withQueue(fixture.queue).withMaxAttempts(1));
    running.start(
        JobWorker.builder(fixture.transactions, running.heartbeats())
            .name(QueueFixture.freshName())
            .queue(fixture.queue, 1)
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  throw new IllegalStateException("down");
                }));
    QueueFixture.await(() -> fixture.dead() == before + 1);
    return id;
  }

  @Test
  void payloadOfADeadLetter_isReadAsItsKindWritesItAndAsBytes() {
    long id = deadLetter(fixture.mail(SECRET));
    assertThat(letters.payload(fixture.dsl, QueueFixture.MAIL, id)).contains(SECRET);
    assertThat(letters.bytes(fixture.dsl, id).orElseThrow())
        .isEqualTo(SECRET.getBytes(StandardCharsets.UTF_8));
    assertThat(letters.payload(fixture.dsl, JobKind.text("other"), id)).isEmpty();
    assertThat(letters.payload(fixture.dsl, QueueFixture.MAIL, id + 1)).isEmpty();
    assertThat(letters.bytes(fixture.dsl, id + 1)).isEmpty();
  }

  @Test
  void payloadThatTheCodecRefuses_isReadAsBytesAndQuotedNowhere() {
    long id = deadLetter(JobKind.bytes(QueueFixture.MAIL.name()).job(NOT_UTF8));
    assertThatThrownBy(() -> letters.payload(fixture.dsl, QueueFixture.MAIL, id))
        .isInstanceOf(PgBelayException.class)
        .hasNoCause()
        .hasMessageContaining("dead letter " + id)
        .hasMessageContaining("MalformedInputException")
        .hasMessageContaining("bytes(dsl, id)")
        .hasMessageNotContaining("secret");
    assertThat(letters.bytes(fixture.dsl, id).orElseThrow()).isEqualTo(NOT_UTF8);
  }

  /** Reads a dead letter while jOOQ logs all that it does. */
  static final class Reader {
    private Reader() {}

    public static void main(String[] args) {
      long id = Long.parseLong(args[1]);
      try (HikariDataSource pool = QueueFixture.pool(args[0], 1)) {
        var dsl = DSL.using(pool, SQLDialect.POSTGRES);
        DeadLetters letters = DeadLetters.create();
        letters.listAll(dsl, 10);
        System.err.println("<begin>");
        int read = letters.payload(dsl, QueueFixture.MAIL, id).orElseThrow().length();
        int bytes = letters.bytes(dsl, id).orElseThrow().length;
        System.err.println("read " + (read + bytes) + "<end>");
      }
    }
  }

  @Test
  void payload_isNotLoggedByJooq() throws Exception {
    long id = deadLetter(fixture.mail(SECRET));
    String said =
        ChildJvm.output(
            Reader.class,
            List.of("org.slf4j.simpleLogger.log.org.jooq=debug"),
            postgres.jdbcUrl(),
            Long.toString(id));
    String before = said.substring(0, said.indexOf("<begin>"));
    String during = said.substring(said.indexOf("<begin>"), said.indexOf("<end>"));
    assertThat(before).as("jOOQ logs").contains("LoggerListener");
    assertThat(during).contains("read " + 2 * SECRET.length()).doesNotContain("LoggerListener");
  }
}
