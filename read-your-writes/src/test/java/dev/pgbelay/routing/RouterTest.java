package dev.pgbelay.routing;

import static dev.pgbelay.routing.Rig.at;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.routing.NodeState.Role;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.RoutingException.Kind;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which node is chosen, for what the nodes said. */
class RouterTest {
  private static final ReadOptions STALE =
      ReadOptions.builder().whenFull(ReadOptions.WhenFull.STALE).build();
  private static final ReadOptions ON_REPLICAS = ReadOptions.builder().stayOnReplicas().build();

  private final Rig rig = new Rig();

  @BeforeEach
  void primaryAndTwoReplicas() {
    rig.primary("a", 1, 0x800);
    rig.primary("a", 1, 0x900);
    rig.replica("b", 1, 0x900);
    rig.replica("c", 1, 0x800);
  }

  private void refused(Kind kind, Session session, ReadOptions how) {
    assertThatThrownBy(() -> rig.choose(session, how))
        .isInstanceOfSatisfying(RoutingException.class, e -> assertThat(e.kind()).isEqualTo(kind));
  }

  @Test
  void onlyReplicasThatHaveTheSessionsPosition_areChosen() {
    Session session = rig.session(at(1, 0x801));

    for (int i = 0; i < 10; i++) {
      assertThat(rig.chosen(session)).isEqualTo("b CAUGHT_UP");
    }
    rig.replica("c", 1, 0x801);
    Set<String> both = new HashSet<>();
    for (int i = 0; i < 10; i++) {
      both.add(rig.chosen(session));
    }

    assertThat(both).containsExactlyInAnyOrder("b CAUGHT_UP", "c CAUGHT_UP");
  }

  @Test
  void leastLoadedOfThem_isChosen() {
    Session session = rig.session();
    Choice first = rig.choose(session);
    List<Member> more = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      Choice next = rig.choose(session);
      more.add(next.node());
      rig.over(next);
    }

    assertThat(more).doesNotContain(first.node());
  }

  @Test
  void whatAReplicaHasShown_bindsTheSessionToIt_untilItIsBounded() {
    Session session = rig.session();
    rig.shown(session, "c");

    for (int i = 0; i < 10; i++) {
      assertThat(rig.chosen(session)).isEqualTo("c CAUGHT_UP");
    }
    rig.replica("c", 1, 0x950);

    // Its own later word is the bound: b, at 900, is behind it now.
    assertThat(rig.settlement.settled(session).positions()).containsExactly(at(1, 0x950));
    assertThat(rig.chosen(session)).isEqualTo("c CAUGHT_UP");
  }

  @Test
  void whatAReplicaShowedBeforeItBeganAnew_isNotReadThereAgain() {
    Session session = rig.session();
    rig.shown(session, "c");
    rig.restarts("c");
    rig.replica("c", 1, 0x100);

    assertThat(rig.chosen(session)).isEqualTo("a PRIMARY_NONE_CAUGHT_UP");
  }

  @Test
  void unboundedWhatTwoReplicasShowed_noReplicaHas() {
    Session session = rig.session();
    rig.shown(session, "b");
    rig.shown(session, "c");

    assertThat(rig.chosen(session)).startsWith("a PRIMARY");
  }

  @Test
  void laggingReplica_comesBackOnlyWellBelowItsLimit() {
    rig.primary("a", 1, 2_000_000);
    rig.replica("b", 1, 1_000_000 - 1);
    rig.replica("c", 1, 2_000_000);
    assertThat(rig.member("b").isLagging()).isTrue();
    rig.replica("b", 1, 1_200_000);
    assertThat(rig.member("b").isLagging()).isTrue();

    for (int i = 0; i < 5; i++) {
      assertThat(rig.chosen(rig.session())).isEqualTo("c CAUGHT_UP");
    }
    rig.replica("b", 1, 1_500_000);
    assertThat(rig.member("b").isLagging()).isFalse();
    assertThat(rig.member("b").lagBytes()).isEqualTo(500_000);
  }

  @Test
  void replicaWhoseTimeLagIsTooLong_isLagging_andComesBackBelowHalf() {
    Member node = rig.member("b");
    Duration limit = Duration.ofSeconds(10);

    node.lags(0, Duration.ofSeconds(11), 1_000, limit);
    assertThat(node.isLagging()).isTrue();
    node.lags(0, Duration.ofSeconds(6), 1_000, limit);
    assertThat(node.isLagging()).isTrue();
    node.lags(0, Duration.ofSeconds(5), 1_000, limit);
    assertThat(node.isLagging()).isFalse();
    node.lags(0, Duration.ofSeconds(6), 1_000, limit);
    assertThat(node.isLagging()).isFalse();
  }

  @Test
  void replicaWhoseAgeNobodyKnows_isLagging() {
    rig.replica("b", 1, 0x7FF);

    assertThat(rig.member("b").isLagging()).isTrue();
  }

  @Test
  void silentNode_isNotBelieved() {
    Rig old = new Rig(Duration.ofMillis(5), Duration.ofMillis(200), true);
    old.replica("b", 1, 0x900);
    assertThat(old.fleet.believed(old.member("b"))).isNotNull();
    long asked = System.nanoTime() - Duration.ofMillis(201).toNanos();

    old.member("b").monitor().said(old.sight("b", true, at(1, 0x900), asked));

    assertThat(old.fleet.believed(old.member("b"))).isNull();
  }

  @Test
  void nodeOfAnotherCluster_isNeverBelieved() {
    CommitPosition foreign = new CommitPosition(Rig.CLUSTER + 1, 1, 0x999);

    rig.member("b").monitor().said(rig.sight("b", true, foreign, System.nanoTime()));

    assertThat(rig.fleet.believed(rig.member("b"))).isNull();
  }

  @Test
  void timelineOfAnotherCluster_isNotHeardOf() {
    CommitPosition foreign = new CommitPosition(Rig.CLUSTER + 1, 7, 0x999);

    rig.member("b").monitor().said(rig.sight("b", true, foreign, System.nanoTime()));

    assertThat(rig.fleet.timelines().newest()).isEqualTo(1);
  }

  @Test
  void historyOfAnOlderTimeline_doesNotReplaceTheNewest() {
    rig.fleet.knowsHistory(3, "1\t0/1000\tx\n2\t0/2000\tx\n");
    rig.fleet.knowsHistory(2, Rig.FORK_AT_1000);

    assertThat(rig.fleet.timelines().fork(2)).hasValue(0x2000);
  }

  @Test
  void lag_isNotMeasuredAcrossTimelines() {
    assertThat(rig.fleet.lagBytes(at(1, 0x800))).hasValue(0x100);
    assertThat(rig.fleet.lagBytes(at(2, 0x800))).isEmpty();
  }

  @Test
  void nodeOfAnOlderTimeline_isNeitherReadFromNorWrittenTo() {
    rig.fleet.seen(2);

    assertThat(rig.fleet.primaryOrNull()).isNull();
    assertThat(rig.fleet.believed(rig.member("b"))).isNull();
    refused(Kind.NO_PRIMARY, rig.session(), ReadOptions.defaults());
  }

  @Test
  void twoPrimariesOfOneTimeline_areNone_andSaidSo() {
    rig.primary("c", 1, 0x900);

    assertThat(rig.fleet.primaryOrNull()).isNull();
    assertThatThrownBy(() -> rig.fleet.primary())
        .isInstanceOfSatisfying(
            RoutingException.class, e -> assertThat(e.kind()).isEqualTo(Kind.TWO_PRIMARIES));
  }

  @Test
  void bulkheadFull_isATypedError_andByChoiceAStaleReadThatSaysSo() {
    Session session = rig.session(at(1, 0x901));
    Choice one = rig.choose(session);
    Choice two = rig.choose(session);

    assertThat(one.node().name()).isEqualTo("a");
    refused(Kind.PRIMARY_FULL, session, ReadOptions.defaults());
    Choice stale = rig.choose(session, STALE);
    assertThat(stale.reason()).isEqualTo(Reason.STALE_BY_CHOICE);
    assertThat(stale.node().name()).isEqualTo("b");
    rig.over(one);
    assertThat(rig.chosen(session)).isEqualTo("a PRIMARY_NONE_CAUGHT_UP");
    rig.over(two);
  }

  @Test
  void readThatStaysOnReplicas_neverGoesToThePrimary() {
    refused(Kind.NO_REPLICA, rig.session(at(1, 0x901)), ON_REPLICAS);

    assertThat(rig.choose(rig.session(), ON_REPLICAS).reason().isReplica()).isTrue();
  }

  @Test
  void drainedReplica_isNotReadFrom() {
    rig.member("b").drain();

    for (int i = 0; i < 5; i++) {
      assertThat(rig.chosen(rig.session())).isEqualTo("c CAUGHT_UP");
    }
    assertThat(rig.member("b").tryBegin()).isFalse();
    assertThat(rig.router.replica(rig.member("b"), Set.of())).isNull();
  }

  @Test
  void whatAStartOfAServerHasShown_itsNextStartHasNot() {
    Session session = rig.session();
    rig.shown(session, "c");
    Floor floor = session.floor();
    rig.restarts("c");
    rig.replica("c", 1, 0x900);
    NodeSight anew = requireNonNull(rig.member("c").sight());

    assertThat(rig.router.covers(rig.member("c"), anew, floor)).isFalse();
  }

  @Test
  void nodeThatFailed_isNotTriedAgain_andThenThePrimaryAnswers() {
    Session session = rig.session();
    RouteState state = new RouteState();
    state.failed().add(rig.member("b"));

    Choice other = rig.router.choose(session, ReadOptions.defaults(), state);
    state.failed().add(rig.member("c"));
    Choice last = rig.router.choose(session, ReadOptions.defaults(), state);

    assertThat(other.node().name()).isEqualTo("c");
    assertThat(last.reason()).isEqualTo(Reason.PRIMARY_AFTER_FAILURE);
  }

  @Test
  void breaker_opensForNodesThatCannotBeReached_andForNothingElse() {
    Member node = rig.member("b");
    for (int i = 0; i < 200; i++) {
      assertThat(node.tryBegin()).isTrue();
      node.failed(FailureKind.INVALID_STATEMENT, new SQLException("by the test"), 1);
    }
    for (int i = 0; i < 100 && node.tryBegin(); i++) {
      node.failed(FailureKind.CANNOT_CONNECT, new SQLException("by the test"), 1);
    }

    assertThat(node.tryBegin()).isFalse();
    assertThat(node.reads()).isZero();
  }

  @Test
  void primaryWhoseBreakerIsOpen_takesNoReads_andKeepsNoPlace() {
    Member primary = rig.member("a");
    for (int i = 0; i < 100 && primary.tryBegin(); i++) {
      primary.failed(FailureKind.CONNECTION_LOST, new SQLException("by the test"), 1);
    }

    for (int i = 0; i < 5; i++) {
      refused(Kind.NO_PRIMARY, rig.session(at(1, 0x901)), ReadOptions.defaults());
    }
  }

  @Test
  void readThatMayBeSoStale_goesToAReplicaOfNoGreaterAge() {
    RouteState state = new RouteState();
    Duration little = Duration.ofNanos(1);
    // c lies before all that was seen of the primary: its age is not known.
    rig.replica("c", 1, 0x7FF);
    Choice choice = rig.router.within(Duration.ofHours(1), ReadOptions.defaults(), state);

    assertThat(choice.node().name()).isEqualTo("b");
    assertThat(choice.reason()).isEqualTo(Reason.WITHIN_STALENESS);
    assertThat(rig.router.within(little, ReadOptions.defaults(), state).reason())
        .isEqualTo(Reason.PRIMARY_NO_REPLICA);
  }

  @Test
  void sessionThatWaits_isServedAsSoonAsAReplicaHasIt() throws Exception {
    Rig slow = new Rig(Duration.ofSeconds(20), Duration.ofSeconds(20), true);
    slow.primary("a", 1, 0x900);
    slow.primary("a", 1, 0x901);
    slow.replica("b", 1, 0x900);
    slow.replica("c", 1, 0x900);
    Session session = slow.session(at(1, 0x901));
    Choice[] found = new Choice[1];
    Thread reader = new Thread(() -> found[0] = slow.choose(session));
    reader.start();
    while (slow.member("c").monitor().waiters() == 0) {
      Thread.onSpinWait();
    }

    slow.replica("c", 1, 0x901);
    reader.join(10_000);

    assertThat(found[0].node().name()).isEqualTo("c");
    assertThat(found[0].reason()).isEqualTo(Reason.AFTER_WAIT);
    assertThat(found[0].waitedNanos()).isPositive();
    assertThat(slow.member("b").monitor().waiters()).isZero();
  }

  @Test
  void interruptedSession_goesToThePrimary_andStaysInterrupted() {
    Thread.currentThread().interrupt();

    String chosen = rig.chosen(rig.session(at(1, 0x901)));

    assertThat(Thread.interrupted()).isTrue();
    assertThat(chosen).isEqualTo("a PRIMARY_NONE_CAUGHT_UP");
  }

  @Test
  void withoutTheComparison_anyReplicaIsTaken() {
    Rig blind = new Rig(Duration.ofMillis(5), Duration.ofSeconds(20), false);
    blind.primary("a", 1, 0x900);
    blind.replica("b", 1, 0x900);

    assertThat(blind.chosen(blind.session(at(1, 0x999)))).isEqualTo("b CAUGHT_UP");
  }

  @Test
  void tokenOfAnotherCluster_isRefused() {
    Session session = rig.session();
    ConsistencyToken token = ConsistencyToken.of(new CommitPosition(1, 1, 1));

    assertThatThrownBy(() -> rig.tokens.join(session, token))
        .isInstanceOfSatisfying(
            RoutingException.class, e -> assertThat(e.kind()).isEqualTo(Kind.FOREIGN_TOKEN));
    assertThat(session.floor().isNone()).isTrue();
  }

  @Test
  void tokenOfANewerTimeline_isHeardOfByAll() {
    rig.tokens.join(rig.session(), ConsistencyToken.of(at(2, 0x1100)));

    assertThat(rig.fleet.timelines().newest()).isEqualTo(2);
  }

  @Test
  void roles_areWhatCanBeBelieved() {
    rig.member("b").drain();
    Membership membership =
        new Membership(
            rig.fleet,
            rig.options,
            rig.meters,
            builder -> builder,
            io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.ofDefaults());

    assertThat(membership.states().stream().map(NodeState::role))
        .containsExactly(Role.PRIMARY, Role.DRAINING, Role.REPLICA);
    rig.fleet.seen(2);
    assertThat(membership.states().stream().map(NodeState::role)).containsOnly(Role.LEFT_BEHIND);
  }
}
