package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.route.Routes;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.InstantSource;
import java.util.List;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Appends messages in the caller's transaction: they leave if and only if it commits. A rollback,
 * also to a savepoint, takes them away.
 *
 * <p>Owns no threads and no connections, and never ends a transaction that it is given. Needs the
 * tables of module {@code outbox} (see {@link SchemaInstaller}) and a destination for each topic
 * (see {@link Routes}). Safe for several threads.
 */
public final class Outbox {
  private final String schema;
  private final Appender appender;
  private final CommitAlarm alarm;

  private Outbox(Builder builder) {
    this.schema = builder.schema;
    this.alarm = new CommitAlarm(builder.announced);
    this.appender =
        new Appender(builder.schema, builder.payloadLimit, builder.ids, alarm, builder.registry);
  }

  /** With default settings. */
  public static Outbox create() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * What became of a message.
   *
   * @param messageId its id, of which its receivers know repeats
   */
  public record Appended(String messageId, Outcome outcome) {
    /** Whether it will leave. */
    public enum Outcome {
      /** It will, once the transaction has committed. */
      APPENDED,
      /** A message of this id was appended before, and nothing was done. */
      DUPLICATE
    }
  }

  /**
   * Appends one message; one round trip.
   *
   * <p>With {@link NewMessage#withStrictOrder} it waits for other transactions that have appended
   * to the key strictly and not ended, with {@link NewMessage#withMessageId} for one that has
   * appended the same id and not ended; under {@code REPEATABLE READ} and {@code SERIALIZABLE} the
   * latter may end in a serialization failure, which a retry of the transaction cures.
   *
   * @throws PgBelayException if the topic has no destination, the payload is larger than the limit,
   *     strict order is asked without a key, or the transaction has appended strictly to other keys
   *     in such an order that it could deadlock; nothing was written then
   * @throws DataAccessException if the database refuses; PostgreSQL then refuses all further
   *     statements of this transaction, or of its last savepoint
   */
  public Appended append(Tx tx, NewMessage message) {
    return appender.append(tx, message);
  }

  /**
   * Appends many messages, in this order and in one statement for each 5,000 messages or 8 MiB of
   * payload, and one more if there are several. What {@link #append} waits for is waited for before
   * the first message is written, and in an order that is the same for all calls: two calls of
   * {@code appendAll} in two transactions do not deadlock, several calls in each of them can.
   *
   * @return what became of each, in the same order; of those with one id the first is appended
   * @throws PgBelayException as {@link #append}; nothing was written then
   * @throws DataAccessException as {@link #append}
   */
  public List<Appended> appendAll(Tx tx, List<NewMessage> messages) {
    return appender.appendAll(tx, messages);
  }

  /**
   * Has relays look for messages of a destination, and for held keys that are due, as soon as this
   * transaction has committed, as they do after {@link #append}: for what was written there by
   * other means. In a transaction whose owner tells nobody of its commit they poll.
   */
  public void wakeRelays(Tx tx, String destination) {
    alarm.wakeAfterCommit(tx, destination);
  }

  /** Of its tables. */
  public String schema() {
    return schema;
  }

  /** From now on that relay is told of each commit that appended messages through this outbox. */
  void attach(CommitListener relay) {
    alarm.add(relay);
  }

  void detach(CommitListener relay) {
    alarm.remove(relay);
  }

  /** Options of an {@link Outbox}. Not thread-safe. */
  public static final class Builder {
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private int payloadLimit = 256 << 10;
    private MessageIds ids = MessageIds.ofSystem();
    private @Nullable WakeUps announced;
    private @Nullable MeterRegistry registry;

    private Builder() {}

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String name) {
      this.schema = name;
      return this;
    }

    /** The largest payload in bytes: 1 to 64 MiB, 256 KiB unless said. */
    public Builder payloadLimit(int bytes) {
      OptionRange.require("payloadLimit", bytes, 1, 64 << 20);
      this.payloadLimit = bytes;
      return this;
    }

    /** Whose time the ids of messages begin with; the system's unless said. Nothing else does. */
    public Builder clock(InstantSource clock) {
      this.ids = new MessageIds(clock);
      return this;
    }

    /**
     * Tells relays of other processes after each commit that appended messages; they poll
     * otherwise. The caller starts and closes it.
     */
    public Builder announcedBy(WakeUps wakeUps) {
      this.announced = wakeUps;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public Outbox build() {
      return new Outbox(this);
    }
  }
}
