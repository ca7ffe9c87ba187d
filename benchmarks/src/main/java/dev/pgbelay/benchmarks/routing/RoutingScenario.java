package dev.pgbelay.benchmarks.routing;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.routing.ReadYourWrites;
import java.util.List;

/** Reads on replicas that show what was written, beside the same statements without a router. */
public final class RoutingScenario implements Scenario {
  private static final int MOST_WAITING = 1_000;
  private static final int MOST_VISITORS = 100;
  private static final int MOST_TOKENS = 20_000;

  @Override
  public String name() {
    return "routing";
  }

  @Override
  public String description() {
    return "what a routed read and write cost, and how many reads stay off the primary";
  }

  /** Pairs of reads in all measured rounds together. */
  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    int reads = (int) Math.max(2, (settings.rows() + settings.rounds() - 1) / settings.rounds());
    RoutingContestant.Sizes sizes =
        new RoutingContestant.Sizes(
            reads,
            Math.max(2, reads / 20),
            Math.min(MOST_TOKENS, reads),
            (int) Math.max(2, Math.min(MOST_WAITING, settings.rows() / 100)),
            (int) Math.max(2, Math.min(MOST_VISITORS, settings.rows() / 100)));
    Replicated servers = new Replicated();
    try {
      ReadYourWrites one = servers.routed(1);
      Interleaved interleaved =
          new Interleaved(
              new PlainAccess(servers.primaryPool(), servers.replicaPool(0)),
              new RoutedAccess(one, one.session()));
      ReadYourWrites two = servers.routed(2);
      return new RoutingStage(
          List.of(
              new RoutingContestant(false, servers, interleaved, one, two, sizes),
              new RoutingContestant(true, servers, interleaved, one, two, sizes)),
          servers);
    } catch (Throwable failure) {
      servers.close();
      throw failure;
    }
  }

  private record RoutingStage(List<Contestant> contestants, Replicated servers) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(
          RoutingContestant.READ,
          RoutingContestant.WRITE,
          RoutingContestant.ROUND_TRIPS,
          RoutingContestant.TOKEN,
          RoutingContestant.WAITING,
          RoutingContestant.SHARE);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "a primary and two replicas of their own, on the same machine; commits wait for the disk",
          "read and write: both contestants in turns, transaction by transaction; added is the"
              + " difference of the two medians, 0 where the routed one is the faster",
          "share: limit reads from the primary for 2 s after a write; replicas lag by 50 ms; each"
              + " session writes once and reads nine times, 1 s later and then every 250 ms");
    }

    @Override
    public void close() {
      try {
        servers.close();
      } catch (Exception e) {
        throw new IllegalStateException("the servers of the scenario did not close", e);
      }
    }
  }
}
