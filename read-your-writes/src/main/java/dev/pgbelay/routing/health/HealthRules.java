package dev.pgbelay.routing.health;

import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.routing.NodeState;
import dev.pgbelay.routing.NodeState.Role;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What is made of the states of nodes. */
final class HealthRules {
  private HealthRules() {}

  static Health judge(List<NodeState> nodes) {
    List<Reason> reasons = new ArrayList<>();
    List<String> primaries = names(nodes, Role.PRIMARY);
    List<String> replicas = names(nodes, Role.REPLICA);
    if (primaries.isEmpty()) {
      reasons.add(
          new Reason(
              Status.DOWN,
              "no node accepts writes on the newest timeline that is known: writes fail"
                  + (replicas.isEmpty() ? ", and reads as well" : "")));
    } else if (primaries.size() > 1) {
      reasons.add(
          new Reason(
              Status.DOWN,
              "nodes "
                  + primaries
                  + " accept writes on one timeline, so that none is written to: stop all but one,"
                  + " and rebuild the others from it"));
    } else if (replicas.isEmpty()) {
      reasons.add(
          new Reason(Status.DEGRADED, "no replica is read from: all reads go to the primary"));
    }
    nodes.forEach(node -> about(node).ifPresent(text -> reasons.add(degraded(text))));
    return Health.of(reasons);
  }

  private static List<String> names(List<NodeState> nodes, Role role) {
    return nodes.stream().filter(node -> node.role() == role).map(NodeState::name).toList();
  }

  private static Reason degraded(String text) {
    return new Reason(Status.DEGRADED, text);
  }

  private static Optional<String> about(NodeState node) {
    String name = "node '" + node.name() + "' ";
    return switch (node.role()) {
      case PRIMARY, REPLICA, DRAINING -> Optional.empty();
      case LAGGING ->
          Optional.of(
              name
                  + "is "
                  + node.lagBytes()
                  + " bytes behind"
                  + node.staleness()
                      .map(age -> ", what it shows is up to " + seconds(age) + " old")
                      .orElse("")
                  + ": it is not read from until it is below half of the limits");
      case LEFT_BEHIND ->
          Optional.of(
              name
                  + "is"
                  + node.position().map(at -> " on timeline " + at.timeline()).orElse("")
                  + ", which the cluster has left: rebuild it, or let it follow the primary");
      case SILENT ->
          Optional.of(
              name
                  + node.age()
                      .map(age -> "has not answered for " + seconds(age))
                      .orElse("has never answered"));
    };
  }

  private static String seconds(Duration time) {
    return time.toSeconds() + " s";
  }
}
