package dev.pgbelay.idempotency.fingerprint;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException.Reason;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * Which parts of a request count, declared once for an operation. Requests that mean the same have
 * the same fingerprint, others do not.
 *
 * <p>In JSON, white space, the order of names, escapes and the form of numbers ({@code 1}, {@code
 * 1.0}, {@code 1e0}; {@code -0} and {@code 0}) make no difference; texts and names are compared in
 * Unicode's normal form C. Numbers are exact: what a double cannot tell apart is told apart. The
 * order of arrays, a name that is missing against one that is null, and {@code 1} against {@code
 * "1"} do make a difference. A header's values are joined as RFC 9110 says, without the space
 * around them; in paths and queries, percent-encoding that is not needed makes no difference, nor
 * the order of parameters with different names.
 *
 * <p>Normal form C is that of the running Java: text with characters that only the newer one of two
 * Javas knows can have two fingerprints, which refuses a retry and never runs it twice.
 *
 * <p>Immutable and safe for several threads; reads the whole body into memory, up to the limit.
 */
public final class FingerprintRule {
  /** The number of {@link CanonicalForm}. */
  private static final int FORM = 1;

  private static final int MOST_VERSIONS = 1_000;

  /** Of a request that an accepted rule refuses: nothing was ever stored with it. */
  private static final String UNFIT = "0".repeat(64);

  private enum Body {
    NONE,
    BYTES,
    JSON,
    JSON_POINTERS
  }

  private final int version;
  private final boolean method;
  private final boolean path;
  private final boolean query;
  private final SortedSet<String> headers;
  private final Body body;
  private final Map<String, JsonPointer> pointers;
  private final int maxBodyBytes;
  private final Optional<JsonReader> reader;
  private final List<FingerprintRule> accepted;

  private FingerprintRule(Builder builder) {
    this.version = FORM * MOST_VERSIONS + builder.version;
    this.method = builder.method;
    this.path = builder.path;
    this.query = builder.query;
    this.headers = new TreeSet<>(builder.headers);
    this.body = builder.body;
    this.pointers = new TreeMap<>(builder.pointers);
    this.maxBodyBytes = builder.maxBodyBytes;
    // Made only where JSON is asked for: without Jackson on the class path the rest works.
    this.reader =
        body == Body.JSON || body == Body.JSON_POINTERS
            ? Optional.of(new JsonReader(builder.maxDepth, builder.maxBodyBytes))
            : Optional.empty();
    this.accepted = List.copyOf(builder.accepted);
  }

  /** Begins with nothing; bodies have up to 1 MiB, and JSON is up to 64 deep. */
  public static Builder builder() {
    return new Builder();
  }

  /** A whole JSON document and nothing else. */
  public static FingerprintRule json() {
    return builder().jsonBody().build();
  }

  /** Bytes as they are. */
  public static FingerprintRule bytes() {
    return builder().body().build();
  }

  /**
   * The fingerprint of a request, with those by the accepted rules.
   *
   * @throws UnfitRequestException if it can be read in two ways or not at all, or is too long
   */
  public Fingerprint of(RequestContent request) {
    Fingerprint fingerprint = alone(request);
    for (FingerprintRule rule : accepted) {
      fingerprint = fingerprint.accepting(rule.orUnfit(request));
    }
    return fingerprint;
  }

  private Fingerprint orUnfit(RequestContent request) {
    try {
      return alone(request);
    } catch (UnfitRequestException e) {
      return new Fingerprint(version, UNFIT);
    }
  }

  private Fingerprint alone(RequestContent request) {
    CanonicalForm form = new CanonicalForm();
    if (method) {
      form.add('M', request.method());
    }
    if (path) {
      form.add('U', UriText.canonical(request.path()));
    }
    if (query) {
      List<String> parameters = request.query().map(UriText::parameters).orElse(List.of());
      form.open('Q', parameters.size());
      parameters.forEach(parameter -> form.add('q', parameter));
    }
    for (String name : headers) {
      List<String> values = request.headers(name);
      form.add('H', name);
      form.open('V', Math.min(values.size(), 1));
      if (!values.isEmpty()) {
        form.add('v', values.stream().map(String::strip).reduce((a, b) -> a + ", " + b).get());
      }
    }
    addBody(form, request);
    return new Fingerprint(version, HexFormat.of().formatHex(form.digest()));
  }

  /**
   * The fingerprint of a body alone.
   *
   * @throws PgBelayException if the rule asks for more than the body
   * @throws UnfitRequestException as {@link #of(RequestContent)}
   */
  public Fingerprint of(byte[] body) {
    if (isMoreThanBody() || accepted.stream().anyMatch(FingerprintRule::isMoreThanBody)) {
      throw new PgBelayException(
          "this rule asks for more than the body: give it the whole request");
    }
    return of(new BodyAlone(body));
  }

  private boolean isMoreThanBody() {
    return method || path || query || !headers.isEmpty();
  }

  private void addBody(CanonicalForm form, RequestContent request) {
    if (body == Body.NONE) {
      return;
    }
    byte[] bytes = request.body();
    if (bytes.length > maxBodyBytes) {
      throw new UnfitRequestException(
          Reason.TOO_LONG,
          "the body has %d bytes, of which %d are the most".formatted(bytes.length, maxBodyBytes));
    }
    switch (body) {
      case BYTES -> form.add('B', bytes);
      case JSON -> {
        form.open('J', 1);
        form.add(json(bytes));
      }
      case JSON_POINTERS -> addPointers(form, json(bytes));
      case NONE -> {}
    }
  }

  private JsonValue json(byte[] bytes) {
    return reader.orElseThrow().read(bytes);
  }

  private void addPointers(CanonicalForm form, JsonValue document) {
    form.open('J', pointers.size());
    pointers.forEach(
        (text, pointer) -> {
          form.add('p', text);
          Optional<JsonValue> value = pointer.in(document);
          form.open('V', value.isPresent() ? 1 : 0);
          value.ifPresent(form::add);
        });
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private static final Pattern HEADER = Pattern.compile("[!#$%&'*+.^_`|~0-9a-z-]{1,128}");

    private final SortedSet<String> headers = new TreeSet<>();
    private final Map<String, JsonPointer> pointers = new TreeMap<>();
    private final List<FingerprintRule> accepted = new ArrayList<>();
    private int version;
    private boolean method;
    private boolean path;
    private boolean query;
    private Body body = Body.NONE;
    private int maxBodyBytes = 1 << 20;
    private int maxDepth = 64;

    private Builder() {}

    /**
     * The declaration's own version, 0 unless said, to be raised with every change of the parts:
     * fingerprints of different versions cannot be compared, and a retry under a key of another
     * version is refused with an exception unless that one is accepted.
     */
    public Builder version(int version) {
      this.version = version;
      return this;
    }

    /**
     * Keys that were taken by a rule of another version are compared by that rule; new ones are
     * stored by this. Needed for as long as answers of the other version are kept. Where processes
     * of both run at once, let the old ones accept the new rule first.
     *
     * @param other what it accepts itself is not taken over
     */
    public Builder accepts(FingerprintRule other) {
      accepted.add(other);
      return this;
    }

    /** The method counts. */
    public Builder method() {
      this.method = true;
      return this;
    }

    /** The path counts. */
    public Builder path() {
      this.path = true;
      return this;
    }

    /** The query counts. */
    public Builder query() {
      this.query = true;
      return this;
    }

    /** A header counts; that it is missing is a value of its own. */
    public Builder header(String name) {
      headers.add(name.toLowerCase(Locale.ROOT));
      return this;
    }

    /** The body counts, byte by byte. */
    public Builder body() {
      return body(Body.BYTES);
    }

    /** The body is JSON, and all of it counts. */
    public Builder jsonBody() {
      return body(Body.JSON);
    }

    /**
     * The body is JSON, of which this place counts; several are added up.
     *
     * @param pointer as RFC 6901 has it, such as {@code /amount/value}
     * @throws PgBelayException if it is not one
     */
    public Builder jsonPointer(String pointer) {
      pointers.put(pointer, JsonPointer.parse(pointer));
      return body(Body.JSON_POINTERS);
    }

    private Builder body(Body kind) {
      if (body != Body.NONE && body != kind) {
        throw new PgBelayException(
            "the body counts in two ways, %s and %s: choose one".formatted(body, kind));
      }
      this.body = kind;
      return this;
    }

    /** Bodies up to so many bytes have a fingerprint, 1 to 64 MiB. */
    public Builder maxBodyBytes(int bytes) {
      this.maxBodyBytes = bytes;
      return this;
    }

    /** JSON up to so deep has a fingerprint, 1 to 500. */
    public Builder maxDepth(int depth) {
      this.maxDepth = depth;
      return this;
    }

    /**
     * Checks and freezes.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public FingerprintRule build() {
      OptionRange.require("version", version, 0, MOST_VERSIONS - 1);
      OptionRange.require("maxBodyBytes", maxBodyBytes, 1, 64 << 20);
      OptionRange.require("maxDepth", maxDepth, 1, 500);
      for (String header : headers) {
        if (!HEADER.matcher(header).matches()) {
          throw new PgBelayException("header is \"" + header + "\": must be the name of a header");
        }
      }
      if (!method && !path && !query && headers.isEmpty() && body == Body.NONE) {
        throw new PgBelayException(
            "nothing of a request counts: say jsonBody(), body() or what else tells requests apart");
      }
      FingerprintRule rule = new FingerprintRule(this);
      Set<Integer> versions = new HashSet<>(Set.of(rule.version));
      for (FingerprintRule other : accepted) {
        if (!versions.add(other.version)) {
          throw new PgBelayException(
              "two of the rules have version %d: a rule and those that it accepts need different ones"
                  .formatted(other.version - FORM * MOST_VERSIONS));
        }
      }
      return rule;
    }
  }
}
