package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.PollPace;
import dev.pgbelay.core.wakeup.WakeUps;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * What a relay was told; {@link OutboxRelayBuilder} says what each means.
 *
 * @param window how many messages of a destination may be in memory
 * @param windowBytes how many bytes of them
 * @param ackSql instead of the usual one; for tests that take a fence away
 * @param holdSql the same
 */
record RelayOptions(
    Transactions transactions,
    DataSource heartbeats,
    String name,
    String schema,
    String node,
    Duration lease,
    PollPace pace,
    Duration closeDeadline,
    @Nullable ThreadFactory threadFactory,
    List<Destination> destinations,
    List<Outbox> outboxes,
    @Nullable MeterRegistry registry,
    int window,
    long windowBytes,
    AckSql ackSql,
    HoldSql holdSql) {

  RelayOptions {
    destinations = List.copyOf(destinations);
    outboxes = List.copyOf(outboxes);
  }

  /** Who tells of commits of other processes, if anybody does. */
  @Nullable WakeUps wakeUps() {
    return pace.wakeUps();
  }
}
