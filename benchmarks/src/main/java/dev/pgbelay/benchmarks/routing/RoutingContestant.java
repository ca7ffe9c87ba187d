package dev.pgbelay.benchmarks.routing;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.routing.ReadYourWrites;
import java.util.ArrayList;
import java.util.List;

/** The router, or what is done without one: plain pools, and the pin of two seconds. */
final class RoutingContestant implements Contestant {
  static final String READ = "read";
  static final String WRITE = "write";
  static final String ROUND_TRIPS = "round-trips";
  static final String TOKEN = "token";
  static final String WAITING = "waiting";
  static final String SHARE = "share";

  /**
   * How much of each.
   *
   * @param reads pairs of them in a round
   * @param writes pairs of them in a round
   */
  record Sizes(int reads, int writes, int tokens, int waiting, int visitors) {}

  private static final double NANOS_PER_MICRO = 1e3;
  private static final double KIB = 1024;

  private final boolean routed;
  private final Replicated servers;
  private final Interleaved interleaved;
  private final ReadYourWrites oneReplica;
  private final ReadYourWrites twoReplicas;
  private final Sizes sizes;

  RoutingContestant(
      boolean routed,
      Replicated servers,
      Interleaved interleaved,
      ReadYourWrites oneReplica,
      ReadYourWrites twoReplicas,
      Sizes sizes) {
    this.routed = routed;
    this.servers = servers;
    this.interleaved = interleaved;
    this.oneReplica = oneReplica;
    this.twoReplicas = twoReplicas;
    this.sizes = sizes;
  }

  @Override
  public String name() {
    return routed ? "pgbelay" : Stage.LIMIT;
  }

  @Override
  public boolean takesPart(String part) {
    return routed || !(part.equals(TOKEN) || part.equals(WAITING));
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    return switch (part) {
      case READ -> reads();
      case WRITE -> writes();
      case ROUND_TRIPS -> roundTrips();
      case TOKEN -> tokens();
      case WAITING -> waiting();
      case SHARE -> share();
      default -> throw new IllegalArgumentException("there is no part " + part);
    };
  }

  private List<Measurement> reads() throws Exception {
    Interleaved.Figures took = interleaved.take(false, routed, sizes.reads());
    Work did = new Work(took.pairs(), took.sum(routed));
    Work expected = new Work(sizes.reads(), took.sum(!routed));
    List<Measurement> all = new ArrayList<>();
    all.add(
        new Measurement("read/median", took.median(routed) / NANOS_PER_MICRO, "us", did, expected));
    if (routed) {
      double added = Math.max(0, took.addedNanos()) / NANOS_PER_MICRO;
      all.add(new Measurement("read/added", added, "us", did, expected));
    }
    return all;
  }

  private List<Measurement> writes() throws Exception {
    Interleaved.Figures took = interleaved.take(true, routed, sizes.writes());
    Work did = new Work(took.pairs(), took.sum(routed));
    Work expected = new Work(sizes.writes(), took.sum(!routed));
    return List.of(
        new Measurement(
            "write/transactions-per-second", took.perSecond(routed), "1/s", did, expected));
  }

  private List<Measurement> roundTrips() throws Exception {
    RoundTripCount.Trips trips = RoundTripCount.of(servers, routed);
    Work work = new Work(RoundTripCount.COUNTED, 0);
    return List.of(
        new Measurement("round-trips/read", trips.read(), "each", work, work),
        new Measurement("round-trips/write", trips.write(), "each", work, work));
  }

  private List<Measurement> tokens() {
    TokenTimes.Figures took = TokenTimes.of(sizes.tokens());
    return List.of(
        new Measurement(
            "token/encode-and-verify",
            took.medianNanos() / NANOS_PER_MICRO,
            "us",
            new Work(took.same(), 0),
            new Work(sizes.tokens(), 0)));
  }

  private List<Measurement> waiting() throws Exception {
    WaitingSessions.Figures seen = WaitingSessions.of(servers, oneReplica, sizes.waiting());
    Work did = new Work(seen.satisfied(), 0);
    Work expected = new Work(sizes.waiting(), 0);
    return List.of(
        new Measurement("waiting/heap-a-session", seen.bytesEach() / KIB, "KiB", did, expected),
        new Measurement("waiting/probing-connections", seen.probes(), "", did, expected));
  }

  private List<Measurement> share() throws Exception {
    PrimaryShare.Visitors visitors =
        routed
            ? number -> RoutedVisitor.of(twoReplicas)
            : number -> new PinnedVisitor(servers, number);
    PrimaryShare.Figures seen = PrimaryShare.of(servers, visitors, sizes.visitors());
    int reads = sizes.visitors() * PrimaryShare.READS;
    return List.of(
        new Measurement(
            "share/reads-on-primary",
            seen.percentOnPrimary(),
            "%",
            new Work(seen.reads(), seen.fresh()),
            new Work(reads, reads)));
  }
}
