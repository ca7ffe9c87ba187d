package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.ACCOUNTS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jooq.DSLContext;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Half a million transfers each between pairs and triples with {@code -Dpgbelay.scale=full}. */
class TransfersAtScalePostgresTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int TRANSFERS = FULL ? 500_000 : 2_000;
  private static final int THREADS = 8;
  private static final int ALL = 50;
  private static final String MOVE =
      """
      update account a set balance = a.balance + m.amount
        from unnest(?::bigint[], ?::bigint[]) as m(id, amount)
       where a.id = m.id
      """;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private final DSLContext dsl = LockFixture.dsl(postgres.dataSource());
  private final LockOrder order = LockFixture.order().build();
  private final Transactions once =
      Transactions.builder(postgres.dataSource()).retry(TxOptions.Retry.none()).build();

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void transfersBetweenRandomAccounts_neverDeadlockAndConserveMoney(int accounts) throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed " + seed);
    long deadlocks =
        number("select deadlocks from pg_stat_database where datname = current_database()");
    long before = number("select sum(balance)::bigint from account");
    long began = System.nanoTime();
    long longest = 0;
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      List<Future<Long>> running = new ArrayList<>();
      for (int thread = 0; thread < THREADS; thread++) {
        Random random = new Random(seed + thread);
        running.add(threads.submit(() -> transfers(random, accounts)));
      }
      for (Future<Long> each : running) {
        longest = Math.max(longest, each.get());
      }
    } finally {
      threads.shutdownNow();
    }
    long seconds = Math.max(1, (System.nanoTime() - began) / 1_000_000_000);
    System.out.printf(
        "%d transfers between %d accounts of %d: %d a second, the longest took %d ms%n",
        TRANSFERS, accounts, ALL, TRANSFERS / seconds, longest / 1_000_000);
    assertThat(number("select sum(balance)::bigint from account")).isEqualTo(before);
    assertThat(number("select deadlocks from pg_stat_database where datname = current_database()"))
        .as("deadlocks, seed %d", seed)
        .isEqualTo(deadlocks);
  }

  private long number(String sql) {
    return dsl.fetchSingle(sql).get(0, Long.class);
  }

  /** The longest of them, in ns. A failure of any, a deadlock included, fails the test. */
  private long transfers(Random random, int accounts) throws SQLException {
    long longest = 0;
    for (int i = 0; i < TRANSFERS / THREADS; i++) {
      Long[] ids =
          random.longs(1, ALL + 1L).distinct().limit(accounts).boxed().toArray(Long[]::new);
      Long[] amounts = new Long[accounts];
      amounts[0] = 0L;
      for (int each = 1; each < accounts; each++) {
        amounts[each] = 1L + random.nextInt(9);
        amounts[0] -= amounts[each];
      }
      long began = System.nanoTime();
      once.execute(
          tx -> {
            order.acquire(tx, ACCOUNTS.rows(List.of(ids)));
            move(tx.connection(), ids, amounts);
          });
      longest = Math.max(longest, System.nanoTime() - began);
    }
    return longest;
  }

  private static void move(java.sql.Connection connection, Long[] ids, Long[] amounts)
      throws SQLException {
    try (PreparedStatement move = connection.prepareStatement(MOVE)) {
      move.setArray(1, connection.createArrayOf("bigint", ids));
      move.setArray(2, connection.createArrayOf("bigint", amounts));
      assertThat(move.executeUpdate()).isEqualTo(ids.length);
    }
  }
}
