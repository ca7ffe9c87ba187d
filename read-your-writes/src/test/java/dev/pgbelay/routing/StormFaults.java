package dev.pgbelay.routing;

import dev.pgbelay.testing.ClusterException;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresNode;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;

/** What happens to the servers of a storm, one fault after the other until it is over. */
final class StormFaults {
  /** How the first replica comes to take over. */
  enum Promotion {
    NONE,
    /** The old primary has ended in an orderly way, and everything was sent. */
    PLANNED,
    /** The stream to the replicas stands still for a while, then the old primary dies. */
    LOSING,
    /** The old primary does not know, and goes on answering and writing. */
    SPLIT
  }

  private static final long PROMOTED_AFTER_NANOS = 2_000_000_000L;

  private static final int MOST_UNMADE = 2;

  private final Cluster cluster;
  private final List<FaultProxy> proxies;
  private final Promotion promotion;
  private final Random random;
  private final AtomicBoolean over = new AtomicBoolean();
  private int unmade;

  StormFaults(Cluster cluster, List<FaultProxy> proxies, Promotion promotion, long seed) {
    this.cluster = cluster;
    this.proxies = proxies;
    this.promotion = promotion;
    this.random = new Random(seed);
  }

  void end() {
    over.set(true);
  }

  void run() {
    boolean promoted = promotion == Promotion.NONE;
    long begun = System.nanoTime();
    while (!over.get() || !promoted) {
      faultOrNone();
      pause(150);
      if (!promoted && System.nanoTime() - begun > PROMOTED_AFTER_NANOS) {
        promoted = true;
        promote();
      }
    }
  }

  /**
   * What is on trial are the routers, whatever the servers do: a server that once does not do what
   * it is told is only printed. One that goes on like that is none to make a storm with.
   */
  private void faultOrNone() {
    try {
      fault();
    } catch (ClusterException | IllegalStateException e) {
      System.out.println("a fault was not made: " + e + ", " + e.getCause());
      unmade++;
      if (unmade > MOST_UNMADE) {
        throw e;
      }
    }
  }

  private void fault() {
    List<PostgresNode> replicas =
        cluster.servers().replicas().stream().filter(node -> node != cluster.primary()).toList();
    PostgresNode replica = replicas.get(random.nextInt(replicas.size()));
    switch (random.nextInt(6)) {
      case 0 -> {
        replica.pauseReplay();
        pause(200);
        replica.resumeReplay();
      }
      case 1 -> {
        replica.lag(Duration.ofMillis(20 + random.nextInt(200)));
        pause(400);
        replica.lag(Duration.ZERO);
      }
      case 2 -> {
        replica.crash();
        pause(200);
        replica.restart();
      }
      case 3 -> {
        replica.suspend();
        pause(700);
        replica.resume();
      }
      case 4 -> {
        FaultProxy proxy = proxies.get(random.nextInt(proxies.size()));
        proxy.cutBeforeCommit(1 + random.nextInt(5));
        proxy.cutAfterCommit(1 + random.nextInt(5));
      }
      default -> cluster.execute("VACUUM register");
    }
  }

  /** The first replica takes over, and the second follows it. */
  private void promote() {
    PostgresNode heir = cluster.replica(1);
    PostgresNode other = cluster.replica(2);
    switch (promotion) {
      case PLANNED -> cluster.primary().stop();
      case LOSING -> {
        List<FaultProxy> streams =
            cluster.servers().replicas().stream()
                .map(node -> node.upstreamProxy().orElseThrow())
                .toList();
        streams.forEach(FaultProxy::freeze);
        pause(300);
        cluster.primary().crash();
        streams.forEach(FaultProxy::dropConnections);
      }
      default -> {}
    }
    heir.promote();
    cluster.follow(other, heir);
  }

  private void pause(int most) {
    try {
      Thread.sleep(1 + random.nextInt(most));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
