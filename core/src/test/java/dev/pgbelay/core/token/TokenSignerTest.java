package dev.pgbelay.core.token;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.token.InvalidTokenException.Reason;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class TokenSignerTest {
  private static final byte[] OLD = secret(1);
  private static final byte[] NEW = secret(2);
  private static final byte[] PAYLOAD = "position 42".getBytes(UTF_8);

  private final KeyRing ring = KeyRing.of("k1", OLD);
  private final TokenSigner signer = TokenSigner.builder(ring, "test/1").build();

  private static byte[] secret(long seed) {
    byte[] bytes = new byte[32];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private static Reason refusal(TokenSigner signer, String token) {
    InvalidTokenException refused =
        catchThrowableOfType(InvalidTokenException.class, () -> signer.verify(token));
    assertThat(refused).as("token %s must be refused", token).isNotNull();
    return refused.reason();
  }

  @Test
  void signedPayload_comesBackUnchanged() {
    TokenSigner.VerifiedToken verified = signer.verify(signer.sign(PAYLOAD));
    assertThat(verified.payload()).isEqualTo(PAYLOAD);
    assertThat(verified.keyName()).isEqualTo("k1");
    assertThat(signer.verify(signer.sign(new byte[0])).payload()).isEmpty();
  }

  @Test
  void rotatedKey_oldTokensVerifyUntilTheKeyLeavesTheRing() {
    String old = signer.sign(PAYLOAD);
    KeyRing rotated = KeyRing.builder().current("k2", NEW).accept("k1", OLD).build();
    TokenSigner next = TokenSigner.builder(rotated, "test/1").build();
    assertThat(next.verify(old).keyName()).isEqualTo("k1");
    assertThat(next.verify(next.sign(PAYLOAD)).keyName()).isEqualTo("k2");
    TokenSigner last = TokenSigner.builder(KeyRing.of("k2", NEW), "test/1").build();
    assertThat(refusal(last, old)).isEqualTo(Reason.UNKNOWN_KEY);
  }

  @Test
  void tokenForAnotherPurpose_isAForgery() {
    TokenSigner other = TokenSigner.builder(ring, "test/2").build();
    assertThat(refusal(other, signer.sign(PAYLOAD))).isEqualTo(Reason.BAD_SIGNATURE);
  }

  @Test
  void sameKeyNameWithAnotherSecret_isAForgery() {
    TokenSigner other = TokenSigner.builder(KeyRing.of("k1", NEW), "test/1").build();
    assertThat(refusal(other, signer.sign(PAYLOAD))).isEqualTo(Reason.BAD_SIGNATURE);
  }

  @Test
  void fullTagSigner_refusesTokensWithTruncatedTagAndTheOtherWayRound() {
    TokenSigner truncated = TokenSigner.builder(ring, "test/1").truncatedTag().build();
    assertThat(truncated.verify(truncated.sign(PAYLOAD)).payload()).isEqualTo(PAYLOAD);
    assertThat(refusal(signer, truncated.sign(new byte[40]))).isEqualTo(Reason.BAD_SIGNATURE);
    assertThat(refusal(truncated, signer.sign(PAYLOAD))).isEqualTo(Reason.BAD_SIGNATURE);
  }

  @Test
  void everySingleBitFlip_isRefused() {
    byte[] bytes = Base64.getUrlDecoder().decode(signer.sign(PAYLOAD, Duration.ofDays(1)));
    Map<Reason, Integer> reasons = new EnumMap<>(Reason.class);
    for (int bit = 0; bit < bytes.length * 8; bit++) {
      byte[] changed = bytes.clone();
      changed[bit / 8] ^= (byte) (1 << (bit % 8));
      String token = Base64.getUrlEncoder().withoutPadding().encodeToString(changed);
      reasons.merge(refusal(signer, token), 1, Integer::sum);
    }
    assertThat(reasons)
        .containsKeys(Reason.WRONG_VERSION, Reason.UNKNOWN_KEY, Reason.BAD_SIGNATURE);
  }

  @Test
  void everyTruncation_isRefused() {
    String token = signer.sign(PAYLOAD);
    for (int length = 0; length < token.length(); length++) {
      refusal(signer, token.substring(0, length));
    }
  }

  @Test
  void nonCanonicalBase64_isMalformed() {
    String token = signer.sign(new byte[6]);
    String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assertThat(token.length() % 4).as("a last character with unused bits").isNotZero();
    int last = alphabet.indexOf(token.charAt(token.length() - 1));
    String twin = token.substring(0, token.length() - 1) + alphabet.charAt(last ^ 1);
    assertThat(Base64.getUrlDecoder().decode(twin)).isEqualTo(Base64.getUrlDecoder().decode(token));
    assertThat(refusal(signer, twin)).isEqualTo(Reason.MALFORMED);
    assertThat(refusal(signer, token + "==")).isEqualTo(Reason.MALFORMED);
    assertThat(refusal(signer, "not a token!")).isEqualTo(Reason.MALFORMED);
    assertThat(refusal(signer, "")).isEqualTo(Reason.MALFORMED);
  }

  @Test
  void overLongToken_isRefusedUnreadAndNotMade() {
    TokenSigner small = TokenSigner.builder(ring, "test/1").maxChars(64).build();
    assertThat(refusal(small, "A".repeat(65))).isEqualTo(Reason.OVER_LONG);
    assertThatExceptionOfType(PgBelayException.class)
        .isThrownBy(() -> small.sign(new byte[64]))
        .withMessageContaining("bound of 64");
  }

  @Test
  void expiry_isRoundedUpToTheSecondAndThenRefused() {
    AtomicReference<Instant> now = new AtomicReference<>(Instant.parse("2026-11-20T10:00:00.2Z"));
    TokenSigner timed = TokenSigner.builder(ring, "test/1").clock(now::get).build();
    String token = timed.sign(PAYLOAD, Duration.ofSeconds(10));
    now.set(Instant.parse("2026-11-20T10:00:10.999Z"));
    assertThat(timed.verify(token).payload()).isEqualTo(PAYLOAD);
    now.set(Instant.parse("2026-11-20T10:00:11Z"));
    assertThat(refusal(timed, token)).isEqualTo(Reason.EXPIRED);
  }

  @Test
  void positionToken_fitsEightyCharacters() {
    TokenSigner small =
        TokenSigner.builder(ring, "pgbelay.routing.position/1").maxChars(80).truncatedTag().build();
    String token = small.sign(new byte[20], Duration.ofMinutes(5));
    assertThat(token.length()).isLessThanOrEqualTo(80);
  }

  @Test
  void fingerprint_differsByKeyAndByPurpose() {
    KeyRing two = KeyRing.builder().current("k2", NEW).accept("k1", OLD).build();
    TokenSigner one = TokenSigner.builder(two, "test/1").build();
    byte[] underK1 = one.fingerprint("k1", PAYLOAD, 8);
    assertThat(underK1).hasSize(8).isEqualTo(signer.fingerprint("k1", PAYLOAD, 8));
    assertThat(one.fingerprint("k2", PAYLOAD, 8)).isNotEqualTo(underK1);
    assertThat(TokenSigner.builder(two, "test/2").build().fingerprint("k1", PAYLOAD, 8))
        .isNotEqualTo(underK1);
  }

  @Test
  void keyRing_refusesShortSecretsBadNamesDuplicatesAndNoCurrentKey() {
    assertThatExceptionOfType(PgBelayException.class)
        .isThrownBy(() -> KeyRing.of("k", new byte[31]))
        .withMessageContaining("31 bytes");
    assertThatExceptionOfType(PgBelayException.class).isThrownBy(() -> KeyRing.of("", OLD));
    assertThatExceptionOfType(PgBelayException.class).isThrownBy(() -> KeyRing.of("ключ", OLD));
    assertThatExceptionOfType(PgBelayException.class)
        .isThrownBy(() -> KeyRing.builder().current("k", OLD).accept("k", NEW))
        .withMessageContaining("twice");
    assertThatExceptionOfType(PgBelayException.class)
        .isThrownBy(() -> KeyRing.builder().accept("k", OLD).build())
        .withMessageContaining("current");
    assertThatExceptionOfType(PgBelayException.class)
        .isThrownBy(() -> KeyRing.builder().current("k", OLD).current("l", NEW));
  }

  @Test
  void nothingPrinted_containsASecret() {
    byte[] readable = "0123456789abcdef0123456789abcdef".getBytes(UTF_8);
    KeyRing printed = KeyRing.of("k1", readable);
    assertThat(printed.toString()).contains("k1").doesNotContain("0123456789abcdef");
  }

  @Test
  void keyRing_copiesTheSecret() {
    byte[] mine = secret(3);
    KeyRing copied = KeyRing.of("k1", mine);
    TokenSigner before = TokenSigner.builder(copied, "test/1").build();
    java.util.Arrays.fill(mine, (byte) 0);
    TokenSigner after = TokenSigner.builder(copied, "test/1").build();
    assertThat(after.verify(before.sign(PAYLOAD)).payload()).isEqualTo(PAYLOAD);
  }
}
