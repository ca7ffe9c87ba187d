package dev.pgbelay.routing;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.routing.NodeState.Role;
import dev.pgbelay.routing.RoutingException.Kind;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;

/** Which nodes belong to the fleet. Safe for several threads. */
final class Membership {
  private final Fleet fleet;
  private final RoutingOptions options;
  private final RoutingMeters meters;
  private final UnaryOperator<Transactions.Builder> transactions;
  private final CircuitBreakerConfig breakers;

  Membership(
      Fleet fleet,
      RoutingOptions options,
      RoutingMeters meters,
      UnaryOperator<Transactions.Builder> transactions,
      CircuitBreakerConfig breakers) {
    this.fleet = fleet;
    this.options = options;
    this.meters = meters;
    this.transactions = transactions;
    this.breakers = breakers;
  }

  private Member member(DatabaseNode node) {
    Transactions.Builder builder =
        transactions.apply(Transactions.builder(node.pool()).name(node.name()));
    if (options.registry() != null) {
      builder.meterRegistry(options.registry());
    }
    return new Member(
        node,
        builder.build(),
        CircuitBreaker.of("routing-" + node.name(), breakers),
        options,
        fleet::learn,
        fleet::sighted);
  }

  /** The first ones, which have to be what they are declared to be; none is left watched if not. */
  void begin(DatabaseNode primary, List<DatabaseNode> replicas) {
    List<Member> members = new ArrayList<>();
    try {
      members.add(member(primary));
      replicas.forEach(replica -> members.add(member(replica)));
      requireAsDeclared(members);
      members.forEach(fleet::add);
      members.forEach(fleet::sighted);
      members.forEach(this::start);
    } catch (RuntimeException | Error e) {
      members.forEach(this::stop);
      throw e;
    }
  }

  private void requireAsDeclared(List<Member> members) {
    for (Member member : members) {
      NodeSight sight = asked(member);
      if (member == members.get(0)) {
        if (sight.recovering()) {
          throw misconfigured(
              member.node(),
              "is declared as the primary, but is a replica: give the primary's pool to builder(…)"
                  + " and this one to replica(…)");
        }
        fleet.isCluster(sight.position().systemIdentifier());
      } else {
        requireSameCluster(member.node(), sight);
        if (!sight.recovering()) {
          throw misconfigured(
              member.node(),
              "is declared as a replica, but accepts writes: it is not one of this primary");
        }
      }
    }
  }

  private void start(Member member) {
    meters.watch(member);
    member.monitor().start();
  }

  private static NodeSight asked(Member member) {
    try {
      return member.monitor().askNow();
    } catch (RoutingException e) {
      throw e;
    } catch (Exception e) {
      throw new RoutingException(
          Kind.MISCONFIGURED,
          "node '" + member.name() + "' does not answer its first probe: " + e.getMessage(),
          e);
    }
  }

  private void requireSameCluster(DatabaseNode node, NodeSight sight) {
    long found = sight.position().systemIdentifier();
    if (found != fleet.systemIdentifier()) {
      throw misconfigured(
          node,
          "is of cluster "
              + Long.toUnsignedString(found)
              + ", the primary of cluster "
              + Long.toUnsignedString(fleet.systemIdentifier())
              + ": its URL leads elsewhere");
    }
  }

  private static RoutingException misconfigured(DatabaseNode node, String rule) {
    return new RoutingException(Kind.MISCONFIGURED, "node '" + node.name() + "' " + rule);
  }

  synchronized void add(DatabaseNode node) {
    fleet.requireOpen();
    if (fleet.nodes().stream().anyMatch(member -> member.name().equals(node.name()))) {
      throw misconfigured(node, "is there already: give each node a name of its own");
    }
    Member member = member(node);
    try {
      requireSameCluster(node, asked(member));
      start(member);
    } catch (RuntimeException | Error e) {
      stop(member);
      throw e;
    }
    fleet.add(member);
    fleet.sighted(member);
  }

  synchronized int remove(String name, Duration deadline) {
    fleet.requireOpen();
    Member member =
        fleet.nodes().stream()
            .filter(each -> each.name().equals(name))
            .findFirst()
            .orElseThrow(
                () ->
                    new RoutingException(
                        Kind.MISCONFIGURED,
                        "node '"
                            + name
                            + "' is not there to be removed: there are "
                            + fleet.nodes().stream().map(Member::name).toList()));
    if (member == fleet.primaryOrNull()) {
      throw misconfigured(
          member.node(),
          "is the primary now, and nothing could be written without it: promote another one first");
    }
    member.drain();
    long until = System.nanoTime() + deadline.toNanos();
    while (member.reads() > 0 && until - System.nanoTime() > 0) {
      try {
        Thread.sleep(2);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        break;
      }
    }
    fleet.remove(member);
    stop(member);
    return member.reads();
  }

  private void stop(Member member) {
    member.monitor().stop();
    meters.unwatch(member);
  }

  synchronized void close() {
    fleet.close();
    fleet.nodes().forEach(this::stop);
  }

  List<NodeState> states() {
    return fleet.nodes().stream().map(this::state).toList();
  }

  private NodeState state(Member member) {
    Optional<NodeSight> sight = Optional.ofNullable(member.sight());
    return new NodeState(
        member.name(),
        role(member),
        sight.map(NodeSight::position),
        sight.map(seen -> Duration.ofNanos(seen.ageNanos(System.nanoTime()))),
        member.lagBytes(),
        sight.flatMap(seen -> fleet.staleness(seen.position())),
        member.reads(),
        member.monitor().waiters());
  }

  private Role role(Member member) {
    NodeSight sight = member.sight();
    if (sight == null || !fleet.isFresh(sight)) {
      return Role.SILENT;
    }
    if (sight.timeline() < fleet.timelines().newest()) {
      return Role.LEFT_BEHIND;
    }
    if (!sight.recovering()) {
      return Role.PRIMARY;
    }
    if (member.isDraining()) {
      return Role.DRAINING;
    }
    return member.isLagging() ? Role.LAGGING : Role.REPLICA;
  }
}
