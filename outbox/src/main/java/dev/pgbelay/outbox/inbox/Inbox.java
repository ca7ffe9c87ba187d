package dev.pgbelay.outbox.inbox;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Remembers which messages a consumer has processed, so that one which comes again does nothing.
 *
 * <p><b>Guarantee.</b> The mark and what the work writes through the same transaction are committed
 * together, or neither is: effects in this database happen once for each message id and consumer,
 * if a message comes again within the retention, and transactions last less than a day. A second
 * transaction with the same message waits until the first has ended; then it is a {@link
 * Outcome#DUPLICATE}, or processes the message if the first was rolled back. Under REPEATABLE READ
 * and SERIALIZABLE a transaction that began before the first one's commit fails instead as {@code
 * SERIALIZATION_FAILURE}, which {@link Transactions} runs again.
 *
 * <p>What the work does outside of the database happens again wherever its transaction is run
 * again. A message that is replayed on purpose is a duplicate too: give it to another consumer name
 * if its effects are wanted once more.
 *
 * <p>One round trip for the marks. Nothing is held but the locks of the rows it wrote. Works behind
 * PgBouncer in transaction mode. Immutable and safe for several threads; a {@code Tx} is not.
 */
public final class Inbox {
  private static final Logger LOG = LoggerFactory.getLogger(Inbox.class);
  private static final Pattern CONSUMER = Pattern.compile("[a-z][a-z0-9._-]{0,49}");
  private static final int LONGEST_ID = 255;
  private static final int MOST_AT_ONCE = 10_000;

  /** What was done with a message. */
  public enum Outcome {
    /** The work has run, for the first time as far as anything is committed. */
    PROCESSED,
    /** It was processed before; nothing was done. */
    DUPLICATE
  }

  /**
   * What is done with several messages at once.
   *
   * @param <M> what the caller knows a message as
   * @param <X> the checked exception that it may throw
   */
  @FunctionalInterface
  public interface BatchWork<M, X extends Exception> {
    /**
     * Processes messages in the transaction.
     *
     * @param first those that were not processed before, in the order given; at least one
     */
    void run(Tx tx, List<M> first) throws X;
  }

  private final String schema;
  private final MarkDays days;
  private final int daysAhead;
  private final InboxSql sql;
  private final InboxMeters meters;

  private Inbox(Builder builder, int daysAhead) {
    this.schema = builder.schema;
    this.days = new MarkDays((int) builder.retention.toDays());
    this.daysAhead = daysAhead;
    this.sql = new InboxSql(schema, days, daysAhead);
    this.meters =
        builder.registry == null
            ? InboxMeters.NONE
            : new InboxMeters.OfMicrometer(builder.registry);
  }

  /** With default options. */
  public static Inbox create() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** As it will be in so many days. */
  Inbox ahead(int more) {
    Builder builder = builder().schema(schema).retention(Duration.ofDays(days.retention()));
    return new Inbox(builder, daysAhead + more);
  }

  MarkDays days() {
    return days;
  }

  /**
   * Runs the work in the caller's transaction, unless the message was processed before.
   *
   * @param messageId 1 to 255 characters, compared as they are; the id that the sender gives each
   *     repeat. A UUID of version 7 in lower case is stored for less
   * @param consumer who processes it: the same message is processed once for each. 1 to 50 of a-z,
   *     0-9, dot, hyphen and underscore, a letter first; also a tag of the metrics
   * @throws X what the work threw. The transaction can then only be rolled back, also if this is
   *     caught, unless a savepoint around this call is rolled back to
   * @throws PgBelayException if the id or the name is not fit, or the tables are missing
   */
  public <X extends Exception> Outcome process(
      Tx tx, String messageId, String consumer, TxWork.Action<X> work) throws X {
    return processAll(
            tx, consumer, List.of(messageId), Function.identity(), (same, first) -> work.run(same))
        .get(0);
  }

  /**
   * {@link #process} of several messages with one round trip for all their marks.
   *
   * @param messages at most 10,000; one that stands there twice is a duplicate the second time
   * @param id the message's id
   * @param work is given what was not processed before; not called if that is nothing
   * @return what was done with each, in the order given
   * @throws X as {@link #process}
   */
  public <M, X extends Exception> List<Outcome> processAll(
      Tx tx,
      String consumer,
      List<M> messages,
      Function<? super M, String> id,
      BatchWork<? super M, X> work)
      throws X {
    requireConsumer(consumer);
    OptionRange.require("messages at once", messages.size(), 0, MOST_AT_ONCE);
    if (messages.isEmpty()) {
      return List.of();
    }
    Map<String, Integer> places = new LinkedHashMap<>();
    for (int i = 0; i < messages.size(); i++) {
      places.putIfAbsent(requireId(id.apply(messages.get(i))), i);
    }
    List<String> ids = List.copyOf(places.keySet());
    List<Integer> placeOf = List.copyOf(places.values());
    BitSet unmarked = mark(tx, consumer, ids);
    List<M> first = new ArrayList<>();
    List<Outcome> outcomes =
        new ArrayList<>(Collections.nCopies(messages.size(), Outcome.DUPLICATE));
    for (int i = unmarked.nextSetBit(0); i >= 0; i = unmarked.nextSetBit(i + 1)) {
      int place = placeOf.get(i);
      first.add(messages.get(place));
      outcomes.set(place, Outcome.PROCESSED);
    }
    if (!first.isEmpty()) {
      run(tx, consumer, first, work);
    }
    meters.ended(consumer, Outcome.PROCESSED, first.size());
    meters.ended(consumer, Outcome.DUPLICATE, messages.size() - first.size());
    return List.copyOf(outcomes);
  }

  private <M, X extends Exception> void run(
      Tx tx, String consumer, List<M> first, BatchWork<? super M, X> work) throws X {
    try {
      call(tx, first, work);
    } catch (Throwable e) {
      meters.failed(consumer, first.size());
      spoil(tx, e);
      throw e;
    }
  }

  private static <M, X extends Exception> void call(
      Tx tx, List<? extends M> first, BatchWork<M, X> work) throws X {
    work.run(tx, List.copyOf(first));
  }

  private BitSet mark(Tx tx, String consumer, List<String> ids) {
    try {
      return sql.mark(tx.connection(), consumer, ids);
    } catch (SQLException e) {
      throw MissingTable.explained(
          new DataAccessException("messages of consumer " + consumer + " could not be marked", e),
          "the inbox",
          "outbox");
    }
  }

  /** Half of the work may be done, and its caller may swallow the exception and commit. */
  private static void spoil(Tx tx, Throwable failure) {
    try {
      InboxSql.spoil(tx.connection());
    } catch (SQLException | RuntimeException e) {
      LOG.debug("the transaction can only be rolled back, because of {}", failure.toString());
    }
  }

  private static void requireConsumer(String consumer) {
    if (!CONSUMER.matcher(consumer).matches()) {
      throw new PgBelayException(
          "the consumer is \""
              + consumer
              + "\": must be 1 to 50 of a-z, 0-9, dot, hyphen and underscore, a letter first");
    }
  }

  private static String requireId(@Nullable String id) {
    if (id == null || id.isEmpty() || id.length() > LONGEST_ID) {
      throw new PgBelayException(
          "a message id must have 1 to "
              + LONGEST_ID
              + " characters, has "
              + (id == null ? "none" : id.length())
              + ": use the id that the sender gives each repeat, or a digest of what identifies"
              + " the message");
    }
    if (id.indexOf('\0') >= 0 || !UTF_8.newEncoder().canEncode(id)) {
      throw new PgBelayException(
          "a message id has a character that PostgreSQL cannot store: NUL, or half of a surrogate"
              + " pair");
    }
    return id;
  }

  /**
   * What makes room again: run it every day or hour on one node, or on all.
   *
   * @param transactions of a role that may empty the tables; not necessarily the consumer's
   */
  public InboxRetention retention(Transactions transactions) {
    return new InboxRetention(transactions, schema, days, () -> daysAhead, meters);
  }

  /** Collects an inbox's options. Not safe for several threads. */
  public static final class Builder {
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration retention = Duration.ofDays(7);
    private @Nullable MeterRegistry registry;

    private Builder() {}

    /** The schema that has the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String name) {
      this.schema = name;
      return this;
    }

    /**
     * For how long after its processing a message is recognised at least: whole days, 1 to 21; 7
     * unless said. As long as senders repeat, or a topic keeps what a consumer may read again. All
     * processes must be given the same: where they differ, the shortest one counts.
     */
    public Builder retention(Duration time) {
      this.retention = time;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public Inbox build() {
      OptionRange.requireWholeDays("retention", retention, MarkDays.LEAST, MarkDays.MOST, "marks");
      return new Inbox(this, 0);
    }
  }
}
