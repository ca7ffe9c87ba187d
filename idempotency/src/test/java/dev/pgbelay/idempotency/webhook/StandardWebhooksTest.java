package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.webhook.SignatureVerifier.Verdict.Outcome;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class StandardWebhooksTest {
  /** Behind {@code whsec_}, as a provider would hand it out. */
  private static final byte[] SECRET =
      Base64.getDecoder().decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

  private static final byte[] OTHER = "fedcba9876543210fedcba9876543210".getBytes(UTF_8);
  private static final String ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  private static final String TIME = "1614265330";
  private static final Instant NOW = Instant.ofEpochSecond(1_614_265_330);
  private static final byte[] BODY = "{\"test\": 2432232314}".getBytes(UTF_8);

  /**
   * Made with openssl: {@code printf 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
   * | openssl dgst -sha256 -mac HMAC -macopt
   * hexkey:31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0 -binary | base64}.
   */
  private static final String BY_OPENSSL = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

  private static StandardWebhooks at(Instant time) {
    return StandardWebhooks.builder(() -> time).secret("today", SECRET).build();
  }

  private static SignatureVerifier.Verdict verify(
      StandardWebhooks signatures, String id, String time, String signature, byte[] body) {
    Map<String, String> headers =
        Map.of("webhook-id", id, "webhook-timestamp", time, "webhook-signature", signature);
    return signatures.verify(name -> List.of(headers.get(name)), body);
  }

  /** By the definition, and not by the code that is tested. */
  private static String signature(byte[] secret, String id, String time, String body) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      byte[] signed = mac.doFinal((id + "." + time + "." + body).getBytes(UTF_8));
      return "v1," + Base64.getEncoder().encodeToString(signed);
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void signatureMadeByAnotherProgram_isValid() {
    SignatureVerifier.Verdict verdict = verify(at(NOW), ID, TIME, BY_OPENSSL, BODY);
    assertThat(verdict.outcome()).isEqualTo(Outcome.VALID);
    assertThat(verdict.signedAt()).contains(NOW);
    assertThat(verdict.secret()).contains("today");
  }

  @Test
  void changedBodyTimeIdOrSecret_isWrong() {
    assertThat(verify(at(NOW), ID, TIME, BY_OPENSSL, "{}".getBytes(UTF_8)).outcome())
        .isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), ID, "1614265331", BY_OPENSSL, BODY).outcome())
        .isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), ID, "0" + TIME, BY_OPENSSL, BODY).outcome())
        .isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), "msg_other", TIME, BY_OPENSSL, BODY).outcome())
        .isEqualTo(Outcome.WRONG);
    SignatureVerifier.Verdict others =
        verify(
            StandardWebhooks.builder(() -> NOW).secret("other", OTHER).build(),
            ID,
            TIME,
            BY_OPENSSL,
            BODY);
    assertThat(others.outcome()).isEqualTo(Outcome.WRONG);
    assertThat(others.signedAt()).isEmpty();
    assertThat(others.secret()).isEmpty();
  }

  @Test
  void tolerance_isKeptToTheSecondOnBothSides() {
    Duration five = Duration.ofMinutes(5);
    assertThat(verify(at(NOW.plus(five)), ID, TIME, BY_OPENSSL, BODY).isValid()).isTrue();
    assertThat(verify(at(NOW.plus(five).plusMillis(1)), ID, TIME, BY_OPENSSL, BODY).outcome())
        .isEqualTo(Outcome.TOO_OLD);
    assertThat(verify(at(NOW.minus(five)), ID, TIME, BY_OPENSSL, BODY).isValid()).isTrue();
    assertThat(verify(at(NOW.minus(five).minusMillis(1)), ID, TIME, BY_OPENSSL, BODY).outcome())
        .isEqualTo(Outcome.TOO_NEW);
  }

  @Test
  void eitherSide_canChangeItsSecretFirst() {
    StandardWebhooks both =
        StandardWebhooks.builder(() -> NOW).secret("new", OTHER).secret("old", SECRET).build();
    assertThat(verify(both, ID, TIME, BY_OPENSSL, BODY).secret()).contains("old");
    String byOther = signature(OTHER, ID, TIME, new String(BODY, UTF_8));
    for (String signedTwice :
        List.of(byOther + " " + BY_OPENSSL, BY_OPENSSL + " v1a,AAAA " + byOther)) {
      assertThat(verify(at(NOW), ID, TIME, signedTwice, BODY).isValid()).isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "v1",
        "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,a v1,a v1,a v1,a v1,a v1,a v1,a v1,a v1,a",
      })
  void signatureOfAnotherForm_isMalformed(String signature) {
    assertThat(verify(at(NOW), ID, TIME, signature, BODY).outcome()).isEqualTo(Outcome.MALFORMED);
  }

  @ParameterizedTest
  @CsvSource({"msg, -1", "msg, 1e9", "msg, 999999999999", "msg, ''", "'', 1614265330"})
  void timeOrIdOfAnotherForm_isMalformed(String id, String time) {
    String rightlySigned = signature(SECRET, id, time, new String(BODY, UTF_8));
    assertThat(verify(at(NOW), id, time, rightlySigned, BODY).outcome())
        .isEqualTo(Outcome.MALFORMED);
  }

  @Test
  void signatureThatIsNoBase64_isWrong() {
    assertThat(verify(at(NOW), ID, TIME, "v1,***", BODY).outcome()).isEqualTo(Outcome.WRONG);
    assertThat(verify(at(NOW), ID, TIME, "v1,", BODY).outcome()).isEqualTo(Outcome.WRONG);
  }

  @ParameterizedTest
  @ValueSource(strings = {"webhook-id", "webhook-timestamp", "webhook-signature"})
  void headersThatAreMissingTwiceOrTooLong_areSaidSo(String header) {
    Map<String, String> headers =
        Map.of("webhook-id", ID, "webhook-timestamp", TIME, "webhook-signature", BY_OPENSSL);
    SignatureVerifier.Verdict missing =
        at(NOW).verify(name -> name.equals(header) ? List.of() : List.of(headers.get(name)), BODY);
    assertThat(missing.outcome()).isEqualTo(Outcome.MISSING);
    assertThat(missing.detail()).contains(header);
    for (List<String> values :
        List.of(List.of(headers.get(header), headers.get(header)), List.of("1".repeat(4_097)))) {
      SignatureVerifier.Verdict refused =
          at(NOW).verify(name -> name.equals(header) ? values : List.of(headers.get(name)), BODY);
      assertThat(refused.outcome()).isEqualTo(Outcome.MALFORMED);
      assertThat(refused.detail()).contains(header);
    }
  }

  @Test
  void eventId_isTheOneThatIsSigned() throws Exception {
    assertThat(
            StandardWebhooks.eventIds()
                .find(name -> name.equals("webhook-id") ? List.of(ID) : List.of(), BODY))
        .contains(ID);
  }

  @Test
  void nothingThatIsPrinted_holdsASecretOrASignature() {
    SignatureVerifier.Verdict verdict = verify(at(NOW), ID, TIME, BY_OPENSSL, new byte[0]);
    assertThat(at(NOW).toString() + verdict)
        .doesNotContain("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .doesNotContain("g0hM9SsE")
        .contains("today");
  }

  @Test
  void secretsAndOptionsThatAreUnfit_areRefusedByName() {
    StandardWebhooks.Builder builder = StandardWebhooks.builder(() -> NOW);
    assertThatThrownBy(builder::build).hasMessageContaining("there is no secret");
    assertThatThrownBy(() -> builder.secret("short", new byte[15]))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("short");
    builder.secret("one", SECRET);
    assertThatThrownBy(() -> builder.secret("one", OTHER)).hasMessageContaining("twice");
    assertThatThrownBy(() -> builder.tolerance(Duration.ofMillis(1)).build())
        .hasMessageContaining("tolerance");
  }
}
