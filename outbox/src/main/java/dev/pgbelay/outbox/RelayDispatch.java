package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.permit.ClaimPermit;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes calls of one publisher, one after the other; each thread of a destination runs one. */
final class RelayDispatch implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(RelayDispatch.class);
  private static final TxOptions READ = TxOptions.forPath("outbox-payload");
  private static final long IDLE = TimeUnit.SECONDS.toNanos(1);
  private static final Duration AFTER_FAILURE = Duration.ofMillis(200);

  private final RelayDestination of;
  private final WindowCalls calls;
  private final MessagePublisher publisher;
  private final ClaimPermit permit;
  private final RelayIdentity identity;
  private final RelayMeters meters;
  private final Transactions transactions;
  private final LookSql sql;

  RelayDispatch(
      RelayDestination of,
      ClaimPermit permit,
      RelayIdentity identity,
      RelayMeters meters,
      Transactions transactions,
      LookSql sql) {
    this.of = of;
    this.calls = of.window().calls();
    this.publisher = of.destination().publisher();
    this.permit = permit;
    this.identity = identity;
    this.meters = meters;
    this.transactions = transactions;
    this.sql = sql;
  }

  @Override
  public void run() {
    while (!calls.isStopped()) {
      try {
        step();
      } catch (InterruptedException e) {
        LOG.debug("a delivery was interrupted", e);
      } catch (Throwable e) {
        LOG.warn("a delivery to '{}' could not be begun", of.destination().name(), e);
        pause(AFTER_FAILURE);
      }
    }
  }

  private static void pause(Duration time) {
    try {
      Thread.sleep(time.toMillis());
    } catch (InterruptedException e) {
      LOG.debug("interrupted", e);
    }
  }

  private void step() throws InterruptedException, SQLException {
    int available = calls.await(IDLE);
    if (available == 0) {
      return;
    }
    int places = permit.reserve(Math.min(available, publisher.batchSize()));
    if (places == 0) {
      Thread.sleep(of.refusedPause().toMillis());
      return;
    }
    List<LaneMessage> call = calls.take(places);
    permit.release(places - call.size());
    if (call.isEmpty()) {
      return;
    }
    boolean over = false;
    int begun = 0;
    try {
      Map<Long, byte[]> payloads = missingPayloads(call);
      if (awaitLive(call)) {
        while (begun < call.size() && permit.begin()) {
          begun++;
        }
        if (begun < call.size()) {
          List<LaneMessage> rest = call.subList(begun, call.size());
          // The one that was refused has given its place back itself.
          permit.release(rest.size() - 1);
          call = call.subList(0, begun);
          if (begun > 0) {
            calls.giveBackRest(rest, call);
          } else {
            call = rest;
          }
        }
        if (begun > 0) {
          over = deliver(call, payloads);
        }
      } else {
        permit.release(call.size());
      }
    } finally {
      if (!over) {
        calls.giveBack(call);
      }
    }
  }

  /** Large payloads are read when their turn has come. */
  private Map<Long, byte[]> missingPayloads(List<LaneMessage> call) throws SQLException {
    List<LaneMessage> missing = call.stream().filter(one -> one.payload == null).toList();
    Short number = of.number();
    if (missing.isEmpty() || number == null) {
      return Map.of();
    }
    boolean read = false;
    try {
      Map<Long, byte[]> found = sql.payloads(transactions, READ, number, missing);
      read = true;
      return found;
    } finally {
      if (!read) {
        permit.release(call.size());
      }
    }
  }

  /** A process that was stopped does not go on before it knows that nobody has taken over. */
  private boolean awaitLive(List<LaneMessage> call) throws InterruptedException {
    UUID claimant = call.get(0).lane.fence.claimant();
    boolean live = false;
    try {
      while (call.stream().noneMatch(message -> message.lane.lost) && !calls.isStopped()) {
        if (identity.isLive(claimant)) {
          live = true;
          return true;
        }
        Thread.sleep(10);
      }
      live = true;
      return false;
    } finally {
      if (!live) {
        permit.release(call.size());
      }
    }
  }

  /** False if it is not known what was delivered. */
  private boolean deliver(List<LaneMessage> call, Map<Long, byte[]> payloads)
      throws InterruptedException {
    List<Message> given = new ArrayList<>(call.size());
    for (LaneMessage message : call) {
      byte[] payload = message.payload == null ? payloads.get(message.id) : message.payload;
      if (payload != null) {
        given.add(message.given(payload));
      }
    }
    long begin = System.nanoTime();
    Throwable thrown = null;
    List<Delivery> results;
    try {
      // Copied, so that whatever is wrong with the list shows here, where it counts as a failure.
      results = given.isEmpty() ? List.of() : List.copyOf(publisher.publish(List.copyOf(given)));
      if (results.size() != given.size()) {
        thrown =
            new IllegalStateException(
                "the publisher returned " + results.size() + " results for " + given.size());
      }
    } catch (InterruptedException e) {
      if (calls.isStopped()) {
        Duration took = Duration.ofNanos(System.nanoTime() - begin);
        call.forEach(message -> permit.end(took, Optional.of(e)));
        throw e;
      }
      // Nobody here has interrupted it.
      thrown = e;
      results = List.of();
    } catch (Throwable e) {
      thrown = e;
      results = List.of();
    }
    long nanos = System.nanoTime() - begin;
    meters.published(nanos);
    if (thrown != null) {
      LOG.warn("the publisher of '{}' failed", of.destination().name(), thrown);
    }
    List<Delivery> all = all(call, payloads, results, thrown);
    Set<LaneMessage> heldBack = heldBack(call, all);
    Duration took = Duration.ofNanos(nanos);
    boolean refused = all.stream().anyMatch(one -> one.outcome() == Delivery.Outcome.REJECTED);
    for (Delivery one : all) {
      permit.end(took, failure(one, thrown, refused));
    }
    settle(call, all, heldBack);
    return true;
  }

  /** What was held back is where it was, as if it had not been in the call. */
  private void settle(List<LaneMessage> call, List<Delivery> all, Set<LaneMessage> heldBack) {
    if (heldBack.size() == call.size()) {
      calls.giveBack(call);
      pause(of.refusedPause());
      return;
    }
    List<LaneMessage> judged = new ArrayList<>(call.size());
    List<Delivery> judgements = new ArrayList<>(call.size());
    for (int i = 0; i < call.size(); i++) {
      if (!heldBack.contains(call.get(i))) {
        judged.add(call.get(i));
        judgements.add(all.get(i));
      }
    }
    if (!heldBack.isEmpty()) {
      calls.giveBackRest(List.copyOf(heldBack), judged);
    }
    CallResults.Counts counts = calls.done(judged, judgements);
    meters.failed(counts.failed());
    meters.rejected(counts.rejected());
  }

  /** Those behind one of their own key that was not delivered go with it. */
  private static Set<LaneMessage> heldBack(List<LaneMessage> call, List<Delivery> results) {
    Set<LaneMessage> heldBack = new LinkedHashSet<>();
    Set<LaneQueue> stopped = new HashSet<>();
    for (int i = 0; i < call.size(); i++) {
      Delivery.Outcome outcome = results.get(i).outcome();
      LaneQueue queue = call.get(i).queue;
      if (outcome == Delivery.Outcome.HELD_BACK && (queue == null || !stopped.contains(queue))) {
        heldBack.add(call.get(i));
      } else if (outcome != Delivery.Outcome.DELIVERED && queue != null) {
        stopped.add(queue);
      }
    }
    return heldBack;
  }

  /**
   * A message that is rejected says nothing about the other side, nor do those that were held back
   * for it.
   */
  private static Optional<Throwable> failure(
      Delivery result, @Nullable Throwable thrown, boolean refused) {
    return switch (result.outcome()) {
      case DELIVERED, REJECTED -> Optional.empty();
      case FAILED ->
          Optional.of(thrown == null ? new DeliveryFailedException(result.reason()) : thrown);
      case HELD_BACK ->
          refused ? Optional.empty() : Optional.of(new DeliveryFailedException(result.reason()));
    };
  }

  /** One whose row is gone was taken away by somebody else: it is not delivered any more. */
  private static List<Delivery> all(
      List<LaneMessage> call,
      Map<Long, byte[]> payloads,
      List<Delivery> results,
      @Nullable Throwable thrown) {
    List<Delivery> all = new ArrayList<>(call.size());
    int next = 0;
    for (LaneMessage message : call) {
      if (message.payload == null && !payloads.containsKey(message.id)) {
        all.add(Delivery.delivered());
      } else if (thrown != null) {
        all.add(Delivery.failed(thrown.getClass().getName()));
      } else {
        all.add(results.get(next++));
      }
    }
    return all;
  }
}
