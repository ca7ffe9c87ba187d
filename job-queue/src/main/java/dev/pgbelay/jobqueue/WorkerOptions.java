package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.GuardedPermit;
import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.jobqueue.AttemptRunner.Handling;
import dev.pgbelay.jobqueue.events.JobListener;
import dev.pgbelay.jobqueue.internal.ManualAccess;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadFactory;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * What a worker was told; {@link JobWorkerBuilder} says what each means.
 *
 * @param queues with how many jobs at once, in the order in which they were named
 * @param settleSql instead of the usual one; for tests that take a fence away
 */
record WorkerOptions(
    Transactions transactions,
    DataSource heartbeats,
    String name,
    String schema,
    String node,
    Duration lease,
    Duration pollInterval,
    Duration closeDeadline,
    Retention retention,
    ThreadFactory threadFactory,
    Map<String, Handling<?>> handlings,
    Map<String, Integer> queues,
    List<JobListener> listeners,
    List<JobQueue> wakers,
    @Nullable WakeUps wakeUps,
    @Nullable MeterRegistry registry,
    @Nullable SettleSql settleSql) {

  WorkerOptions {
    handlings = Map.copyOf(handlings);
    queues = Collections.unmodifiableMap(new LinkedHashMap<>(queues));
    listeners = List.copyOf(listeners);
    wakers = List.copyOf(wakers);
  }

  Map<String, ClaimPermit> permits() {
    Map<String, ClaimPermit> permits = new HashMap<>();
    handlings.forEach(
        (kind, handling) -> handling.permit().ifPresent(one -> permits.put(kind, one)));
    return Map.copyOf(permits);
  }

  /** Kinds whose permit had no place the last time it was asked. */
  List<String> refusedKinds() {
    return handlings.entrySet().stream()
        .filter(kind -> kind.getValue().permit().filter(GuardedPermit::isRefusing).isPresent())
        .map(Map.Entry::getKey)
        .sorted()
        .toList();
  }

  /** With something around each handler, and nobody who watches or wakes; for the test kit. */
  WorkerOptions forManualUse(ManualAccess.Around around, int concurrency) {
    Map<String, Handling<?>> wrapped = new HashMap<>();
    handlings.forEach((kind, handling) -> wrapped.put(kind, handling.around(around)));
    Map<String, Integer> alike = new LinkedHashMap<>();
    queues.keySet().forEach(queue -> alike.put(queue, concurrency));
    return new WorkerOptions(
        transactions,
        heartbeats,
        name,
        schema,
        node,
        lease,
        Duration.ofSeconds(1),
        closeDeadline,
        retention,
        threadFactory,
        wrapped,
        alike,
        List.of(),
        List.of(),
        null,
        null,
        settleSql);
  }
}
