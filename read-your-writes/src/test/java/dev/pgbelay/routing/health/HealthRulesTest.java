package dev.pgbelay.routing.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.routing.NodeState;
import dev.pgbelay.routing.NodeState.Role;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class HealthRulesTest {
  private static NodeState node(String name, Role role) {
    return new NodeState(
        name,
        role,
        Optional.of(new CommitPosition(1, 3, 1)),
        Optional.of(Duration.ofSeconds(7)),
        4_711,
        Optional.of(Duration.ofSeconds(12)),
        0,
        0);
  }

  private static Health judged(NodeState... nodes) {
    return HealthRules.judge(List.of(nodes));
  }

  @Test
  void primaryAndReplicas_areWell() {
    Health health =
        judged(node("a", Role.PRIMARY), node("b", Role.REPLICA), node("c", Role.DRAINING));

    assertThat(health.status()).isEqualTo(Status.UP);
    assertThat(health.reasons()).isEmpty();
  }

  @Test
  void noPrimary_isDown() {
    Health health = judged(node("a", Role.SILENT), node("b", Role.REPLICA));

    assertThat(health.status()).isEqualTo(Status.DOWN);
    assertThat(health.reasons().get(0).text()).contains("no node accepts writes").endsWith("fail");
    assertThat(health.reasons().get(1).text()).isEqualTo("node 'a' has not answered for 7 s");
    assertThat(judged(node("a", Role.SILENT)).reasons().get(0).text()).contains("reads as well");
  }

  @Test
  void twoPrimaries_areDown_andNamed() {
    Health health = judged(node("a", Role.PRIMARY), node("b", Role.PRIMARY));

    assertThat(health.status()).isEqualTo(Status.DOWN);
    assertThat(health.reasons()).hasSize(1);
    assertThat(health.reasons().get(0).text()).contains("[a, b]");
  }

  @Test
  void primaryAlone_isDegraded_withWhatTheOthersAre() {
    Health health =
        judged(
            node("a", Role.PRIMARY),
            node("b", Role.LAGGING),
            node("c", Role.LEFT_BEHIND),
            new NodeState(
                "d", Role.SILENT, Optional.empty(), Optional.empty(), 0, Optional.empty(), 0, 0));

    assertThat(health.status()).isEqualTo(Status.DEGRADED);
    assertThat(health.reasons())
        .extracting(Health.Reason::text)
        .containsExactly(
            "no replica is read from: all reads go to the primary",
            "node 'b' is 4711 bytes behind, what it shows is up to 12 s old: it is not read from"
                + " until it is below half of the limits",
            "node 'c' is on timeline 3, which the cluster has left: rebuild it, or let it follow"
                + " the primary",
            "node 'd' has never answered");
  }
}
