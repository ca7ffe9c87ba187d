package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.token.InvalidTokenException;
import dev.pgbelay.core.token.KeyRing;
import java.time.Duration;
import java.util.Base64;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ConsistencyTokensTest {
  private static final Duration HOUR = Duration.ofHours(1);
  private static final CommitPosition POSITION =
      new CommitPosition(-7_390_123_456_789L, Integer.MAX_VALUE, -1L);

  private static byte[] secret(int seed) {
    byte[] bytes = new byte[32];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private static ConsistencyTokens tokens(String keyName) {
    return ConsistencyTokens.of(KeyRing.of(keyName, secret(1)), HOUR);
  }

  @Test
  void token_isReadAsItWasWritten() {
    ConsistencyTokens tokens = tokens("k1");
    ConsistencyToken token = ConsistencyToken.of(POSITION);

    assertThat(tokens.read(tokens.write(token))).isEqualTo(token);
  }

  @Test
  void token_hasAtMostEightyCharacters_withTheLongestKeyName() {
    assertThat(tokens("abcdefghijklmnop").write(ConsistencyToken.of(POSITION)))
        .hasSizeLessThanOrEqualTo(80)
        .matches("[A-Za-z0-9_-]+");
  }

  @Test
  void longerKeyName_isRefusedAtOnce() {
    assertThatThrownBy(() -> tokens("abcdefghijklmnopq"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("abcdefghijklmnopq")
        .hasMessageContaining("at most 16");
  }

  @Test
  void timeToLive_outOfRange_isRefused() {
    KeyRing ring = KeyRing.of("k1", secret(1));

    assertThatThrownBy(() -> ConsistencyTokens.of(ring, Duration.ofMillis(999)))
        .hasMessageContaining("timeToLive")
        .hasMessageContaining("30 days");
    assertThatThrownBy(() -> ConsistencyTokens.of(ring, Duration.ofDays(31)))
        .hasMessageContaining("timeToLive");
  }

  @Test
  void rotatedKey_stillReads() {
    String old = tokens("k1").write(ConsistencyToken.of(POSITION));
    KeyRing ring = KeyRing.builder().current("k2", secret(2)).accept("k1", secret(1)).build();

    assertThat(ConsistencyTokens.of(ring, HOUR).read(old).position()).isEqualTo(POSITION);
  }

  @Test
  void hundredThousandMutatedTokens_areRefused() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    ConsistencyTokens tokens = tokens("k1");
    String genuine = tokens.write(ConsistencyToken.of(POSITION));
    byte[] bytes = Base64.getUrlDecoder().decode(genuine);
    int refused = 0;
    for (int i = 0; i < 100_000; i++) {
      byte[] changed = bytes.clone();
      for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
        changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
      }
      String text = Base64.getUrlEncoder().withoutPadding().encodeToString(changed);
      if (text.equals(genuine)) {
        refused++;
        continue;
      }
      try {
        ConsistencyToken ignored = tokens.read(text);
      } catch (InvalidTokenException e) {
        refused++;
      }
    }
    assertThat(refused).isEqualTo(100_000);
  }

  @Test
  void merge_keepsTheLater() {
    ConsistencyToken one = ConsistencyToken.of(new CommitPosition(5, 1, 100));
    ConsistencyToken other = ConsistencyToken.of(new CommitPosition(5, 1, 101));
    ConsistencyToken newer = ConsistencyToken.of(new CommitPosition(5, 2, 50));

    assertThat(one.merge(other)).isEqualTo(other);
    assertThat(other.merge(one)).isEqualTo(other);
    assertThat(other.merge(newer)).isEqualTo(newer);
    assertThatThrownBy(() -> one.merge(ConsistencyToken.of(new CommitPosition(6, 1, 100))))
        .isInstanceOf(RoutingException.class)
        .hasMessageContaining("clusters 5 and 6");
  }
}
