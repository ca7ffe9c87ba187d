package dev.pgbelay.idempotency.payment;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.internal.AnswerCache;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import javax.sql.DataSource;
import org.jooq.Field;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * Where payment operations are declared. Build one per database and process, and close it at the
 * end.
 *
 * <p>Owns the threads that providers are called on, as many as their bulkheads let, and one that
 * renews leases, from the first claim on. Safe for several threads.
 */
public final class Payments implements AutoCloseable {
  static final Field<String> OPERATION = DSL.field(DSL.name("operation"), SQLDataType.VARCHAR);
  private static final Field<OffsetDateTime> FINISHED_AT =
      DSL.field(DSL.name("finished_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
  private static final Field<String> TENANT = DSL.field(DSL.name("tenant"), SQLDataType.VARCHAR);
  private static final Field<String> KEY = DSL.field(DSL.name("key"), SQLDataType.VARCHAR);

  private final Transactions transactions;
  private final String name;
  private final String schema;
  private final Duration lease;
  private final @Nullable MeterRegistry registry;
  private final AnswerCache cache;
  private final PaymentSql sql;
  private final KeptClaims keepAlive;
  private final Claimant claimant = Claimant.random();
  private final ExecutorService threads;
  private final Map<String, PaymentOperation<?, ?>> operations = new ConcurrentHashMap<>();

  private Payments(Builder builder) {
    this.transactions = builder.transactions;
    this.name = builder.name;
    this.schema = builder.schema;
    this.lease = builder.lease;
    this.registry = builder.registry;
    this.cache = builder.cache;
    this.sql = new PaymentSql(schema);
    this.keepAlive =
        new KeptClaims(name, builder.keepAlive, lease, new ClaimSql(sql.table()), builder.registry);
    AtomicInteger number = new AtomicInteger();
    this.threads =
        Executors.newCachedThreadPool(
            work -> {
              Thread thread =
                  new Thread(work, "pgbelay-" + name + "-call-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Begins with what it works on.
   *
   * @param keepAlive renews leases: a small pool of its own, one connection is enough, that the
   *     work of {@code transactions} cannot exhaust
   */
  public static Builder builder(Transactions transactions, DataSource keepAlive) {
    return new Builder(transactions, keepAlive);
  }

  /**
   * Declares an operation, once for each name.
   *
   * @param operation as it stands in the keys: 1 to 50 of a-z, 0-9, dot and hyphen, a letter first
   * @param fingerprint of a request, over the parts of it that count
   * @param requests how requests are kept, for whoever carries the payment on after a crash
   * @param responses how responses are kept
   * @throws PgBelayException if the name is unfit
   */
  public <Q, R> PaymentOperation.Builder<Q, R> operation(
      String operation,
      Function<? super Q, Fingerprint> fingerprint,
      Codec<Q> requests,
      Codec<R> responses) {
    return new PaymentOperation.Builder<>(this, operation, fingerprint, requests, responses);
  }

  /** Payments of all operations that are in a state, those that began first before others. */
  public List<OpenPayment> open(OpenPayment.State state, int limit) {
    OptionRange.require("limit", limit, 1, 100_000);
    return transactions.run(
        tx -> new OpenPaymentSql(sql.table()).open(tx.dsl(), operations.keySet(), state, limit));
  }

  /**
   * Payments of all operations of which two sources said unlike things, as of a webhook and the
   * answer of the call; finished ones too, until their purge. Their reason says what.
   */
  public List<OpenPayment> contradicted(int limit) {
    OptionRange.require("limit", limit, 1, 100_000);
    return transactions.run(
        tx -> new OpenPaymentSql(sql.table()).contradicted(tx.dsl(), operations.keySet(), limit));
  }

  void declare(PaymentOperation<?, ?> operation) {
    if (operations.putIfAbsent(operation.name(), operation) != null) {
      throw new PgBelayException(
          "operation \""
              + operation.name()
              + "\" was declared before: keep the PaymentOperation and share it");
    }
  }

  ChunkedJob.Builder purge(String operation, Duration retention) {
    return Purge.olderThan(
            transactions, "payment-" + operation, sql.table(), FINISHED_AT, retention)
        .where(OPERATION.eq(operation))
        .key(FINISHED_AT, OPERATION, TENANT, KEY)
        .schema(schema);
  }

  Collection<PaymentOperation<?, ?>> operations() {
    return List.copyOf(operations.values());
  }

  PaymentMeters meters(String operation) {
    return registry == null
        ? PaymentMeters.NONE
        : new PaymentMeters.OfMicrometer(registry, operation);
  }

  Transactions transactions() {
    return transactions;
  }

  @Nullable MeterRegistry registry() {
    return registry;
  }

  String name() {
    return name;
  }

  PaymentSql sql() {
    return sql;
  }

  AnswerCache cache() {
    return cache;
  }

  KeptClaims keepAlive() {
    return keepAlive;
  }

  Claimant claimant() {
    return claimant;
  }

  ExecutorService threads() {
    return threads;
  }

  Duration lease() {
    return lease;
  }

  /**
   * Ends the renewals, and takes no more calls; those that run go on. Leases that are still held
   * end by themselves. Stop the completer first.
   */
  @Override
  public void close() {
    keepAlive.close();
    threads.shutdown();
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final DataSource keepAlive;
    private String name = "payments";
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration lease = Duration.ofSeconds(30);
    private @Nullable MeterRegistry registry;
    private AnswerCache cache = AnswerCache.none();

    private Builder(Transactions transactions, DataSource keepAlive) {
      this.transactions = transactions;
      this.keepAlive = keepAlive;
    }

    /**
     * Of the threads and their metrics, {@code payments} unless said. Two that report to one
     * registry need two names.
     */
    public Builder name(String of) {
      this.name = OptionName.require(of, 40);
      return this;
    }

    /** Where the tables of module {@code idempotency} are. */
    public Builder schema(String of) {
      this.schema = of;
      return this;
    }

    /**
     * How long a claim holds without a renewal, which comes three times as often: 100 ms to 1 h; 30
     * s unless said. Clients of a process that crashed wait for that long.
     */
    public Builder lease(Duration time) {
      this.lease = time;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Keeps answers of finished payments in this process, as the codec wrote them, so that hot
     * replays cost no round trip. Nothing is cached unless said.
     *
     * @param bytes of keys and responses together, 1,000 to 2^40
     * @param atMost how long one is kept, 1 s to 24 h; never longer than the retention
     * @throws PgBelayException naming the option, its value and its range
     */
    public Builder cache(long bytes, Duration atMost) {
      this.cache = AnswerCache.of(bytes, atMost);
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option, its value and its range; if leases would be
     *     renewed from the pool that the work can exhaust; or if other {@code Payments} of this
     *     name report to the registry
     */
    public Payments build() {
      OptionRange.require("lease", lease, Duration.ofMillis(100), Duration.ofHours(1));
      if (transactions.isOn(keepAlive)) {
        throw new PgBelayException(
            "leases are renewed from the pool of the transactions, which the work can exhaust: give"
                + " Payments a small DataSource of its own");
      }
      Payments payments = new Payments(this);
      payments.keepAlive.start();
      return payments;
    }
  }
}
