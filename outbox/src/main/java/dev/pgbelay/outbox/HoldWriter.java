package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.outbox.DueSql.Due;
import dev.pgbelay.outbox.HoldSql.Dead;
import dev.pgbelay.outbox.HoldSql.KeyState;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes what became of keys that are held, and brings those whose pause is over. All of a pass is
 * one transaction behind a fence, and passes follow each other: so of a key, what fails is held
 * before anything behind it is moved, and it flows again only when nothing of it is held. Used
 * within passes only.
 */
final class HoldWriter {
  private static final Logger LOG = LoggerFactory.getLogger(HoldWriter.class);
  private static final TxOptions LOOK = TxOptions.forPath("outbox-due");
  private static final int LONGEST_REASON = 1_000;

  private final Destination destination;
  private final Transactions transactions;
  private final TxOptions write;
  private final HoldSql sql;
  private final DueSql dueSql;
  private final RelayWindow window;
  private final RelayMeters meters;
  private final Consumer<UUID> retired;

  private volatile @Nullable HoldWork unwritten;

  HoldWriter(
      Destination destination,
      Transactions transactions,
      Duration lease,
      HoldSql sql,
      DueSql dueSql,
      RelayWindow window,
      RelayMeters meters,
      Consumer<UUID> retired) {
    this.destination = destination;
    this.transactions = transactions;
    this.write = RelayLanes.stoppedAtMost(lease, "outbox-hold");
    this.sql = sql;
    this.dueSql = dueSql;
    this.window = window;
    this.meters = meters;
    this.retired = retired;
  }

  Pass pass(short number, Duration floor) throws SQLException {
    boolean wrote = write(number);
    int due = bringDue(number);
    if (wrote || due > 0) {
      return Pass.worked(1);
    }
    List<LaneClaim> lanes = window.looked();
    List<String> here = window.beginDue();
    Long next =
        here == null || lanes.isEmpty()
            ? null
            : dueSql.untilDue(transactions, LOOK, number, lanes, here);
    Duration pause = next == null ? floor : Duration.ofMillis(Math.max(1, next + 1));
    return Pass.idle(pause.compareTo(floor) < 0 ? pause : floor);
  }

  boolean write(short number) throws SQLException {
    HoldWork work = unwritten == null ? window.takeHolds() : unwritten;
    if (work.isEmpty()) {
      return false;
    }
    unwritten = work;
    List<RelayHold> holds = work.holds().stream().filter(one -> !one.lane().lost).toList();
    List<LaneMessage> moves = work.moves().stream().filter(one -> !one.lane.lost).toList();
    Set<LaneClaim> claims = new HashSet<>();
    holds.forEach(one -> claims.add(one.lane()));
    moves.forEach(one -> claims.add(one.lane));
    Step step = new Step(holds, moves);
    if (!claims.isEmpty()) {
      Set<String> freed;
      try {
        freed = transactions.run(write, tx -> step.write(tx.connection(), number, claims));
      } catch (ClaimLostException e) {
        LOG.warn("{}", e.getMessage());
        unwritten = null;
        retired.accept(claims.iterator().next().fence.claimant());
        return true;
      }
      step.tell();
      window.settled(step.gone);
      window.leave(holds);
      window.release(freed);
    }
    unwritten = null;
    return true;
  }

  /** What one transaction writes. */
  private final class Step {
    private final List<LaneMessage> moves;
    private final List<LaneMessage> toHold = new ArrayList<>();
    private final List<LaneMessage> delivered = new ArrayList<>();
    private final List<KeyState> keys = new ArrayList<>();
    private final List<Dead> dead = new ArrayList<>();

    /** May be free after this. */
    private final Map<String, LaneClaim> resumed = new HashMap<>();

    /** Not in this process any more. */
    private final List<LaneMessage> gone = new ArrayList<>();

    Step(List<RelayHold> holds, List<LaneMessage> moves) {
      this.moves = moves;
      holds.forEach(this::sort);
      gone.addAll(moves);
    }

    private void sort(RelayHold hold) {
      delivered.addAll(hold.delivered());
      gone.addAll(hold.delivered());
      gone.addAll(hold.later());
      LaneMessage failed = hold.failed();
      if (!hold.fromHeld()) {
        if (failed != null) {
          toHold.add(failed);
        }
        toHold.addAll(hold.later());
      }
      if (failed == null) {
        resumed.put(hold.holdKey(), hold.lane());
        return;
      }
      gone.add(failed);
      decide(hold, failed, hold.failure() == null ? Delivery.failed("") : hold.failure());
    }

    private void decide(RelayHold hold, LaneMessage failed, Delivery failure) {
      int attempts = failed.attempt;
      String reason = shortened(failure.reason());
      boolean again =
          failure.outcome() == Delivery.Outcome.FAILED && attempts < destination.maxAttempts();
      if (again) {
        keys.add(state(hold, attempts, pause(attempts, failure), reason));
        return;
      }
      switch (destination.poisonPolicy()) {
        case BLOCK_KEY ->
            keys.add(state(hold, attempts, destination.pauses().longest().toMillis(), reason));
        case PARK_KEY -> keys.add(state(hold, attempts, null, reason));
        case DEAD_LETTER -> {
          keys.add(state(hold, attempts, 0L, reason));
          dead.add(new Dead(failed, hold.holdKey(), attempts, reason));
          resumed.put(hold.holdKey(), hold.lane());
        }
      }
    }

    private KeyState state(
        RelayHold hold, int attempts, @Nullable Long pauseMillis, String reason) {
      return new KeyState(hold.lane(), hold.holdKey(), attempts, pauseMillis, reason);
    }

    private long pause(int attempts, Delivery failure) {
      Duration own = destination.pauses().after(attempts);
      return failure.retryAfter().filter(asked -> asked.compareTo(own) > 0).orElse(own).toMillis();
    }

    Set<String> write(Connection connection, short number, Set<LaneClaim> claims)
        throws SQLException {
      if (!sql.fence(connection, number, claims)) {
        throw new ClaimLostException(destination.name());
      }
      if (!toHold.isEmpty()) {
        sql.move(connection, number, toHold);
      }
      if (!keys.isEmpty()) {
        sql.holdKeys(connection, number, keys);
      }
      if (!moves.isEmpty()) {
        sql.move(connection, number, moves);
        sql.keepKeys(connection, number, moves);
      }
      if (!delivered.isEmpty()) {
        sql.takeDelivered(connection, number, destination.retentionDays() > 0, delivered);
      }
      if (!dead.isEmpty()) {
        sql.bury(connection, number, dead);
      }
      return resumed.isEmpty() ? Set.of() : sql.resume(connection, number, resumed);
    }

    void tell() {
      if (!delivered.isEmpty()) {
        meters.delivered(delivered);
      }
      meters.dead(dead.size());
      for (KeyState key : keys) {
        if (key.pauseMillis() == null) {
          meters.parked();
          LOG.warn(
              "destination '{}': a key is parked after {} attempts of its first message: {}",
              destination.name(),
              key.attempts(),
              key.reason());
        }
      }
      for (Dead one : dead) {
        LOG.warn(
            "destination '{}': message {} is a dead letter after {} attempts: {}",
            destination.name(),
            one.message().id,
            one.attempts(),
            one.reason());
      }
    }
  }

  private static String shortened(String reason) {
    String clean = reason.replace('\0', ' ');
    return clean.length() <= LONGEST_REASON ? clean : clean.substring(0, LONGEST_REASON);
  }

  private int bringDue(short number) throws SQLException {
    List<LaneClaim> lanes = window.looked();
    List<String> here = window.beginDue();
    if (here == null || lanes.isEmpty()) {
      return 0;
    }
    List<Due> due = dueSql.due(transactions, LOOK, number, lanes, here, window.mostDueOfKey());
    for (Due key : due) {
      // One of which nothing is held is written about as if all had been delivered.
      window.addDue(key.lane(), key.holdKey(), key.messages());
    }
    return due.size();
  }

  int pending() {
    HoldWork work = unwritten;
    return work == null ? 0 : work.holds().size();
  }
}
