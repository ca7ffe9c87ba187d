package dev.pgbelay.outbox;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.Pass;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/** Looks for messages of one destination when there is room for them. Used within passes only. */
final class RelayLook {
  private static final TxOptions LOOK = TxOptions.forPath("outbox-look");
  private static final int MOST = 5_000;
  private static final int FIRST = 500;
  private static final int LEAST_SHARE = 32;

  private final Transactions transactions;
  private final LookSql sql;
  private final RelayWindow window;
  private final SafeMark mark;
  private final Consumer<@Nullable CommitPosition> lookedAt;
  private final IntSupplier permitted;

  /** Of the messages of the look before. */
  private int averageWeight = 1_000;

  private int most = FIRST;

  private final Spacing spacing = new Spacing(Duration.ofMillis(10));

  RelayLook(
      Transactions transactions,
      LookSql sql,
      RelayWindow window,
      SafeMark mark,
      Consumer<@Nullable CommitPosition> lookedAt,
      IntSupplier permitted) {
    this.transactions = transactions;
    this.sql = sql;
    this.window = window;
    this.mark = mark;
    this.lookedAt = lookedAt;
    this.permitted = permitted;
  }

  Pass pass(short destination, Duration floor) throws SQLException {
    if (permitted.getAsInt() == 0) {
      return Pass.idle(floor);
    }
    spacing.await();
    long begun = System.nanoTime();
    long decided = mark.decided(transactions);
    LookPlan plan = window.beginLook();
    if (plan == null) {
      return Pass.idle(floor);
    }
    List<LaneMessage> found = List.of();
    Map<LaneClaim, Long> left = Map.of();
    boolean looked = false;
    try {
      share(plan);
      plan = mark.applied(plan);
      for (LaneClaim lane : plan.lanes()) {
        lane.beginBehind(plan.fullKeysOf(lane));
      }
      Commit<List<LaneMessage>> commit = sql.look(transactions, LOOK, destination, plan);
      CommitPosition position = commit.position().orElse(null);
      lookedAt.accept(position);
      found = messages(commit.value(), position);
      looked = true;
    } finally {
      left = window.endLook(found);
    }
    boolean full = false;
    if (looked) {
      full = learn(plan, found, left, decided);
    }
    spacing.ended(begun, full);
    return full ? Pass.worked(found.size()) : Pass.idle(floor);
  }

  /** Lanes that were read to their end are asked for less than those that were not. */
  private void share(LookPlan plan) {
    long byBytes = Math.max(64, plan.bytes() / averageWeight);
    int total = (int) Math.min(Math.min(most, plan.room()), byBytes);
    int even = Math.max(1, total / plan.lanes().size());
    int least = Math.min(LEAST_SHARE, even);
    int given = 0;
    int hungry = 0;
    for (LaneClaim lane : plan.lanes()) {
      if (lane.share > 0 && lane.share <= even) {
        lane.share = Math.min(even, Math.max(least, lane.share));
        given += lane.share;
      } else {
        hungry++;
      }
    }
    int rest = Math.max(even, hungry == 0 ? 0 : (total - given) / hungry);
    for (LaneClaim lane : plan.lanes()) {
      if (lane.share == 0 || lane.share > even) {
        lane.share = rest;
      }
    }
  }

  private static List<LaneMessage> messages(
      List<LaneMessage> rows, @Nullable CommitPosition position) {
    boolean sorted = true;
    LaneMessage last = null;
    for (LaneMessage message : rows) {
      message.position = position;
      sorted &= last == null || last.lane != message.lane || last.id < message.id;
      last = message;
    }
    if (!sorted) {
      // No statement promises the order in which a join returns its rows.
      rows.sort((one, other) -> Long.compare(one.id, other.id));
    }
    return rows;
  }

  /** Whether there is more. */
  private boolean learn(
      LookPlan plan, List<LaneMessage> found, Map<LaneClaim, Long> left, long decided) {
    Map<LaneClaim, Integer> counts = new HashMap<>();
    Map<LaneClaim, Long> lasts = new HashMap<>();
    long weight = 0;
    for (LaneMessage message : found) {
      counts.merge(message.lane, 1, Integer::sum);
      lasts.put(message.lane, message.id);
      weight += message.weight;
    }
    if (!found.isEmpty()) {
      averageWeight = (int) Math.max(200, weight / found.size());
    }
    boolean more = false;
    for (LaneClaim lane : plan.lanes()) {
      int count = counts.getOrDefault(lane, 0);
      boolean full = count >= lane.share;
      more |= full && !left.containsKey(lane);
      long seen = full ? lasts.getOrDefault(lane, lane.begin) : Long.MAX_VALUE - 1;
      Long skipped = left.get(lane);
      long complete = skipped == null ? seen + 1 : Math.min(seen + 1, skipped);
      lane.complete(Math.min(decided + 1, complete), plan.fullKeysOf(lane));
      // More than the even share: as one that is hungry.
      lane.share = full ? Integer.MAX_VALUE : Math.max(1, 2 * count);
    }
    most = more ? Math.min(MOST, 2 * most) : Math.max(FIRST, most / 2);
    return more;
  }
}
