package dev.pgbelay.routing;

import static dev.pgbelay.routing.Rig.at;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.NodeSight.ServerStart;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What becomes of what sessions wrote and saw when the cluster goes on without some of it. */
class SettlementTest {
  private final Rig rig = new Rig();

  @BeforeEach
  void primaryAndTwoReplicas() {
    rig.primary("a", 1, 0x900);
    rig.replica("b", 1, 0x900);
    rig.replica("c", 1, 0x900);
  }

  /** Node b takes over; the old primary still answers. */
  private void failOver() {
    rig.fleet.knowsHistory(2, Rig.FORK_AT_1000);
    rig.primary("b", 2, 0x1000);
    rig.primary("b", 2, 0x1100);
  }

  private List<CommitPosition> told() {
    return rig.lost.stream().map(LostPosition::position).toList();
  }

  @Test
  void lostWrite_isToldBeforeTheNextWrite_andNotForgottenForItsPosition() {
    Session session = rig.session(at(1, 0x1001));
    failOver();

    rig.settlement.judge(session);
    session.change(floor -> floor.raised(at(2, 0x1200)));

    assertThat(told()).containsExactly(at(1, 0x1001));
    assertThat(rig.lost.get(0).fork()).isEqualTo(OptionalLong.of(0x1000));
  }

  @Test
  void lostWrite_isNotForgotten_thoughATokenOfTheNewTimelineIsJoined() {
    Session session = rig.session(at(1, 0x1001));
    rig.tokens.join(session, ConsistencyToken.of(at(2, 0x1100)));
    failOver();

    String chosen = rig.chosen(session);

    assertThat(told()).containsExactly(at(1, 0x1001));
    assertThat(chosen).startsWith("b ");
    assertThat(session.floor().positions()).containsExactly(at(2, 0x1100));
  }

  @Test
  void lostWrite_isTold_whenThePrimaryIsFoundOnlyAfterTheWait() {
    Rig slow = new Rig(Duration.ofSeconds(20), Duration.ofSeconds(20), true);
    slow.primary("a", 1, 0x900);
    slow.replica("b", 1, 0x900);
    Session session = slow.session(at(1, 0x1001));
    RouteState waited = new RouteState();
    waited.waited(Duration.ofSeconds(21).toNanos());
    // The read has settled its floor and waited; the fail-over comes before the primary is chosen.
    ReadOptions how = ReadOptions.builder().maxWait(Duration.ofMillis(200)).build();
    Thread failOver =
        new Thread(
            () -> {
              while (slow.member("b").monitor().waiters() == 0) {
                Thread.onSpinWait();
              }
              slow.fleet.knowsHistory(2, Rig.FORK_AT_1000);
              slow.primary("b", 2, 0x1100);
            });
    failOver.start();

    Choice choice = slow.choose(session, how);

    assertThat(choice.node().name()).isEqualTo("b");
    assertThat(slow.lost).hasSize(1);
  }

  @Test
  void whatADeadPrimaryHadShown_isTold_whenTheNewOneAnswers() {
    Session session = rig.session();
    rig.shown(session, "a");
    failOver();

    String chosen = rig.chosen(session);

    assertThat(chosen).startsWith("b PRIMARY");
    assertThat(told()).containsExactly(at(1, 0x900));
    assertThat(session.floor().shown()).isEmpty();
  }

  @Test
  void whatTheOldPrimaryHadShown_isJudgedByWhatItSaysLater() {
    Session kept = rig.session();
    rig.shown(kept, "a");
    rig.primary("a", 1, 0x1000);
    Session gone = rig.session();
    rig.shown(gone, "a");
    rig.primary("a", 1, 0x1001);
    failOver();

    rig.settlement.settled(kept);
    assertThat(told()).containsExactly(at(1, 0x1001));
    rig.lost.clear();
    rig.settlement.settled(gone);

    assertThat(told()).containsExactly(at(1, 0x1001));
  }

  @Test
  void whatIsPartOfTheNewHistory_isNotTold_andStillToBeSeen() {
    Session session = rig.session(at(1, 0x1000));
    failOver();
    rig.replica("c", 2, 0xFFF);

    String behind = rig.chosen(session);
    rig.replica("c", 2, 0x1000);
    String caughtUp = rig.chosen(session);

    assertThat(told()).isEmpty();
    assertThat(behind).startsWith("b PRIMARY");
    assertThat(caughtUp).isEqualTo("c CAUGHT_UP");
  }

  @Test
  void lossOfOneWrite_doesNotReleaseTheSessionFromWhatWasKept() {
    Session session = rig.session(at(1, 0x1001));
    failOver();
    rig.replica("c", 2, 0xFFF);

    String chosen = rig.chosen(session);

    assertThat(told()).hasSize(1);
    assertThat(chosen).startsWith("b PRIMARY");
    assertThat(session.floor().positions()).containsExactly(at(1, 0x1000));
  }

  @Test
  void withoutHistory_theLossIsToldWhenThePrimaryAnswers_andAllItHasIsToBeSeen() {
    Session session = rig.session(at(1, 0x800));
    rig.primary("b", 2, 0x1100);
    rig.replica("c", 2, 0x10FF);

    String chosen = rig.chosen(session);

    assertThat(chosen).startsWith("b PRIMARY");
    assertThat(rig.lost).hasSize(1);
    assertThat(rig.lost.get(0).fork()).isEmpty();
    assertThat(session.floor().positions()).containsExactly(at(2, 0x1100));
  }

  @Test
  void loss_isToldOnce_thoughManyThreadsReadAtOnce() throws Exception {
    for (int round = 0; round < 200; round++) {
      Rig fresh = new Rig();
      fresh.primary("a", 1, 0x900);
      Session session = fresh.session(at(1, 0x1001));
      List<LostPosition> heard = java.util.Collections.synchronizedList(fresh.lost);
      fresh.fleet.knowsHistory(2, Rig.FORK_AT_1000);
      fresh.primary("b", 2, 0x1100);
      Thread[] threads = new Thread[4];
      for (int i = 0; i < threads.length; i++) {
        threads[i] = new Thread(() -> fresh.settlement.judge(session));
        threads[i].start();
      }
      for (Thread thread : threads) {
        thread.join();
      }

      assertThat(heard).hasSize(1);
    }
  }

  @Test
  void callbackThatFails_doesNotFailTheRead() {
    RoutingOptions plain = rig.options;
    RoutingOptions failing =
        new RoutingOptions(
            plain.probeInterval(),
            plain.probeTimeout(),
            plain.maxAge(),
            plain.maxLagBytes(),
            plain.maxLag(),
            plain.maxWait(),
            plain.failoverWait(),
            plain.primaryReads(),
            lost -> {
              throw new IllegalStateException("by the test");
            },
            null,
            true);
    Session session = rig.session(at(1, 0x1001));
    failOver();

    new Settlement(rig.fleet, failing, rig.meters).judge(session);

    assertThat(session.floor().positions()).containsExactly(at(1, 0x1000));
  }

  @Test
  void tokenOfALostPosition_tellsWhoeverHasIt() {
    Session session = rig.session();
    rig.shown(session, "a");
    Optional<ConsistencyToken> before = rig.tokens.of(session);

    assertThat(before.orElseThrow().position()).isEqualTo(at(1, Floor.BEYOND_ALL));
    failOver();
    Session other = rig.session();
    rig.tokens.join(other, before.orElseThrow());
    String chosen = rig.chosen(other);

    assertThat(chosen).startsWith("b ");
    assertThat(rig.lost).hasSize(1);
    assertThat(rig.lost.get(0).session()).isSameAs(other);
  }

  @Test
  void tokenThatIsTakenAfterTheLoss_doesNotCarryIt_andItIsTold() {
    Session session = rig.session();
    rig.shown(session, "a");
    failOver();

    Optional<ConsistencyToken> token = rig.tokens.of(session);

    assertThat(rig.lost).hasSize(1);
    assertThat(token.orElseThrow().position()).isEqualTo(at(1, 0x1000));
  }

  @Test
  void tokenBeyondAll_isBoundedByThePrimarysNextAnswer() {
    Session session = rig.session();
    rig.tokens.join(session, ConsistencyToken.of(at(1, Floor.BEYOND_ALL)));

    Floor open = rig.settlement.settled(session);
    rig.primary("a", 1, 0x950);
    Floor bounded = rig.settlement.settled(session);

    assertThat(open.shown()).hasSize(1);
    assertThat(bounded.shown()).isEmpty();
    assertThat(bounded.positions()).containsExactly(at(1, 0x950));
  }

  @Test
  void shown_isBoundedByTheSameServerOnly_andOnlyByWhatItSaysLater() {
    Session session = rig.session();
    rig.shown(session, "b");

    assertThat(rig.settlement.settled(session).shown()).hasSize(1);
    rig.primary("a", 1, 0x990);
    assertThat(rig.settlement.settled(session).shown()).hasSize(1);
    rig.replica("b", 1, 0x980);

    assertThat(rig.settlement.settled(session).positions()).containsExactly(at(1, 0x980));
  }

  @Test
  void shownByAServerThatBeganAnew_isBoundedByThePrimary() {
    Session session = rig.session();
    rig.shown(session, "b");
    rig.restarts("b");
    rig.replica("b", 1, 0x100);

    assertThat(rig.settlement.settled(session).shown()).hasSize(1);
    rig.primary("a", 1, 0x990);

    assertThat(rig.settlement.settled(session).positions()).containsExactly(at(1, 0x990));
  }

  /** A probe that was opened later cannot vouch that its server had not crashed in between. */
  @Test
  void shownBeforeTheProbeWasOpened_isBoundedByThePrimary() {
    Session session = rig.session();
    rig.shown(session, "b");
    rig.reconnects("b");
    rig.replica("b", 1, 0x100);

    assertThat(rig.settlement.settled(session).shown()).hasSize(1);
    rig.primary("a", 1, 0x990);

    assertThat(rig.settlement.settled(session).positions()).containsExactly(at(1, 0x990));
  }

  @Test
  void unknownCommit_keepsTheSessionOnThePrimary_untilItsServersProcessHasEnded() {
    Session session = rig.session();
    PendingCommit commit = new PendingCommit(new ServerStart(Rig.CLUSTER, 'a'), 77);
    session.change(floor -> floor.with(commit));

    assertThat(rig.chosen(session)).isEqualTo("a PRIMARY_POSITION_UNKNOWN");
    assertThat(rig.tokens.of(session).orElseThrow().position().lsn()).isEqualTo(Floor.BEYOND_ALL);
    commit.hasEnded(System.nanoTime());
    NodeSight later = rig.sight("a", false, at(1, 0x999), System.nanoTime());
    assertThat(commit.settledBy(later)).isTrue();

    assertThat(rig.settlement.settled(session).positions()).containsExactly(at(1, 0x999));
  }

  @Test
  void unknownCommit_isNotSettledByWhatWasAskedBefore() {
    PendingCommit commit = new PendingCommit(new ServerStart(Rig.CLUSTER, 'a'), 77);
    NodeSight early = rig.sight("a", false, at(1, 0x999), System.nanoTime());
    commit.hasEnded(System.nanoTime() + 1);

    assertThat(commit.settledBy(early)).isFalse();
    assertThat(commit.covered()).isNull();
  }

  @Test
  void unknownCommitOfAnotherServer_isSettledByTheNewPrimary() {
    PendingCommit commit = new PendingCommit(new ServerStart(Rig.CLUSTER, 'a'), 77);
    rig.fleet.await(commit);
    failOver();

    assertThat(commit.covered()).isEqualTo(at(2, 0x1100));
  }

  @Test
  void unknownCommit_isNotSettledWhileItsProcessLives() {
    PendingCommit commit = new PendingCommit(new ServerStart(Rig.CLUSTER, 'a'), 77);

    assertThat(commit.settledBy(rig.sight("a", false, at(1, 0x999), System.nanoTime()))).isFalse();
    assertThat(commit.covered()).isNull();
  }

  @Test
  void floor_neverSinks_neitherForAPositionNorForWhatWasShown() {
    Session session = rig.session(at(1, 0x900), at(1, 0x800), at(1, 0x850));
    rig.shown(session, "b");
    Floor.Shown latest = session.floor().shown().get(0);
    Floor.Shown earlier =
        new Floor.Shown(
            latest.node(), latest.sight(), latest.sinceNanos(), latest.untilNanos() - 1);
    session.change(floor -> floor.with(earlier));

    assertThat(session.floor().positions()).containsExactly(at(1, 0x900));
    assertThat(session.floor().shown()).containsExactly(latest);
  }

  /** It may have begun further back in between: what it says then bounds the second alone. */
  @Test
  void whatAReplicaHasShown_isKeptBesideWhatItShowedOnAConnectionThatIsNewer() {
    Session session = rig.session();
    rig.shown(session, "b");
    Floor.Shown before = session.floor().shown().get(0);
    long reopened = before.untilNanos() + 1;
    Floor.Shown after = new Floor.Shown(before.node(), before.sight(), reopened, reopened + 1_000);
    Floor.Shown later = new Floor.Shown(before.node(), before.sight(), reopened, reopened + 2_000);

    Floor both = session.floor().with(after).with(later);
    Floor inTheOtherOrder = Floor.NONE.with(later).with(before).with(after);

    assertThat(both.shown()).containsExactly(before, later);
    assertThat(inTheOtherOrder.shown()).containsExactlyInAnyOrder(before, later);
  }

  @Test
  void tokenThatCouldNotBeRead_andCameWithTheAnswer_isBoundedByWhatThePrimarySaysLater() {
    Session session = rig.session();
    NodeSight chosen = rig.sight("a", false, at(1, 0x900), System.nanoTime());
    // The primary has answered; the token comes before the session is told so.
    session.change(Floor::forPrimary);
    session.change(floor -> floor.raised(at(1, 0x900)).answeredBy(rig.member("a"), chosen));

    assertThat(rig.settlement.settled(session).shown()).hasSize(1);
    rig.primary("a", 1, 0x950);
    assertThat(rig.settlement.settled(session).positions()).containsExactly(at(1, 0x950));
  }

  @Test
  void anotherStartOfTheServer_boundsNothing_thoughItsProbeIsOlder() {
    NodeSight sight = rig.sight("b", true, at(1, 0x900), System.nanoTime());
    ServerStart other = new ServerStart(Rig.CLUSTER, 1);

    assertThat(sight.bounds(sight.server(), sight.askedNanos())).isTrue();
    assertThat(sight.bounds(other, sight.askedNanos())).isFalse();
  }

  /** The new primary is known from a token alone, so that the fork may still be told. */
  @Test
  void lossIsNotToldBeforeTheHistoryCanBeKnown() {
    Session session = rig.session(at(1, 0x1000));
    rig.fleet.seen(2);

    Floor waiting = rig.settlement.settled(session);
    assertThat(told()).isEmpty();
    failOver();
    rig.settlement.judge(session);

    assertThat(waiting.positions()).containsExactly(at(1, 0x1000));
    assertThat(told()).isEmpty();
  }

  @Test
  void whatAReplicaShowedThatIsGone_isNotBoundedByThePrimaryOfAnotherTimeline() {
    Session session = rig.session();
    rig.shown(session, "c");
    rig.restarts("c");
    rig.replica("c", 1, 0x900);
    failOver();

    assertThat(rig.settlement.settled(session).shown()).hasSize(1);
    assertThat(told()).isEmpty();
    rig.settlement.judge(session);

    assertThat(told()).hasSize(1);
  }

  @Test
  void positionWhoseHistoryDoesNotCome_isToldBeforeThePrimaryAnswers() {
    Rig mute = new Rig();
    mute.primary("a", 1, 0x900);
    Session session = mute.session(at(1, 0x800));
    mute.primary("b", 2, 0x1100);
    assertThat(mute.fleet.timelines().isHistoryKnown()).isFalse();

    mute.settlement.judge(session);

    assertThat(mute.lost).hasSize(1);
  }

  @Test
  void serverThatHasFallenSilent_isNotWaitedFor() {
    Rig quick = new Rig(Duration.ofSeconds(20), Duration.ofMillis(300), true);
    quick.primary("a", 1, 0x900);
    Session session = quick.session();
    quick.replica("b", 1, 0x900);
    quick.shown(session, "b");
    long silent = System.nanoTime() - Duration.ofMillis(400).toNanos();
    NodeSight old = quick.sight("b", true, at(1, 0x900), silent);
    quick.member("b").monitor().said(old);
    quick.primary("a", 1, 0x950);

    assertThat(quick.settlement.settled(session).positions()).containsExactly(at(1, 0x950));
  }

  @Test
  void nodeThatWasTakenAway_isNotWaitedFor() {
    Session session = rig.session();
    rig.shown(session, "b");
    rig.fleet.remove(rig.member("b"));
    rig.primary("a", 1, 0x950);

    assertThat(rig.settlement.settled(session).positions()).containsExactly(at(1, 0x950));
  }

  @Test
  void tokenOfWhatAnOlderTimelineShowed_isOfThatTimeline() {
    Session session = rig.session();
    rig.shown(session, "c");
    rig.fleet.seen(2);

    assertThat(rig.tokens.of(session).orElseThrow().position()).isEqualTo(at(1, Floor.BEYOND_ALL));
  }

  @Test
  void tokenOfTwoUnjudgedTimelines_standsForTheOlder() {
    Session session = rig.session(at(1, 0x1001), at(2, 0x1100));
    rig.fleet.seen(2);

    assertThat(rig.tokens.of(session).orElseThrow().position()).isEqualTo(at(1, Floor.BEYOND_ALL));
  }

  @Test
  void sessionOnPrimary_isReleasedByItsAnswer() {
    Session session = rig.session();
    session.change(Floor::forPrimary);

    assertThat(rig.chosen(session)).isEqualTo("a PRIMARY_TOKEN");
    session.change(
        floor ->
            floor.answeredBy(
                rig.member("a"), rig.sight("a", false, at(1, 0x900), System.nanoTime())));

    assertThat(rig.chosen(session)).endsWith("CAUGHT_UP");
  }
}
