package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A relay with default settings in a JVM whose whole heap has 64 MiB, in front of a backlog. */
class RelayHeapTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int SMALL = FULL ? 1_000_000 : 30_000;
  private static final int ONE_KEY = FULL ? 1_000_000 : 15_000;
  private static final int LARGE = FULL ? 100_000 : 5_000;
  private static final int KEYS = 1_000;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  @Test
  void backlog_isDeliveredWithin64MiB() throws Exception {
    append(SMALL, 200, 5_000);
    SmallRelay.deliver(postgres.jdbcUrl(), fixture.destination, SMALL);
    assertThat(fixture.payloads()).isEmpty();
  }

  /** As large as a payload may be that is read ahead. */
  @Test
  void backlogOfPayloadsThatAreReadAhead_isDeliveredWithin64MiB() throws Exception {
    append(LARGE, 4_096, 500);
    SmallRelay.deliver(postgres.jdbcUrl(), fixture.destination, LARGE);
    assertThat(fixture.payloads()).isEmpty();
  }

  /** All of one key, which one call at a time delivers. */
  @Test
  void backlogOfOneKey_isDeliveredWithin64MiB() throws Exception {
    append(ONE_KEY, 200, 5_000, 1);
    SmallRelay.deliver(postgres.jdbcUrl(), fixture.destination, ONE_KEY);
    assertThat(fixture.payloads()).isEmpty();
  }

  private void append(int messages, int payload, int atOnce) {
    append(messages, payload, atOnce, KEYS);
  }

  private void append(int messages, int payload, int atOnce, int keys) {
    String text = "x".repeat(payload);
    for (int from = 0; from < messages; from += atOnce) {
      List<NewMessage> some = new ArrayList<>(atOnce);
      for (int i = from; i < from + atOnce; i++) {
        some.add(fixture.message("key-" + i % keys, text));
      }
      assertThat(fixture.appendAll(some)).hasSize(atOnce);
    }
  }
}
