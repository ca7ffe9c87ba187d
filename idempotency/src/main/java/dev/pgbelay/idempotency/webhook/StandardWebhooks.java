package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.webhook.SignatureVerifier.Verdict.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Signatures as Standard Webhooks (standardwebhooks.com) has them, which pgbelay's outbox sends:
 * {@code webhook-signature} has {@code v1,} and the Base64 of an HMAC-SHA-256 over the values of
 * {@code webhook-id} and {@code webhook-timestamp} and the body, joined by full stops; several are
 * parted by spaces. Signatures of other versions, such as those by public keys, are passed over.
 *
 * <p>The id is signed with the rest, so {@link #eventIds} is the one to give to the inbox. Several
 * secrets are accepted, each signature is compared with each in constant time, and the time is
 * judged once a signature is right, as {@link HmacSignatures} does; the tolerance is by the JVM's
 * clock, given to the builder.
 *
 * <p>Immutable and safe for several threads. Secrets are copied on the way in and never handed out,
 * printed or logged.
 */
public final class StandardWebhooks implements SignatureVerifier {
  private static final String ID = "webhook-id";
  private static final String TIME = "webhook-timestamp";
  private static final String SIGNATURE = "webhook-signature";
  private static final String VERSION = "v1,";
  private static final int LONGEST_HEADER = 4_096;

  /** Each costs a comparison with each secret. */
  private static final int MOST_SIGNATURES = 8;

  private static final Pattern SECONDS = Pattern.compile("[0-9]{1,11}");

  private final InstantSource clock;
  private final Duration tolerance;
  private final SharedSecrets secrets;

  private StandardWebhooks(Builder builder) {
    this.clock = builder.clock;
    this.tolerance = builder.tolerance;
    this.secrets = builder.secrets.build();
  }

  /**
   * Begins with a tolerance of five minutes.
   *
   * @param clock what the tolerance is measured by; {@code InstantSource.system()} in production
   */
  public static Builder builder(InstantSource clock) {
    return new Builder(clock);
  }

  /** The header {@code webhook-id}: the same each time that an event is sent, and signed. */
  public static EventIds eventIds() {
    return EventIds.header(ID);
  }

  @Override
  public SignatureVerifier.Verdict verify(Function<String, List<String>> headers, byte[] body) {
    for (String name : List.of(ID, TIME, SIGNATURE)) {
      List<String> values = headers.apply(name);
      if (values.isEmpty()) {
        return SignatureJudgement.missing(name);
      }
      if (values.size() > 1 || values.get(0).length() > LONGEST_HEADER) {
        return malformed(name);
      }
    }
    String id = headers.apply(ID).get(0);
    String seconds = headers.apply(TIME).get(0);
    if (id.isEmpty()) {
      return malformed(ID);
    }
    if (!SECONDS.matcher(seconds).matches()) {
      return malformed(TIME);
    }
    List<byte[]> signatures = signatures(headers.apply(SIGNATURE).get(0));
    if (signatures.isEmpty() || signatures.size() > MOST_SIGNATURES) {
      return malformed(SIGNATURE);
    }
    Optional<String> fitting =
        secrets.fitting(signatures, (id + '.' + seconds + '.').getBytes(UTF_8), body);
    return SignatureJudgement.judged(
        SIGNATURE,
        fitting,
        secrets.names(),
        Instant.ofEpochSecond(Long.parseLong(seconds)),
        clock.instant(),
        tolerance);
  }

  private static SignatureVerifier.Verdict malformed(String header) {
    return SignatureVerifier.Verdict.refused(
        Outcome.MALFORMED,
        "header '%s' is not as Standard Webhooks has it: is it this provider's?".formatted(header));
  }

  private static List<byte[]> signatures(String header) {
    List<byte[]> signatures = new ArrayList<>();
    for (String signature : header.split(" ", -1)) {
      if (signature.startsWith(VERSION)) {
        signatures.add(decoded(signature.substring(VERSION.length())));
      }
    }
    return signatures;
  }

  /** What is no Base64 fits nothing. */
  private static byte[] decoded(String signature) {
    try {
      return Base64.getDecoder().decode(signature);
    } catch (IllegalArgumentException e) {
      return new byte[0];
    }
  }

  /** The secrets' names. */
  @Override
  public String toString() {
    return "StandardWebhooks[secrets=" + secrets.names() + "]";
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final InstantSource clock;
    private final SharedSecrets.Builder secrets = new SharedSecrets.Builder();
    private Duration tolerance = Duration.ofMinutes(5);

    private Builder(InstantSource clock) {
      this.clock = clock;
    }

    /** How far the time of the signature may be from this clock's, to either side: 1 s to a day. */
    public Builder tolerance(Duration tolerance) {
      this.tolerance = tolerance;
      return this;
    }

    /**
     * A secret that is accepted.
     *
     * @param name how it is called in verdicts and logs
     * @param secret at least 16 bytes: where the provider hands out text that begins with {@code
     *     whsec_}, the Base64 behind that, decoded
     * @throws PgBelayException if it is too short or the name is taken
     */
    public Builder secret(String name, byte[] secret) {
      secrets.add(name, secret);
      return this;
    }

    /**
     * Checks and freezes.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public StandardWebhooks build() {
      OptionRange.require("tolerance", tolerance, Duration.ofSeconds(1), Duration.ofDays(1));
      return new StandardWebhooks(this);
    }
  }
}
