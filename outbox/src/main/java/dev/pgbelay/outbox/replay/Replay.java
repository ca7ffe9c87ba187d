package dev.pgbelay.outbox.replay;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.internal.Installed;
import dev.pgbelay.outbox.internal.Names;
import dev.pgbelay.outbox.internal.Waking;
import dev.pgbelay.outbox.replay.ReplaySql.Ids;
import dev.pgbelay.outbox.replay.ReplaySql.Part;
import java.util.Optional;
import org.jooq.DSLContext;

/**
 * Appends published messages once more, for one destination: with ids of their own, behind all that
 * is there, marked as replay. The message id stays, so a receiver that knows repeats by it must be
 * told to forget what it is to have again. Needs a destination that keeps what was delivered, by
 * {@link dev.pgbelay.outbox.Destination#withRetention}.
 *
 * <p>Opens transactions of its own, one for each 2,000 messages, which are there when it has
 * committed. Blocks until all are written. Safe for several threads.
 */
public final class Replay {
  private static final TxOptions OPTIONS = TxOptions.forPath("outbox-replay");

  /** How many messages one transaction appends. */
  private static final int MESSAGES = 2_000;

  private static final long WIDEST = 1L << 40;

  private final Transactions transactions;
  private final String schema;
  private final ReplaySql sql;
  private final Waking waking;

  private Replay(Transactions transactions, String schema, Waking waking) {
    this.transactions = transactions;
    this.schema = schema;
    this.sql = new ReplaySql(schema);
    this.waking = waking;
  }

  /** In the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static Replay of(Transactions transactions) {
    return of(transactions, SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** In another schema. */
  public static Replay of(Transactions transactions, String schema) {
    return new Replay(transactions, schema, Waking.NOBODY);
  }

  /**
   * The same, and the relays that this outbox wakes are woken as by its appends, after each
   * transaction; others find it with their next poll.
   *
   * @throws PgBelayException if the outbox is of another schema
   */
  public Replay waking(Outbox outbox) {
    return new Replay(transactions, schema, Waking.of(outbox, schema));
  }

  /** Has messages delivered again to the destination that had them. */
  public long replay(Published which) {
    return replay(which, which.destination());
  }

  /**
   * Has messages delivered to a destination, also to one that did not have them. They are appended
   * by ascending id, so those of one key come in their order; those of the key that are appended
   * meanwhile come in between. What was a replay itself is passed over, and what is published after
   * the begin.
   *
   * @param destination that has a route, or had one
   * @return how many there were
   * @throws PgBelayException if there is no such destination, or neither time nor ids were given,
   *     or nothing is there because the destination keeps nothing; or if it broke off: the message
   *     says behind which id
   */
  public long replay(Published which, String destination) {
    Names.requireDestination(destination);
    if (!which.isBounded()) {
      throw new PgBelayException(
          which + " has neither times nor ids: say which with between(…) or withIds(…)");
    }
    return transactions
        .run(
            OPTIONS,
            tx -> {
              requireDestination(tx.dsl(), which.destination());
              requireDestination(tx.dsl(), destination);
              Optional<Ids> range = sql.range(tx.dsl(), which);
              if (range.isEmpty() && !sql.keeps(tx.dsl(), which.destination())) {
                throw new PgBelayException(
                    "destination '"
                        + which.destination()
                        + "' does not keep what it was given: have its relay say withRetention(…);"
                        + " what was delivered before that cannot be replayed");
              }
              return range;
            })
        .map(ids -> replay(which, destination, ids))
        .orElse(0L);
  }

  private void requireDestination(DSLContext dsl, String name) {
    if (!Installed.explained(() -> sql.hasDestination(dsl, name))) {
      throw new PgBelayException(
          "there is no destination '" + name + "': Routes.add(tx, topic, destination) makes one");
    }
  }

  /** Ids of other destinations and keys lie between: the range grows where little is found. */
  private long replay(Published which, String destination, Ids all) {
    long count = 0;
    long next = all.first();
    long width = MESSAGES;
    while (next <= all.last()) {
      Ids range = new Ids(next, Math.min(all.last(), next + width - 1), all.until());
      Part part = append(which, destination, range, all, count);
      count += part.count();
      if (part.count() == MESSAGES) {
        next = part.lastId() + 1;
        width = Math.max(MESSAGES, width / 2);
      } else {
        next = range.last() + 1;
        width = Math.min(WIDEST, width * 2);
      }
    }
    return count;
  }

  private Part append(Published which, String destination, Ids range, Ids all, long countBefore) {
    try {
      return transactions.run(
          OPTIONS,
          tx -> {
            Part part = sql.append(tx.dsl(), which, destination, range, MESSAGES);
            if (part.count() > 0) {
              waking.afterCommit(tx, destination);
            }
            return part;
          });
    } catch (RuntimeException e) {
      throw new PgBelayException(
          "the replay of "
              + which
              + " to '"
              + destination
              + "' broke off after "
              + countBefore
              + " messages; those with ids below "
              + range.first()
              + " are appended, go on with withIds("
              + range.first()
              + ", "
              + all.last()
              + ")",
          e);
    }
  }
}
