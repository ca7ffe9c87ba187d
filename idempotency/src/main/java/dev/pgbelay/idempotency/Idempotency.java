package dev.pgbelay.idempotency;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.internal.AnswerCache;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Where operations that run once per key are declared. Build one per database and keep it.
 *
 * <p>Owns no thread and holds no connection between calls. Safe for several threads.
 */
public final class Idempotency {
  private final Transactions transactions;
  private final DataSource dataSource;
  private final String schema;
  private final @Nullable MeterRegistry registry;
  private final AnswerCache cache;
  private final Set<String> operations = ConcurrentHashMap.newKeySet();

  private Idempotency(Builder builder) {
    this.transactions = builder.transactions;
    this.dataSource = builder.dataSource;
    this.schema = builder.schema;
    this.registry = builder.registry;
    this.cache = builder.cache;
  }

  /**
   * Begins with what it works on.
   *
   * @param dataSource for reads that are one statement in autocommit; the one that {@code
   *     transactions} is on, or another pool on the same primary
   */
  public static Builder builder(Transactions transactions, DataSource dataSource) {
    return new Builder(transactions, dataSource);
  }

  /**
   * Declares an operation, once for each name.
   *
   * @param name as it stands in the keys: 1 to 50 of a-z, 0-9, dot and hyphen, a letter first
   * @param fingerprint of a request, over the parts of it that count; called once for each call,
   *     before the work
   * @param codec how responses are kept
   * @throws PgBelayException if the name is unfit
   */
  public <Q, R> Operation.Builder<Q, R> operation(
      String name, Function<? super Q, Fingerprint> fingerprint, Codec<R> codec) {
    return new Operation.Builder<>(this, name, fingerprint, codec);
  }

  /** Two operations of one name would answer with each other's responses. */
  void declare(String name) {
    if (!operations.add(name)) {
      throw new PgBelayException(
          "operation \"" + name + "\" was declared before: keep the Operation and share it");
    }
  }

  Transactions transactions() {
    return transactions;
  }

  DataSource dataSource() {
    return dataSource;
  }

  String schema() {
    return schema;
  }

  @Nullable MeterRegistry registry() {
    return registry;
  }

  AnswerCache cache() {
    return cache;
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final DataSource dataSource;
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private @Nullable MeterRegistry registry;
    private AnswerCache cache = AnswerCache.none();

    private Builder(Transactions transactions, DataSource dataSource) {
      this.transactions = transactions;
      this.dataSource = dataSource;
    }

    /** Where the tables of module {@code idempotency} are. */
    public Builder schema(String name) {
      this.schema = name;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Keeps answers that are known to be committed in this process, so that hot replays cost no
     * round trip. What is kept is the bytes of the codec, encrypted if that encrypts. Nothing is
     * cached unless said.
     *
     * @param bytes of keys and responses together, 1,000 to 2^40
     * @param atMost how long one is kept, 1 s to 24 h; never longer than the operation's retention
     * @throws PgBelayException naming the option, its value and its range
     */
    public Builder cache(long bytes, Duration atMost) {
      this.cache = AnswerCache.of(bytes, atMost);
      return this;
    }

    public Idempotency build() {
      return new Idempotency(this);
    }
  }
}
