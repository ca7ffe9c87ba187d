package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.webhook.SignatureVerifier.Verdict.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Signatures of the kind {@code t=1700000000,v1=5f0c…}: HMAC-SHA-256 with a shared secret over the
 * time in seconds, a full stop and the body. Header, names of the fields and encoding can be set.
 *
 * <p>Several secrets are accepted, and several signatures in one header, so that either side can
 * change its secret first. Every signature is compared with every secret in constant time, with no
 * early end. The time is judged only once the signature is right.
 *
 * <p>The tolerance is by the JVM's clock, given to the builder: here a signature carries the time.
 * It bounds for how long a stolen message can be played again; that one which is played again does
 * nothing is the business of the provider's event id.
 *
 * <p>Immutable and safe for several threads. Secrets are copied on the way in and never handed out,
 * printed or logged.
 */
public final class HmacSignatures implements SignatureVerifier {
  /** How a signature is written. */
  public enum Encoding {
    /** Hexadecimal, in either case. */
    HEX,
    /** Base64 with its padding. */
    BASE64
  }

  private final InstantSource clock;
  private final String header;
  private final SignatureFields fields;
  private final Encoding encoding;
  private final Duration tolerance;
  private final SharedSecrets secrets;

  private HmacSignatures(Builder builder) {
    this.clock = builder.clock;
    this.header = builder.header;
    this.fields = new SignatureFields(builder.timeField, builder.signatureField);
    this.encoding = builder.encoding;
    this.tolerance = builder.tolerance;
    this.secrets = builder.secrets.build();
  }

  /**
   * Begins with the header {@code webhook-signature}, the fields {@code t} and {@code v1}, HEX and
   * five minutes.
   *
   * @param clock what the tolerance is measured by; {@code InstantSource.system()} in production
   */
  public static Builder builder(InstantSource clock) {
    return new Builder(clock);
  }

  /** The header's name, in lower case. */
  public String header() {
    return header;
  }

  @Override
  public SignatureVerifier.Verdict verify(Function<String, List<String>> headers, byte[] body) {
    List<String> values = headers.apply(header);
    if (values.isEmpty()) {
      return SignatureJudgement.missing(header);
    }
    Optional<SignatureFields.Parsed> parsed =
        values.size() == 1 ? fields.parse(values.get(0)) : Optional.empty();
    if (parsed.isEmpty()) {
      return SignatureVerifier.Verdict.refused(
          Outcome.MALFORMED,
          "header '%s' is not of the form %s: is it this provider's?"
              .formatted(header, fields.form()));
    }
    return judge(parsed.get(), body);
  }

  private SignatureVerifier.Verdict judge(SignatureFields.Parsed parsed, byte[] body) {
    List<byte[]> signatures = parsed.signatures().stream().map(this::decode).toList();
    return SignatureJudgement.judged(
        header,
        secrets.fitting(signatures, signedBefore(parsed.seconds()), body),
        secrets.names(),
        Instant.ofEpochSecond(parsed.epochSecond()),
        clock.instant(),
        tolerance);
  }

  /**
   * The header's value for a body that is sent now, signed with the secret named first: for tests,
   * and for services that send such webhooks themselves.
   */
  public String sign(byte[] body) {
    long epochSecond = clock.instant().getEpochSecond();
    String seconds = Long.toString(epochSecond);
    byte[] mac = secrets.sign(signedBefore(seconds), body);
    return fields.write(
        seconds,
        encoding == Encoding.HEX
            ? HexFormat.of().formatHex(mac)
            : Base64.getEncoder().encodeToString(mac));
  }

  private byte[] decode(String signature) {
    try {
      return encoding == Encoding.HEX
          ? HexFormat.of().parseHex(signature)
          : Base64.getDecoder().decode(signature);
    } catch (IllegalArgumentException e) {
      return new byte[0];
    }
  }

  private static byte[] signedBefore(String seconds) {
    return (seconds + '.').getBytes(US_ASCII);
  }

  /** The header and the secrets' names. */
  @Override
  public String toString() {
    return "HmacSignatures[header=" + header + ", secrets=" + secrets.names() + "]";
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private static final Pattern TOKEN = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}");
    private static final Pattern FIELD = Pattern.compile("[A-Za-z0-9_-]{1,32}");

    private final InstantSource clock;
    private final SharedSecrets.Builder secrets = new SharedSecrets.Builder();
    private String header = "webhook-signature";
    private String timeField = "t";
    private String signatureField = "v1";
    private Encoding encoding = Encoding.HEX;
    private Duration tolerance = Duration.ofMinutes(5);

    private Builder(InstantSource clock) {
      this.clock = clock;
    }

    /** The header that has the signature; upper and lower case are one. */
    public Builder header(String name) {
      this.header = name.toLowerCase(Locale.ROOT);
      return this;
    }

    /** The names of the header's two fields. Fields with other names are passed over. */
    public Builder fields(String time, String signature) {
      this.timeField = time;
      this.signatureField = signature;
      return this;
    }

    /** How signatures are written. */
    public Builder encoding(Encoding encoding) {
      this.encoding = encoding;
      return this;
    }

    /** How far the time of the signature may be from this clock's, to either side: 1 s to a day. */
    public Builder tolerance(Duration tolerance) {
      this.tolerance = tolerance;
      return this;
    }

    /**
     * A secret that is accepted; the first one also signs.
     *
     * @param name how it is called in verdicts and logs
     * @param secret at least 16 bytes, as the provider's signature is computed with: some hand out
     *     text that is used as it is, others Base64 that is decoded first
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
    public HmacSignatures build() {
      if (!TOKEN.matcher(header).matches()) {
        throw new PgBelayException("header is \"" + header + "\": must be the name of a header");
      }
      for (String field : List.of(timeField, signatureField)) {
        if (!FIELD.matcher(field).matches()) {
          throw new PgBelayException(
              "field is \"" + field + "\": must be 1 to 32 of A-Z a-z 0-9 _ -");
        }
      }
      if (timeField.equals(signatureField)) {
        throw new PgBelayException(
            "both fields are named \"" + timeField + "\": the time needs one of its own");
      }
      OptionRange.require("tolerance", tolerance, Duration.ofSeconds(1), Duration.ofDays(1));
      return new HmacSignatures(this);
    }
  }
}
