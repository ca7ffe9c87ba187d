package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.webhook.SignatureVerifier.Verdict.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HmacSignaturesTest {
  private static final Instant NOW = Instant.ofEpochSecond(1_700_000_000);
  private static final byte[] SECRET = "0123456789abcdef0123456789abcdef".getBytes(UTF_8);
  private static final byte[] OTHER = "fedcba9876543210fedcba9876543210".getBytes(UTF_8);
  private static final byte[] BODY = "{\"event\":\"evt_1\"}".getBytes(UTF_8);

  /** Made with openssl: printf '1700000000.{"event":"evt_1"}' | openssl dgst -sha256 -hmac … */
  private static final String BY_OPENSSL =
      "6403ff4013a119c831b0942926cc77b4ae5f529ccbad0a69c13098d5971b66be";

  private static HmacSignatures at(Instant time) {
    return HmacSignatures.builder(() -> time).secret("today", SECRET).build();
  }

  private static SignatureVerifier.Verdict verify(
      HmacSignatures signatures, byte[] body, String... values) {
    return signatures.verify(
        name -> name.equals(signatures.header()) ? List.of(values) : List.of(), body);
  }

  @Test
  void signatureMadeByAnotherProgram_isValidAndTheSameAsOurs() {
    String value = "t=1700000000,v1=" + BY_OPENSSL;
    assertThat(at(NOW).sign(BODY)).isEqualTo(value);
    SignatureVerifier.Verdict verdict = verify(at(NOW), BODY, value);
    assertThat(verdict.outcome()).isEqualTo(Outcome.VALID);
    assertThat(verdict.isValid()).isTrue();
    assertThat(verdict.signedAt()).contains(NOW);
    assertThat(verdict.secret()).contains("today");
  }

  @Test
  void changedBodyTimeOrSecret_isWrong() {
    String value = at(NOW).sign(BODY);
    assertThat(verify(at(NOW), "{}".getBytes(UTF_8), value).outcome()).isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), BODY, value.replace("t=17", "t=18")).outcome())
        .isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), BODY, value.replace("t=1", "t=01")).outcome())
        .isEqualTo(Outcome.WRONG);
    HmacSignatures others = HmacSignatures.builder(() -> NOW).secret("other", OTHER).build();
    assertThat(verify(others, BODY, value).outcome()).isEqualTo(Outcome.WRONG);
    assertThat(verify(others, BODY, value).signedAt()).isEmpty();
  }

  @Test
  void tolerance_isKeptToTheSecondOnBothSides() {
    String value = at(NOW).sign(BODY);
    Duration five = Duration.ofMinutes(5);
    assertThat(verify(at(NOW.plus(five)), BODY, value).outcome()).isEqualTo(Outcome.VALID);
    assertThat(verify(at(NOW.plus(five).plusMillis(1)), BODY, value).outcome())
        .isEqualTo(Outcome.TOO_OLD);
    assertThat(verify(at(NOW.minus(five)), BODY, value).outcome()).isEqualTo(Outcome.VALID);
    assertThat(verify(at(NOW.minus(five).minusMillis(1)), BODY, value).outcome())
        .isEqualTo(Outcome.TOO_NEW);
  }

  @Test
  void eitherSide_canChangeItsSecretFirst() {
    HmacSignatures both =
        HmacSignatures.builder(() -> NOW).secret("new", OTHER).secret("old", SECRET).build();
    String old = at(NOW).sign(BODY);
    assertThat(verify(both, BODY, old).secret()).contains("old");
    String signedTwice = both.sign(BODY) + "," + old.substring(old.indexOf("v1="));
    assertThat(verify(at(NOW), BODY, signedTwice).outcome()).isEqualTo(Outcome.VALID);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "v1=00",
        "t=1700000000",
        "t=1700000000,t=1700000000,v1=00",
        "t=-1,v1=00",
        "t=1e9,v1=00",
        "t=999999999999,v1=00",
        "garbage",
        "t=1,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0"
      })
  void headerOfAnotherForm_isMalformed(String value) {
    assertThat(verify(at(NOW), BODY, value).outcome()).isEqualTo(Outcome.MALFORMED);
  }

  @Test
  void signatureThatIsNoHex_isWrongAndHeadersThatAreMissingOrTwiceAreSaidSo() {
    assertThat(verify(at(NOW), BODY, "t=1700000000,v1=xyz").outcome()).isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), BODY, "t=1700000000,v1=").outcome()).isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), BODY).outcome()).isEqualTo(Outcome.MISSING);
    String value = at(NOW).sign(BODY);
    assertThat(verify(at(NOW), BODY, value, value).outcome()).isEqualTo(Outcome.MALFORMED);
  }

  @Test
  void fieldsHeaderAndEncoding_canBeTheProvidersOwn() {
    HmacSignatures own =
        HmacSignatures.builder(() -> NOW)
            .header("X-Bank-Signature")
            .fields("ts", "sig")
            .encoding(HmacSignatures.Encoding.BASE64)
            .secret("only", SECRET)
            .build();
    String value = own.sign(BODY);
    assertThat(value).startsWith("ts=1700000000,sig=").endsWith("=");
    assertThat(own.header()).isEqualTo("x-bank-signature");
    assertThat(verify(own, BODY, value + ",other=1").outcome()).isEqualTo(Outcome.VALID);
  }

  @Test
  void nothingThatIsPrinted_holdsASecretOrASignature() {
    String value = at(NOW).sign(BODY);
    String signature = value.substring(value.indexOf("v1=") + 3);
    SignatureVerifier.Verdict verdict = verify(at(NOW), "{}".getBytes(UTF_8), value);
    assertThat(at(NOW).toString() + verdict)
        .doesNotContain(new String(SECRET, UTF_8))
        .doesNotContain(signature)
        .contains("today");
    assertThat(verdict.secret()).isEqualTo(Optional.empty());
  }

  @Test
  void secretsAndOptionsThatAreUnfit_areRefusedByName() {
    HmacSignatures.Builder builder = HmacSignatures.builder(() -> NOW);
    assertThatThrownBy(builder::build).hasMessageContaining("there is no secret");
    assertThatThrownBy(() -> builder.secret("short", new byte[15]))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("short");
    builder.secret("one", SECRET);
    assertThatThrownBy(() -> builder.secret("one", OTHER)).hasMessageContaining("twice");
    assertThatThrownBy(() -> builder.tolerance(Duration.ofMillis(1)).build())
        .hasMessageContaining("tolerance");
    assertThatThrownBy(() -> builder.tolerance(Duration.ofMinutes(1)).header("a b").build())
        .hasMessageContaining("header");
    assertThatThrownBy(() -> builder.header("s").fields("v", "v").build())
        .hasMessageContaining("both fields");
  }
}
