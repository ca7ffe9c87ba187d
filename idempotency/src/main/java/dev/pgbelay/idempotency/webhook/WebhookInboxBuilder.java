package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Collects the options of a {@link WebhookInbox}. Not safe for several threads. */
public final class WebhookInboxBuilder {
  private static final int LONGEST_NAME = 40;
  private static final Pattern HEADER = Pattern.compile("[!#$%&'*+.^_`|~0-9a-z-]{1,128}");

  private final Transactions transactions;
  private final String provider;
  private final SignatureVerifier signatures;
  private final EventIds ids;
  private final Set<String> headers = new LinkedHashSet<>();
  private String schema = SchemaInstaller.DEFAULT_SCHEMA;
  private Function<byte[], Fingerprint> fingerprint = body -> Fingerprint.of(1, body);
  private Codec<byte[]> codec = Codec.bytes();
  private int maxBodyBytes = 1 << 18;
  private @Nullable TxOptions handling;
  private Duration lease = Duration.ofSeconds(60);
  private Duration retention = Duration.ofDays(30);
  private Duration repeatedFor = Duration.ofDays(7);
  private Duration notYetFor = Duration.ofHours(24);
  private int maxAttempts = 10;
  private Duration firstPause = Duration.ofSeconds(1);
  private Duration longestPause = Duration.ofMinutes(5);
  private @Nullable MeterRegistry registry;

  WebhookInboxBuilder(
      Transactions transactions, String provider, SignatureVerifier signatures, EventIds ids) {
    this.transactions = transactions;
    this.provider = provider;
    this.signatures = signatures;
    this.ids = ids;
  }

  /** Headers that are stored with the body; none unless said. Upper and lower case are one. */
  public WebhookInboxBuilder keepHeaders(String... names) {
    for (String name : names) {
      headers.add(name.toLowerCase(Locale.ROOT));
    }
    return this;
  }

  /**
   * What tells whether two deliveries under one event id say the same: all of the body unless said.
   * For providers that write the number of the delivery or its time into the body: leave that out.
   */
  public WebhookInboxBuilder fingerprint(Function<byte[], Fingerprint> of) {
    this.fingerprint = of;
    return this;
  }

  /** How headers and bodies are kept: encrypt here. As they are unless said. */
  public WebhookInboxBuilder codec(Codec<byte[]> bytes) {
    this.codec = bytes;
    return this;
  }

  /** The largest body: 1 to 2^26 bytes; 2^18 unless said. */
  public WebhookInboxBuilder maxBodyBytes(int most) {
    this.maxBodyBytes = most;
    return this;
  }

  /**
   * Of the handler's transactions; unless said on path {@code webhook.} and the provider's name,
   * with a deadline of 30 s.
   */
  public WebhookInboxBuilder options(TxOptions handlers) {
    this.handling = handlers;
    return this;
  }

  /**
   * How long an event waits after a crash of its worker, and how long a handler's transaction may
   * be silent before the server ends it: 100 ms to 1 h; 60 s unless said.
   */
  public WebhookInboxBuilder lease(Duration time) {
    this.lease = time;
    return this;
  }

  /**
   * How long finished events and conflicts are kept, 1 minute to 3,650 days; 30 days unless said.
   * An event that is delivered again behind its purge is processed again.
   */
  public WebhookInboxBuilder retention(Duration time) {
    this.retention = time;
    return this;
  }

  /**
   * For how long the provider delivers an event again, by itself or when somebody asks it to: the
   * retention must be at least as long. 7 days unless said.
   */
  public WebhookInboxBuilder repeatedFor(Duration time) {
    this.repeatedFor = time;
    return this;
  }

  /**
   * How long handlers may say "not yet" before the event is parked, counted from when it was
   * received or redriven: 1 s to 365 days; 24 h unless said.
   */
  public WebhookInboxBuilder notYetFor(Duration time) {
    this.notYetFor = time;
    return this;
  }

  /**
   * Failures and crashes in a row before an event is parked, 1 to 1,000, and the pauses between
   * them, which double; 10, and 1 s to 5 min, unless said. "Not yet" has the same pauses.
   */
  public WebhookInboxBuilder attempts(int most, Duration first, Duration longest) {
    this.maxAttempts = most;
    this.firstPause = first;
    this.longestPause = longest;
    return this;
  }

  /** Where the tables of module {@code idempotency} are. */
  public WebhookInboxBuilder schema(String of) {
    this.schema = of;
    return this;
  }

  /** Where the metrics of the guide go; none are kept otherwise. */
  public WebhookInboxBuilder meterRegistry(MeterRegistry metrics) {
    this.registry = metrics;
    return this;
  }

  private static void requireHeader(String name) {
    if (!HEADER.matcher(name).matches()) {
      throw new PgBelayException(
          "keepHeaders has \""
              + name
              + "\", which is not the name of a header: take its name alone");
    }
  }

  /**
   * Checks the options.
   *
   * @throws PgBelayException naming the option, its value and its range; or if events are kept for
   *     less than the provider repeats them
   */
  public WebhookInbox build() {
    OptionName.require("provider", provider, LONGEST_NAME);
    headers.forEach(WebhookInboxBuilder::requireHeader);
    OptionRange.require("maxBodyBytes", maxBodyBytes, 1, 1 << 26);
    OptionRange.require("lease", lease, Duration.ofMillis(100), Duration.ofHours(1));
    OptionRange.require("retention", retention, Duration.ofMinutes(1), Duration.ofDays(3650));
    OptionRange.require("repeatedFor", repeatedFor, Duration.ZERO, Duration.ofDays(3650));
    OptionRange.require("notYetFor", notYetFor, Duration.ofSeconds(1), Duration.ofDays(365));
    OptionRange.require("maxAttempts", maxAttempts, 1, 1_000);
    OptionRange.require("firstPause", firstPause, Duration.ofMillis(1), Duration.ofHours(1));
    OptionRange.require("longestPause", longestPause, firstPause, Duration.ofDays(1));
    if (repeatedFor.compareTo(retention) > 0) {
      throw new PgBelayException(
          "inbox \""
              + provider
              + "\" keeps events for "
              + retention
              + ", and they are repeated for "
              + repeatedFor
              + ": a late one would be processed again. Make the retention longer");
    }
    String path = "webhook." + provider;
    TxOptions own = TxOptions.forPath(path);
    TxOptions handlers =
        handling == null ? own.toBuilder().deadline(Duration.ofSeconds(30)).build() : handling;
    if (handlers.readOnly() || handlers.nesting() != TxOptions.Nesting.REFUSE) {
      throw new PgBelayException(
          "the options of inbox \""
              + provider
              + "\" are "
              + (handlers.readOnly() ? "readOnly" : "nesting " + handlers.nesting())
              + ": handlers write, in a transaction that is theirs alone. Leave that out");
    }
    WebhookMeters meters =
        registry == null ? WebhookMeters.NONE : new WebhookMeters.OfMicrometer(registry, provider);
    return new WebhookInbox(
        new InboxOptions(
            transactions,
            provider,
            schema,
            signatures,
            ids,
            fingerprint,
            new EventContent(provider, Set.copyOf(headers), codec),
            maxBodyBytes,
            own,
            handlers,
            lease,
            retention,
            notYetFor,
            maxAttempts,
            firstPause,
            longestPause,
            registry,
            meters));
  }
}
