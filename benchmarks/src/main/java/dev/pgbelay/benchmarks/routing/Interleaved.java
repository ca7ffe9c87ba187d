package dev.pgbelay.benchmarks.routing;

import java.sql.SQLException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Both ways of one transaction, one after the other, the first of a pair being now one and now the
 * other: a few microseconds are lost in the drift of a machine from one second to the next.
 */
final class Interleaved {
  private static final int PLAIN = 0;
  private static final int ROUTED = 1;

  /**
   * What one way took.
   *
   * @param medianNanos of one transaction
   * @param totalNanos of all
   * @param sum over the versions that were read or written
   */
  record Side(double medianNanos, double totalNanos, long sum) {}

  /**
   * What a run of pairs took.
   *
   * @param pairs how many
   */
  record Figures(int pairs, Side plain, Side routed) {
    double addedNanos() {
      return routed.medianNanos() - plain.medianNanos();
    }

    double median(boolean ofRouted) {
      return side(ofRouted).medianNanos();
    }

    double perSecond(boolean ofRouted) {
      return pairs * 1e9 / side(ofRouted).totalNanos();
    }

    long sum(boolean ofRouted) {
      return side(ofRouted).sum();
    }

    private Side side(boolean ofRouted) {
      return ofRouted ? routed : plain;
    }
  }

  private record Taker(boolean writes, boolean routed) {}

  private final Access plain;
  private final Access routed;
  private final Map<Taker, Figures> waiting = new HashMap<>();

  Interleaved(Access plain, Access routed) {
    this.plain = plain;
    this.routed = routed;
  }

  /** Each contestant takes its side of the same run; whoever comes first runs it. */
  Figures take(boolean writes, boolean takerIsRouted, int pairs) throws SQLException {
    Figures ran = waiting.remove(new Taker(writes, takerIsRouted));
    if (ran != null) {
      return ran;
    }
    Figures figures = run(writes, pairs);
    waiting.put(new Taker(writes, !takerIsRouted), figures);
    return figures;
  }

  private Figures run(boolean writes, int pairs) throws SQLException {
    long[][] nanos = new long[2][pairs];
    long[] sums = new long[2];
    for (int i = 0; i < pairs; i++) {
      for (int turn = 0; turn < 2; turn++) {
        int way = (i + turn) % 2;
        Access access = way == PLAIN ? plain : routed;
        // Rows of their own, so that both write the same versions.
        int id = 1 + (2 * i + way) % ProfileSql.OF_PAIRS;
        long begun = System.nanoTime();
        long version = writes ? access.write(id) : access.read(ProfileSql.UNCHANGED);
        nanos[way][i] = System.nanoTime() - begun;
        sums[way] += version;
      }
    }
    return new Figures(pairs, side(nanos[PLAIN], sums[PLAIN]), side(nanos[ROUTED], sums[ROUTED]));
  }

  private static Side side(long[] nanos, long sum) {
    double total = Arrays.stream(nanos).sum();
    Arrays.sort(nanos);
    return new Side(nanos[nanos.length / 2], total, sum);
  }
}
