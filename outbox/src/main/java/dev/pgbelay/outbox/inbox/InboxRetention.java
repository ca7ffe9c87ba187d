package dev.pgbelay.outbox.inbox;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.DayRing;
import dev.pgbelay.core.internal.MissingTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntSupplier;
import org.jooq.exception.DataAccessException;

/**
 * Forgets messages whose retention is over. If nobody does it, the tables grow and nothing else
 * happens. Immutable and safe for several threads and processes at once.
 */
public final class InboxRetention {
  private static final Duration LOCK_TIMEOUT = Duration.ofSeconds(2);

  private final Transactions transactions;
  private final String schema;
  private final MarkDays days;
  private final IntSupplier daysAhead;
  private final DayRing ring;
  private final InboxMeters meters;

  /**
   * @param daysAhead of the database's clock; other than 0 in tests only
   */
  InboxRetention(
      Transactions transactions,
      String schema,
      MarkDays days,
      IntSupplier daysAhead,
      InboxMeters meters) {
    this.transactions = transactions;
    this.schema = schema;
    this.days = days;
    this.daysAhead = daysAhead;
    this.ring = new DayRing(schema, "inbox_mark");
    this.meters = meters;
  }

  /**
   * What was emptied.
   *
   * @param emptied so many days' marks
   * @param inUse so many were left for the next time, because a transaction had their lock for
   *     longer than two seconds
   */
  public record Emptied(int emptied, int inUse) {}

  /**
   * Empties the days that nobody can ask for any more, each by a {@code TRUNCATE} in a transaction
   * of its own. The lock on a day's table is waited for two seconds; meanwhile nobody waits behind
   * it but those who process messages that are weeks old. Blocks the calling thread, which must
   * have no transaction open.
   *
   * @throws RuntimeException if the database cannot be asked; days that were emptied stay so
   */
  public Emptied emptyDays() {
    int emptied = 0;
    List<Integer> inUse = new ArrayList<>();
    for (int slot : transactions.run(options(), tx -> expired(tx.connection()))) {
      try {
        emptied += transactions.run(options(), tx -> empty(tx.connection(), slot)) ? 1 : 0;
      } catch (RuntimeException e) {
        if (Failures.classify(e) != FailureKind.LOCK_TIMEOUT) {
          throw e;
        }
        inUse.add(slot);
      }
    }
    meters.emptied(emptied);
    return new Emptied(emptied, inUse.size());
  }

  /** A process that is stopped with the lock in its hands must not keep others waiting. */
  private static TxOptions options() {
    return TxOptions.builder()
        .path("outbox.inbox.retention")
        .lockTimeout(LOCK_TIMEOUT)
        .setting("idle_in_transaction_session_timeout", "10s")
        .build();
  }

  private List<Integer> expired(Connection connection) {
    try {
      int ahead = daysAhead.getAsInt();
      return ring.expired(connection, ahead - days.oldestKept(), ahead + 1 - MarkDays.YOUNGEST);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Looks again under the lock: days may have passed since, and the slot be another day's. */
  private boolean empty(Connection connection, int slot) {
    try {
      ring.lock(connection, slot);
      boolean still = expired(connection).contains(slot);
      if (still) {
        ring.empty(connection, slot);
      }
      return still;
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static RuntimeException failed(SQLException e) {
    return MissingTable.explained(
        new DataAccessException("the inbox could not be emptied of old marks", e),
        "the inbox",
        "outbox");
  }

  /**
   * The job that deletes marks of messages whose id does not say when it was drawn, or that came
   * late, once their retention is over. Needs the table of module {@code batch} as well.
   */
  public ChunkedJob.Builder purge() {
    return Purge.olderThan(
            transactions,
            "inbox",
            new InboxSql(schema, days, 0).otherTable(),
            InboxSql.PROCESSED_AT,
            Duration.ofDays(days.retention()))
        .key(InboxSql.PROCESSED_AT, InboxSql.CONSUMER, InboxSql.MESSAGE_ID)
        .schema(schema);
  }
}
