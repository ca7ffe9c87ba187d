package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.routing.NodeSight.ServerStart;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Semaphore;
import org.postgresql.ds.PGSimpleDataSource;

/** The rules of routing alone: what nodes say is said by the test, and no server runs. */
final class Rig {
  static final long CLUSTER = 7_390_123_456_789L;

  /** Of one timeline, left for the second at 0/1000. */
  static final String FORK_AT_1000 = "1\t0/1000\tno recovery target specified\n";

  final List<LostPosition> lost = new ArrayList<>();
  final RoutingOptions options;
  final RoutingMeters meters = new RoutingMeters(null);
  final Fleet fleet;
  final Settlement settlement;
  final Router router;
  final Tokens tokens;
  private final Map<String, Member> members = new LinkedHashMap<>();
  private final Map<String, Long> starts = new LinkedHashMap<>();
  private final Map<String, Long> opened = new LinkedHashMap<>();

  Rig() {
    this(Duration.ofMillis(5), Duration.ofSeconds(20), true);
  }

  Rig(Duration maxWait, Duration maxAge, boolean compares) {
    options =
        new RoutingOptions(
            Duration.ofMillis(10),
            Duration.ofSeconds(1),
            maxAge,
            1_000_000,
            Duration.ofSeconds(10),
            maxWait,
            Duration.ofMillis(50),
            2,
            lost::add,
            null,
            compares);
    fleet = new Fleet(options);
    fleet.isCluster(CLUSTER);
    settlement = new Settlement(fleet, options, meters);
    router = new Router(fleet, settlement, options, meters, new Semaphore(2));
    tokens = new Tokens(fleet, settlement, maxWait);
    for (String name : List.of("a", "b", "c")) {
      PGSimpleDataSource nowhere = new PGSimpleDataSource();
      nowhere.setUrl("jdbc:postgresql://127.0.0.1:1/nowhere");
      Member member =
          new Member(
              DatabaseNode.of(name, nowhere, new PGSimpleDataSource()),
              Transactions.of(nowhere),
              CircuitBreaker.ofDefaults(name),
              options,
              fleet::learn,
              fleet::sighted);
      members.put(name, member);
      starts.put(name, (long) name.charAt(0));
      opened.put(name, System.nanoTime());
      fleet.add(member);
    }
  }

  static CommitPosition at(int timeline, long lsn) {
    return new CommitPosition(CLUSTER, timeline, lsn);
  }

  Member member(String name) {
    return Objects.requireNonNull(members.get(name));
  }

  NodeSight sight(String name, boolean recovering, CommitPosition position, long asked) {
    return new NodeSight(
        new ServerStart(position.systemIdentifier(), Objects.requireNonNull(starts.get(name))),
        recovering,
        position,
        Objects.requireNonNull(opened.get(name)),
        asked);
  }

  void primary(String name, int timeline, long lsn) {
    member(name).monitor().said(sight(name, false, at(timeline, lsn), System.nanoTime()));
  }

  void replica(String name, int timeline, long lsn) {
    member(name).monitor().said(sight(name, true, at(timeline, lsn), System.nanoTime()));
  }

  /** Begins anew; what it says from then on is of another start. */
  void restarts(String name) {
    starts.merge(name, 1_000L, Long::sum);
    opened.put(name, System.nanoTime());
  }

  /** The probe's connection was lost and opened again, the server lives. */
  void reconnects(String name) {
    opened.put(name, System.nanoTime());
  }

  @SuppressWarnings("NullAway") // nobody asks whose it is here
  Session session(CommitPosition... positions) {
    Session session = new Session(null);
    for (CommitPosition position : positions) {
      session.change(floor -> floor.raised(position));
    }
    return session;
  }

  void shown(Session session, String node) {
    NodeSight sight = Objects.requireNonNull(member(node).sight());
    Floor.Shown shown =
        new Floor.Shown(
            member(node), sight, Objects.requireNonNull(opened.get(node)), System.nanoTime());
    session.change(floor -> floor.with(shown));
  }

  Choice choose(Session session) {
    return choose(session, ReadOptions.defaults());
  }

  Choice choose(Session session, ReadOptions how) {
    return router.choose(session, how, new RouteState());
  }

  void over(Choice choice) {
    choice.node().ended(1);
    router.over(choice);
  }

  String chosen(Session session) {
    Choice choice = choose(session);
    over(choice);
    return choice.node().name() + " " + choice.reason();
  }
}
