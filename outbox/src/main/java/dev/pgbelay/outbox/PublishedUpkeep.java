package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.DayRing;
import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;

/**
 * Takes published messages away that are older than they are kept: whole days at once, by the
 * database's clock, in a transaction for each. Called now and then by a relay. Safe for several
 * threads and processes.
 */
final class PublishedUpkeep {
  private static final TxOptions EMPTYING =
      TxOptions.builder().path("outbox-retention").lockTimeout(Duration.ofSeconds(2)).build();

  private final Transactions transactions;
  private final DayRing ring;
  private final int days;

  /**
   * Checks the days.
   *
   * @param days 1 to 28, beside the current one
   */
  PublishedUpkeep(Transactions transactions, String schema, int days) {
    OptionRange.require("keepPublished", days, 1, DayRing.MOST_DAYS);
    this.transactions = transactions;
    this.ring = new DayRing(schema, "outbox_published");
    this.days = days;
  }

  /** How many days' messages were taken away. */
  int emptyExpired() throws Exception {
    int emptied = 0;
    for (int slot : transactions.run(EMPTYING, tx -> ring.expired(tx.connection(), days))) {
      transactions.execute(
          EMPTYING,
          tx -> {
            // Asked again: another process may have emptied it, and today may be tomorrow.
            if (ring.expired(tx.connection(), days).contains(slot)) {
              ring.empty(tx.connection(), slot);
            }
          });
      emptied++;
    }
    return emptied;
  }
}
