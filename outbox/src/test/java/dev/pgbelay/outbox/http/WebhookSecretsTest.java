package dev.pgbelay.outbox.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import org.junit.jupiter.api.Test;

class WebhookSecretsTest {
  private static final byte[] OLD = "the-old-secret-of-32-bytes-here!".getBytes(UTF_8);
  private static final byte[] NEW = "the-new-secret-of-32-bytes-here!".getBytes(UTF_8);
  private static final byte[] BODY = "{\"a\":1}".getBytes(UTF_8);
  private static final long AT = 1_700_000_000L;

  private static boolean verify(WebhookSecrets secrets, String id, long at, String signature) {
    return secrets.verify(
        id,
        Long.toString(at),
        signature,
        BODY,
        Instant.ofEpochSecond(AT + 60),
        Duration.ofMinutes(5));
  }

  /** Computed apart: {@code printf | openssl dgst -sha256 -hmac | base64}. */
  @Test
  void signature_isThatOfStandardWebhooks() {
    assertThat(
            WebhookSecrets.of("a", Base64.getDecoder().decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
                .sign(
                    "msg_p5jXN8AQM9LWM0D4loKWxJek",
                    1_614_265_330L,
                    "{\"test\": 2432232314}".getBytes(UTF_8)))
        .isEqualTo("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  }

  @Test
  void eachSecretSigns_soThatEitherSideMayChangeFirst() {
    String both = WebhookSecrets.of("old", OLD).and("new", NEW).sign("m", AT, BODY);
    assertThat(verify(WebhookSecrets.of("x", OLD), "m", AT, both)).isTrue();
    assertThat(verify(WebhookSecrets.of("x", NEW), "m", AT, both)).isTrue();
    String old = WebhookSecrets.of("old", OLD).sign("m", AT, BODY);
    assertThat(verify(WebhookSecrets.of("x", NEW), "m", AT, old)).isFalse();
    assertThat(verify(WebhookSecrets.of("x", NEW).and("y", OLD), "m", AT, old)).isTrue();
  }

  @Test
  void whatIsSignedAndChanged_isNotVerified() {
    WebhookSecrets secrets = WebhookSecrets.of("a", OLD);
    String signature = secrets.sign("m", AT, BODY);
    assertThat(verify(secrets, "m", AT, signature)).isTrue();
    assertThat(verify(secrets, "n", AT, signature)).isFalse();
    assertThat(verify(secrets, "m", AT + 1, signature)).isFalse();
    assertThat(verify(secrets, "m", AT, "v1,AAAA")).isFalse();
    assertThat(verify(secrets, "m", AT, signature.replace("v1", "v2"))).isFalse();
    assertThat(verify(secrets, "m", AT, "not Base64 at all: v1,%%%")).isFalse();
    Instant now = Instant.ofEpochSecond(AT);
    Duration tolerance = Duration.ofMinutes(5);
    String at = Long.toString(AT);
    assertThat(secrets.verify("m", at, signature, "{}".getBytes(UTF_8), now, tolerance)).isFalse();
    assertThat(secrets.verify("m", at, signature, BODY, now.plusSeconds(301), tolerance)).isFalse();
    assertThat(secrets.verify("m", at, signature, BODY, now.minusSeconds(301), tolerance))
        .isFalse();
    assertThat(secrets.verify(null, at, signature, BODY, now, tolerance)).isFalse();
    assertThat(secrets.verify("m", "soon", signature, BODY, now, tolerance)).isFalse();
    assertThat(secrets.verify("m", at, null, BODY, now, tolerance)).isFalse();
  }

  @Test
  void secretsThatAreUnfit_areRefusedWithoutBeingNamed() {
    assertThatThrownBy(() -> WebhookSecrets.of("a", new byte[23]))
        .isExactlyInstanceOf(PgBelayException.class)
        .hasMessageContaining("'a' has 23 bytes");
    assertThatThrownBy(() -> WebhookSecrets.of("a", new byte[65])).hasMessageContaining("65");
    assertThatThrownBy(() -> WebhookSecrets.of("a b", OLD)).hasMessageContaining("name");
    assertThatThrownBy(() -> WebhookSecrets.of("a", OLD).and("a", NEW))
        .hasMessageContaining("given twice");
    WebhookSecrets four = WebhookSecrets.of("a", OLD).and("b", OLD).and("c", OLD).and("d", OLD);
    assertThatThrownBy(() -> four.and("e", OLD)).hasMessageContaining("at most 4");
  }

  @Test
  void text_hasNamesOnly() {
    assertThat(WebhookSecrets.of("old", OLD).and("new", NEW))
        .hasToString("WebhookSecrets[old, new]");
  }
}
