package dev.pgbelay.outbox.held;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.internal.Installed;
import dev.pgbelay.outbox.internal.Waking;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jooq.DSLContext;

/**
 * The keys whose messages wait because one of them could not be delivered: to look at, to try
 * again, to go on without the one that fails.
 *
 * <p>Works in the caller's transaction and never ends it. Changes hold the key's row until that
 * ends, and the relay of the key waits for it. Relays see them with their next poll, or at once if
 * {@link #waking} was said. Immutable and safe for several threads.
 */
public final class HeldKeys {
  private static final int LARGEST_PAGE = 1_000;

  private final String schema;
  private final HeldSql sql;
  private final Waking waking;

  private HeldKeys(String schema, Waking waking) {
    this.schema = schema;
    this.sql = new HeldSql(schema);
    this.waking = waking;
  }

  /** Those of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static HeldKeys create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those of another schema. */
  public static HeldKeys inSchema(String schema) {
    return new HeldKeys(schema, Waking.NOBODY);
  }

  /**
   * The same, and the relays that this outbox wakes are woken as by its appends, once the
   * transaction has committed; others find it with their next poll.
   *
   * @throws PgBelayException if the outbox is of another schema
   */
  public HeldKeys waking(Outbox outbox) {
    return new HeldKeys(schema, Waking.of(outbox, schema));
  }

  /** What became of a call about one key. */
  public enum Outcome {
    /** It was done. */
    DONE,
    /** It is not parked: a relay may be delivering its first message just now. */
    NOT_PARKED,
    /** Another message than the one that is meant is the first of the key by now. */
    NOT_FIRST,
    /**
     * The destination holds no key of that name: {@link HeldKey#name}, such as {@code k:order-42}.
     */
    NOT_FOUND
  }

  /** The first ones of a destination, by name; one statement. */
  public List<HeldKey> list(DSLContext dsl, String destination, int limit) {
    return list(dsl, destination, "", limit);
  }

  /**
   * The next ones.
   *
   * @param after {@link HeldKey#name} of the last one before
   * @param limit 1 to 1,000
   * @throws PgBelayException if the limit is out of its range
   */
  public List<HeldKey> list(DSLContext dsl, String destination, String after, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return Installed.explained(() -> sql.list(dsl, destination, after, limit));
  }

  /**
   * The messages of a key that wait, in the order in which they are to be delivered; one statement.
   * What was appended since may not be among them yet.
   *
   * @param name {@link HeldKey#name}
   * @param after the id of the last one before; 0 at first
   * @param limit 1 to 1,000
   */
  public List<HeldMessage> messages(
      DSLContext dsl, String destination, String name, long after, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return Installed.explained(() -> sql.messages(dsl, destination, name, after, limit));
  }

  /**
   * The payload of a message that waits; one statement. Neither logged here nor by jOOQ.
   *
   * @return empty if it does not wait any more
   */
  public Optional<byte[]> payload(DSLContext dsl, String destination, String name, long id) {
    return Installed.explained(() -> sql.payload(dsl, destination, name, id));
  }

  /**
   * Has the first message of a key tried at once, with all attempts before it; once it is
   * delivered, those behind it follow.
   */
  public Outcome resume(Tx tx, String destination, String name) {
    if (Installed.explained(() -> sql.resume(tx.dsl(), destination, name)) == 0) {
      return Outcome.NOT_FOUND;
    }
    waking.afterCommit(tx, destination);
    return Outcome.DONE;
  }

  /**
   * Makes the first message of a parked key a dead letter, whichever that is by now, and has the
   * next one tried. Two statements. Where somebody has looked before, {@link #skip(Tx, String,
   * String, long)} skips what was seen and nothing else.
   */
  public Outcome skip(Tx tx, String destination, String name) {
    return skip(tx, destination, name, OptionalLong.empty());
  }

  /**
   * The same if that message is the one that is meant: not where somebody else has skipped it and
   * the key is parked again for the next one, nor where a message with a lower id was committed
   * since. Three statements.
   *
   * @param id {@link HeldMessage#id} of the first of {@link #messages}
   */
  public Outcome skip(Tx tx, String destination, String name, long id) {
    return skip(tx, destination, name, OptionalLong.of(id));
  }

  private Outcome skip(Tx tx, String destination, String name, OptionalLong meant) {
    Optional<Boolean> parked = Installed.explained(() -> sql.lock(tx.dsl(), destination, name));
    if (parked.isEmpty()) {
      return Outcome.NOT_FOUND;
    }
    if (!parked.get()) {
      return Outcome.NOT_PARKED;
    }
    if (meant.isPresent() && !meant.equals(sql.first(tx.dsl(), destination, name))) {
      return Outcome.NOT_FIRST;
    }
    sql.skip(tx.dsl(), destination, name);
    waking.afterCommit(tx, destination);
    return Outcome.DONE;
  }
}
