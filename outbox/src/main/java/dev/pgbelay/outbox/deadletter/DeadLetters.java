package dev.pgbelay.outbox.deadletter;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.internal.Installed;
import dev.pgbelay.outbox.internal.Names;
import dev.pgbelay.outbox.internal.Waking;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;

/**
 * The messages that were given up: to look at, to deliver after all, to throw away. They stay until
 * somebody does; nothing purges them unasked.
 *
 * <p>Works in the caller's transaction and never ends it. Safe for several threads.
 */
public final class DeadLetters {
  private static final int LARGEST_PAGE = 1_000;

  private final String schema;
  private final DeadLetterSql sql;
  private final Waking waking;

  private DeadLetters(String schema, Waking waking) {
    this.schema = schema;
    this.sql = new DeadLetterSql(schema);
    this.waking = waking;
  }

  /** Those of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static DeadLetters create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those of another schema. */
  public static DeadLetters inSchema(String schema) {
    return new DeadLetters(schema, Waking.NOBODY);
  }

  /**
   * The same, and the relays that this outbox wakes are woken as by its appends, once the
   * transaction has committed; others find it with their next poll.
   *
   * @throws PgBelayException if the outbox is of another schema
   */
  public DeadLetters waking(Outbox outbox) {
    return new DeadLetters(schema, Waking.of(outbox, schema));
  }

  /** What became of a call about one letter. */
  public enum Outcome {
    /** It was done. */
    DONE,
    /** The destination has no dead letter of that id. */
    NOT_FOUND
  }

  /** The first ones of a destination, by ascending id; one statement. */
  public List<DeadLetter> list(DSLContext dsl, String destination, int limit) {
    return list(dsl, destination, Long.MIN_VALUE, limit);
  }

  /**
   * The next ones.
   *
   * @param after the id of the last one before
   * @param limit 1 to 1,000
   * @throws PgBelayException if the limit is out of its range
   */
  public List<DeadLetter> list(DSLContext dsl, String destination, long after, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return Installed.explained(() -> sql.list(dsl, destination, after, limit));
  }

  /** One of them; one statement. */
  public Optional<DeadLetter> find(DSLContext dsl, String destination, long id) {
    return Installed.explained(() -> sql.find(dsl, destination, id));
  }

  /**
   * The payload of a dead letter; one statement. As large as it was when it was appended. Neither
   * logged here nor by jOOQ.
   *
   * @return empty if the destination has no dead letter of that id
   */
  public Optional<byte[]> payload(DSLContext dsl, String destination, long id) {
    return Installed.explained(() -> sql.payload(dsl, destination, id));
  }

  /**
   * Has a message delivered after all, with all attempts before it and behind whatever its key has
   * to be delivered by now. Its message id stays; its number is a new one.
   */
  public Outcome redrive(Tx tx, String destination, long id) {
    if (Installed.explained(() -> sql.redrive(tx.dsl(), destination, id)) == 0) {
      return Outcome.NOT_FOUND;
    }
    waking.afterCommit(tx, destination);
    return Outcome.DONE;
  }

  /**
   * {@link #redrive(Tx, String, long)} for up to {@code limit} messages of a destination, those
   * with the smallest ids first and in their order; those that somebody else is redriving or
   * deleting at the same time are passed over.
   *
   * @param limit 1 to 1,000; call it again, in another transaction, while it returns as many
   * @return how many there were
   */
  public int redriveMany(Tx tx, String destination, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    int redriven = Installed.explained(() -> sql.redriveMany(tx.dsl(), destination, limit));
    if (redriven > 0) {
      waking.afterCommit(tx, destination);
    }
    return redriven;
  }

  /** Throws one away. */
  public Outcome delete(Tx tx, String destination, long id) {
    int deleted = Installed.explained(() -> sql.delete(tx.dsl(), destination, id));
    return deleted == 1 ? Outcome.DONE : Outcome.NOT_FOUND;
  }

  /**
   * A job that throws away those of a destination that became dead letters longer ago, by the
   * database's clock, a bounded number in each of its transactions. Run it now and then, in any
   * process: one runs at a time. It needs the tables of module {@code batch} in the same schema,
   * and is told otherwise by its builder.
   *
   * @param keep at least 1 second
   */
  public ChunkedJob.Builder purge(Transactions transactions, String destination, Duration keep) {
    Names.requireDestination(destination);
    return sql.purge(transactions, schema, destination, keep);
  }
}
