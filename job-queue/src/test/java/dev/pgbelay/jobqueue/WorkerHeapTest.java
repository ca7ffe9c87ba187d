package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A worker with default settings in a JVM whose whole heap has 64 MiB, in front of a backlog. */
class WorkerHeapTest {
  private static final int DUE = QueueFixture.FULL ? 1_000_000 : 200_000;
  private static final int TO_RUN = DUE / 10;
  private static final int PAYLOAD = 200;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  @Test
  void backlog_isWorkedOffWithin64MiB() throws Exception {
    fixture.dsl.execute(
        "insert into pgbelay.job (queue, kind, state, place, max_attempts, payload)"
            + " select ?, 'mail', 'ready', i, 3, convert_to(repeat('x', ?), 'UTF8')"
            + " from generate_series(1, ?) i",
        fixture.queue,
        PAYLOAD,
        DUE);
    SmallJvm.runJobs(postgres.jdbcUrl(), fixture.queue, TO_RUN, 16, 6);
    assertThat(fixture.finished("done")).isBetween(TO_RUN, DUE);
    assertThat(fixture.jobs("running")).isZero();
    assertThat(fixture.finished("done") + fixture.jobs("ready")).isEqualTo(DUE);
  }
}
