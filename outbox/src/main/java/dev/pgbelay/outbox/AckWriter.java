package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.Fence;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Takes delivered messages away, many at once, or keeps them. Used within passes only. */
final class AckWriter {
  private static final Logger LOG = LoggerFactory.getLogger(AckWriter.class);
  private static final TxOptions WRITE = TxOptions.forPath("outbox-acknowledge");
  private static final int MOST = 5_000;
  private static final int MANY = 500;

  private final Transactions transactions;
  private final AckSql sql;
  private final boolean keeps;
  private final RelayWindow window;
  private final RelayMeters meters;
  private final Consumer<UUID> retired;

  /** Sent, and perhaps committed; or failed. */
  private volatile List<LaneMessage> unwritten = List.of();

  /** Nobody waits for an acknowledgement but a relay that takes over. */
  private final Spacing spacing = new Spacing(Duration.ofMillis(50));

  AckWriter(
      Transactions transactions,
      AckSql sql,
      boolean keeps,
      RelayWindow window,
      RelayMeters meters,
      Consumer<UUID> retired) {
    this.transactions = transactions;
    this.sql = sql;
    this.keeps = keeps;
    this.window = window;
    this.meters = meters;
    this.retired = retired;
  }

  Pass pass(short destination) throws SQLException {
    spacing.await();
    long begun = System.nanoTime();
    if (unwritten.isEmpty()) {
      unwritten = window.takeAcks(MOST);
    }
    if (unwritten.isEmpty()) {
      return Pass.idle();
    }
    int before = unwritten.size();
    // What was left of an identity that was lost is not written, and was counted with its loss.
    List<LaneMessage> valid = unwritten.stream().filter(one -> !one.lane.lost).toList();
    if (!valid.isEmpty()) {
      AckSql.Acked acked = sql.acknowledge(transactions, WRITE, destination, keeps, valid);
      settle(valid, acked);
    }
    unwritten = List.of();
    spacing.ended(begun, before >= MANY);
    return Pass.worked(before);
  }

  private void settle(List<LaneMessage> written, AckSql.Acked acked) {
    Fence fence = written.get(0).lane.fence;
    if (!acked.alive()) {
      retired.accept(fence.claimant());
      return;
    }
    List<LaneMessage> mine =
        written.stream().filter(one -> acked.mine().contains(one.lane.lane)).toList();
    if (mine.size() < written.size()) {
      LOG.warn(
          "lanes {} are not this relay's any more although it was not retired",
          written.stream()
              .map(one -> one.lane.lane)
              .filter(lane -> !acked.mine().contains(lane))
              .collect(Collectors.toSet()));
      retired.accept(fence.claimant());
      return;
    }
    meters.delivered(mine);
    window.settled(mine);
  }

  int pending() {
    return unwritten.size();
  }
}
