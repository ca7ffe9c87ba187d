package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.lock.HeldLocks.Relation;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** What is remembered of a transaction's locks. */
class HeldLocksTest {
  private static final int KEYS = 10_000;
  private static final int RANK = 30;

  private final LockOrder order = LockFixture.order().build();
  private final HeldLocks held = new HeldLocks("any");

  /** Counted, not timed: each key is compared with a few of those that are held, not with all. */
  @Test
  void thousandsOfAcquiresUpTheOrder_compareEachKeyWithFew() {
    AtomicLong comparisons = new AtomicLong();
    Comparator<List<Object>> counting =
        (left, right) -> {
          comparisons.incrementAndGet();
          return ((Long) left.get(0)).compareTo((Long) right.get(0));
        };
    for (long id = 1; id <= KEYS; id++) {
      assertThat(held.relation(ACCOUNTS.row(id), RANK, LockMode.NO_KEY_UPDATE))
          .isEqualTo(Relation.AHEAD);
      held.add(
          order,
          RANK,
          ACCOUNTS,
          Optional.of(counting),
          List.of(ACCOUNTS.row(id)),
          held.nextEpoch());
    }
    assertThat(held.relation(ACCOUNTS.row(1L), RANK, LockMode.NO_KEY_UPDATE))
        .isEqualTo(Relation.HELD);
    assertThat(held.relation(ACCOUNTS.row(0L), RANK, LockMode.NO_KEY_UPDATE))
        .isEqualTo(Relation.DOWN);
    assertThat(comparisons.get()).isLessThan(60L * KEYS);
  }
}
