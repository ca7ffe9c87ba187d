package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Seeded corruption under writers that keep the rules, some of them by transactions that make
 * others' rows look wrong for a while: everything seeded is found, and nothing else is.
 */
class CheckStormTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int ROWS = FULL ? 200_000 : 10_000;
  private static final int RUNS = FULL ? 100 : 5;
  private static final int WRITERS = 3;

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA).withPoolSize(2 * WRITERS + 6);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final AtomicBoolean over = new AtomicBoolean();
  private final AtomicLong ids = new AtomicLong(1_000_000_000);
  private final AtomicLong done = new AtomicLong();

  private static void sql(Connection connection, String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  /** One thread with a transaction that holds a lock, and a connection in autocommit beside it. */
  private Void write(long seed) throws Exception {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    try (Connection held = postgres.dataSource().getConnection();
        Connection beside = postgres.dataSource().getConnection()) {
      held.setAutoCommit(false);
      while (!over.get()) {
        long id = ids.incrementAndGet();
        switch (random.nextInt(4)) {
          case 0 -> childBeforeItsParent(held, beside, id, random);
          case 1 -> parentGoesBeforeItsChild(held, beside, id, random);
          case 2 -> childFirstInOneTransaction(held, id);
          default -> lineAndTotal(held, 1 + random.nextLong(ROWS / 2));
        }
        done.incrementAndGet();
      }
      held.setAutoCommit(true);
    }
    return null;
  }

  /** The parent is written already, but by a transaction that is still open. */
  private static void childBeforeItsParent(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(held, "insert into customers values (" + id + ", 'n')");
    sql(beside, "insert into orders values (" + id + ", " + id + ", 'open', 0)");
    Thread.sleep(random.nextInt(250));
    held.commit();
  }

  /** The children are about to be deleted by a transaction that has only read so far. */
  private static void parentGoesBeforeItsChild(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(beside, "insert into customers values (" + id + ", 'n')");
    sql(beside, "insert into orders values (" + id + ", " + id + ", 'open', 0)");
    sql(held, "select * from orders where customer_id = " + id);
    sql(beside, "delete from customers where id = " + id);
    Thread.sleep(random.nextInt(250));
    sql(held, "delete from orders where customer_id = " + id);
    held.commit();
  }

  private static void childFirstInOneTransaction(Connection held, long id) throws SQLException {
    sql(held, "insert into orders values (" + id + ", " + id + ", 'paid', 0)");
    sql(held, "insert into customers values (" + id + ", 'n')");
    held.commit();
  }

  private void lineAndTotal(Connection held, long order) throws SQLException {
    sql(held, "insert into lines values (" + ids.incrementAndGet() + ", " + order + ", 1.25)");
    sql(held, "update orders set total = total + 1.25 where id = " + order);
    held.commit();
  }

  /** In the half that the writers leave alone. */
  private List<Set<String>> corrupt(RandomGenerator random) {
    List<Set<String>> seeded = new ArrayList<>();
    String[] statements = {
      "delete from customers where id = ",
      "update orders set total = total - 0.01 where id = ",
      "update orders set status = 'canceled' where id = "
    };
    for (String statement : statements) {
      Set<String> keys = new TreeSet<>();
      while (keys.size() < 20) {
        long id = ROWS / 2 + 1 + random.nextLong(ROWS / 2);
        if (keys.add("[\"" + id + "\"]")) {
          shop.dsl.execute(statement + id);
        }
      }
      seeded.add(keys);
    }
    return seeded;
  }

  @Test
  void everythingSeededIsFound_andNothingElse_underWritersThatKeepTheRules() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("pgbelay.seed=" + seed);
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    shop.customers(ROWS);
    List<Set<String>> seeded = corrupt(random);
    ExecutorService threads = Executors.newFixedThreadPool(WRITERS);
    List<Future<Void>> writers = new ArrayList<>();
    for (int k = 0; k < WRITERS; k++) {
      long own = random.nextLong();
      writers.add(threads.submit(() -> write(own)));
    }
    long candidates = 0;
    try {
      Checker checker =
          Checker.builder(shop.transactions, ShopFixture.ALL)
              .pollInterval(Duration.ofMillis(5))
              .rangeRows(1_000, 100, 20_000)
              .throttle(List.of())
              .build();
      for (int run = 0; run < RUNS; run++) {
        CheckReport report = checker.run();
        candidates += report.declarations().stream().mapToLong(DeclarationReport::candidates).sum();
        for (int k = 0; k < seeded.size(); k++) {
          DeclarationReport each = report.declarations().get(k);
          assertThat(each.outcome()).as("%s", each).isIn(FINDINGS, INCOMPLETE);
          assertThat(each.blockers()).as("%s", each).isEmpty();
          assertThat(confirmed(k))
              .as("run %d of seed %d: %s", run, seed, each)
              .isEqualTo(seeded.get(k));
        }
      }
    } finally {
      over.set(true);
      threads.shutdown();
      assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
    for (Future<Void> writer : writers) {
      writer.get();
    }
    System.out.println(
        RUNS
            + " runs, "
            + done.get()
            + " writes, "
            + candidates
            + " candidates, of which "
            + seeded.stream().mapToInt(Set::size).sum() * RUNS
            + " were seeded");
    assertThat(candidates).isGreaterThan(seeded.stream().mapToLong(Set::size).sum() * RUNS);
  }

  private Set<String> confirmed(int declaration) {
    return Findings.create()
        .list(shop.dsl, ShopFixture.ALL.all().get(declaration), Finding.State.CONFIRMED, 0, 10_000)
        .stream()
        .map(each -> each.rowKey().data())
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
