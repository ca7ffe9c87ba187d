package dev.pgbelay.benchmarks.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.ConsistencyTokens;
import java.time.Duration;
import java.util.Arrays;

/** A token to text and back, again and again. */
final class TokenTimes {
  private static final int SECRET_BYTES = 32;
  private static final long CLUSTER = 7_000_000_000_000_000_000L;

  /**
   * Of one token.
   *
   * @param same how many came back as they were
   */
  record Figures(double medianNanos, int same) {}

  private TokenTimes() {}

  static Figures of(int count) {
    ConsistencyTokens tokens =
        ConsistencyTokens.of(KeyRing.of("k1", new byte[SECRET_BYTES]), Duration.ofHours(1));
    long[] nanos = new long[count];
    int same = 0;
    for (int i = 0; i < count; i++) {
      ConsistencyToken token = ConsistencyToken.of(new CommitPosition(CLUSTER, 1, 1_000L + i));
      long begun = System.nanoTime();
      ConsistencyToken back = tokens.read(tokens.write(token));
      nanos[i] = System.nanoTime() - begun;
      same += back.equals(token) ? 1 : 0;
    }
    Arrays.sort(nanos);
    return new Figures(nanos[count / 2], same);
  }
}
