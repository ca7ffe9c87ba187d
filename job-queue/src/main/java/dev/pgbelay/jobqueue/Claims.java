package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.PollPace;
import dev.pgbelay.jobqueue.LimitedClaimSql.Room;
import dev.pgbelay.jobqueue.LimitedClaimSql.Wanted;
import dev.pgbelay.jobqueue.LowWaterMark.Spot;
import dev.pgbelay.jobqueue.Registration.Identity;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Claims jobs of one queue, each time in a transaction of its own and within the limits that hold;
 * finds out what a claim has taken whose answer was lost. Used by one thread at a time.
 */
final class Claims {
  private static final TxOptions CLAIM = TxOptions.forPath("jobqueue-claim");

  /** Another process is claiming under the same limit. */
  private static final Duration BUSY = Duration.ofMillis(10);

  private final String queue;
  private final Duration lease;

  /** After a limit or a permit said no: what ends here ends the pause, what ends elsewhere not. */
  private final Duration refused;

  private final TxOptions recovering;
  private final Transactions transactions;
  private final Statements sql;
  private final Registration registration;
  private @Nullable LostClaim lostClaim;

  /** What all queues of a worker share. */
  record Statements(ClaimSql claim, LimitedClaimSql limited) {}

  /** A claim whose answer did not come. */
  private record LostClaim(Identity identity, Fence fence, Lane lane, Spot behind, int reserved) {}

  /**
   * What a claim has brought.
   *
   * @param identity under which, null if nothing was asked
   * @param limit how many it might have been
   * @param tryAgain after which time limits may allow more, null if they did not stop it
   */
  record Claimed(
      @Nullable Identity identity,
      Lane lane,
      List<ClaimedJob> jobs,
      @Nullable CommitPosition position,
      int limit,
      @Nullable Duration tryAgain) {}

  Claims(String queue, WorkerOptions options, Statements sql, Registration registration) {
    this.queue = queue;
    this.lease = options.lease();
    this.refused = new PollPace(options.pollInterval(), options.wakeUps()).interval();
    this.recovering = Upkeep.stoppedAtMost(lease, "jobqueue-claim").build();
    this.transactions = options.transactions();
    this.sql = sql;
    this.registration = registration;
  }

  /** What a transaction has brought. */
  private record Found(
      List<ClaimedJob> jobs,
      @Nullable CommitPosition position,
      int limit,
      boolean wide,
      @Nullable Duration tryAgain) {}

  /** As many as are wanted, of those behind a spot. */
  Claimed claim(Lane lane, Spot behind, Wanted wanted) throws Exception {
    Lane.Reserved reserved = lane.reserve(wanted);
    Wanted places = reserved.places();
    if (places.most() == 0) {
      registration.identity(); // a worker that may begin nothing is heard of all the same
      return new Claimed(null, lane, List.of(), null, 0, refused);
    }
    int kept = places.most();
    try {
      Identity identity = registration.identity();
      Fence fence = identity.nextClaim();
      Found found;
      try {
        found =
            lane.limits().isEmpty()
                ? claimAlone(fence, lane, behind, places.most())
                : claimLimited(fence, lane, behind, places);
      } catch (OutcomeUnknownException e) {
        lostClaim = new LostClaim(identity, fence, lane, behind, places.most());
        kept = 0;
        throw e;
      }
      registration.claimedAt(identity, found.position());
      kept -= found.jobs().size();
      boolean wide = reserved.wide() && found.wide();
      boolean refusedThreads = found.limit() == 0 && places.now() > 0;
      if (!found.jobs().isEmpty() || refusedThreads) {
        lane.narrow(!wide);
      }
      return new Claimed(
          identity, lane, found.jobs(), found.position(), found.limit(), found.tryAgain());
    } finally {
      lane.release(kept);
    }
  }

  private Found claimAlone(Fence fence, Lane lane, Spot behind, int most) throws SQLException {
    Commit<List<ClaimedJob>> commit =
        sql.claim()
            .claimAlone(transactions, CLAIM, fence, queue, behind, lane.kinds(), most, lease);
    return new Found(commit.value(), commit.position().orElse(null), most, true, null);
  }

  private Found claimLimited(Fence fence, Lane lane, Spot behind, Wanted wanted)
      throws SQLException {
    Commit<LimitedClaimSql.Claimed> commit =
        sql.limited()
            .claim(
                transactions,
                CLAIM,
                fence,
                lane.limits(),
                queue,
                behind,
                lane.kinds(),
                wanted,
                lease);
    Room room = commit.value().room();
    return new Found(
        commit.value().jobs(),
        commit.position().orElse(null),
        room.jobs(),
        room.locked() ? room.wide() : !lane.isNarrow(),
        room.jobs() > 0 ? null : pause(room));
  }

  private Duration pause(Room room) {
    if (!room.locked()) {
      return BUSY;
    }
    return room.untilNext().isZero() ? refused : room.untilNext().plusMillis(1);
  }

  /** What the claim before has taken, if its answer was lost; null otherwise. */
  @Nullable Claimed recover() throws Exception {
    LostClaim lost = lostClaim;
    if (lost == null) {
      return null;
    }
    Commit<List<ClaimedJob>> commit =
        transactions.commit(
            recovering,
            tx -> sql.claim().recover(tx.connection(), lost.fence(), queue, lost.behind()));
    lostClaim = null;
    List<ClaimedJob> jobs = commit.value();
    lost.lane().release(lost.reserved() - jobs.size());
    return new Claimed(
        lost.identity(), lost.lane(), jobs, commit.position().orElse(null), jobs.size(), null);
  }
}
