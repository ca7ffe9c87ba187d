package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Collectors;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Seeded corruption under {@linkplain StormWriters writers that keep the rules}: everything seeded
 * is found, and nothing else is; then it is repaired, the constraints of the database agree, and
 * what was repaired is put back. Runs at full scale in parts with {@code -Dpgbelay.runs}.
 */
class CheckStormTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int ROWS = FULL ? 200_000 : 10_000;
  private static final int RUNS = Integer.getInteger("pgbelay.runs", FULL ? 100 : 5);
  private static final int WRITERS = 4;
  private static final int OF_EACH = 20;

  /** In the half that the writers leave alone. */
  private static final List<String> CORRUPT =
      List.of(
          "delete from customers where id = %d",
          "update orders set total = total - 0.01 where id = %d",
          "update orders set status = 'canceled' where id = %d",
          "update invoice set tenant = 6 - id %% 7 + 7, account = 'a' || id where id = %d",
          "insert into voucher select -id, code from voucher where id = %d");

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource -> {
                ShopFixture.SCHEMA.initialize(dataSource);
                StormWriters.install(DSL.using(dataSource, SQLDialect.POSTGRES));
              })
          .withPoolSize(2 * WRITERS + 6);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final List<Declaration> declarations = StormWriters.DECLARATIONS.all();

  private List<Set<String>> corrupt(RandomGenerator random) {
    List<Set<String>> seeded = new ArrayList<>();
    for (String statement : CORRUPT) {
      Set<String> keys = new TreeSet<>();
      while (keys.size() < OF_EACH) {
        long id = ROWS / 2 + 1 + random.nextLong(ROWS / 2);
        String key = statement.contains("voucher") ? "[\"v" + id + "\"]" : "[\"" + id + "\"]";
        if (keys.add(key)) {
          shop.dsl.execute(statement.formatted(id));
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
    StormWriters.fill(shop.dsl, ROWS);
    List<Set<String>> seeded = corrupt(random);
    StormWriters writers = new StormWriters(postgres.dataSource(), ROWS);
    ExecutorService threads = Executors.newFixedThreadPool(WRITERS);
    List<Future<Void>> ends = new ArrayList<>();
    for (int k = 0; k < WRITERS; k++) {
      long own = random.nextLong();
      ends.add(threads.submit(() -> writers.write(own)));
    }
    long candidates = 0;
    try {
      for (int run = 0; run < RUNS; run++) {
        candidates += assertFindsWhatIsSeeded(seeded, "run %d of seed %d".formatted(run, seed));
      }
    } finally {
      writers.stop();
      threads.shutdown();
      assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    }
    for (Future<Void> end : ends) {
      end.get();
    }
    long wrong = (long) RUNS * OF_EACH * CORRUPT.size();
    System.out.printf(
        "%d runs over %d rows a table, %d writes, %d candidates, of which %d were seeded, 0 false%n",
        RUNS, ROWS, writers.done(), candidates, wrong);
    assertThat(candidates).isGreaterThan(wrong);
    assertRepairsAgreeWithTheDatabase_andCanBeUndone();
  }

  private long assertFindsWhatIsSeeded(List<Set<String>> seeded, String run) {
    CheckReport report =
        Checker.builder(shop.transactions, StormWriters.DECLARATIONS)
            .pollInterval(Duration.ofMillis(5))
            .confirmWithin(Duration.ofMinutes(2))
            .rangeRows(1_000, 100, 20_000)
            .throttle(List.of())
            .build()
            .run();
    for (int k = 0; k < seeded.size(); k++) {
      DeclarationReport each = report.declarations().get(k);
      assertThat(each.outcome()).as("%s", each).isIn(FINDINGS, INCOMPLETE);
      assertThat(each.blockers()).as("%s", each).isEmpty();
      assertThat(confirmed(declarations.get(k))).as("%s: %s", run, each).isEqualTo(seeded.get(k));
    }
    return report.declarations().stream().mapToLong(DeclarationReport::candidates).sum();
  }

  private Set<String> confirmed(Declaration declaration) {
    return Findings.create()
        .list(shop.dsl, declaration, Finding.State.CONFIRMED, 0, 10_000)
        .stream()
        .map(each -> each.rowKey().data())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private void assertRepairsAgreeWithTheDatabase_andCanBeUndone() {
    String before = contents();
    RepairReport repairs =
        Repairs.builder(shop.transactions, StormWriters.DECLARATIONS)
            .policy("order-customer", RepairPolicy.quarantine())
            .policy("order-total", RepairPolicy.recompute())
            .policy("order-status", RepairPolicy.custom((tx, finding) -> spell(tx.dsl(), finding)))
            .policy("invoice-account", RepairPolicy.setNull())
            .policy(
                "voucher-once",
                RepairPolicy.custom(
                    (tx, finding) ->
                        tx.dsl()
                            .execute(
                                "delete from voucher where code = cast(? as jsonb) ->> 0 and id < 0",
                                finding.rowKey())))
            .repairTimeout(Duration.ofMinutes(1))
            .build()
            .run();
    assertThat(repairs.declarations())
        .allSatisfy(
            each -> assertThat(each.repaired() + each.gone()).as("%s", each).isEqualTo(OF_EACH));
    assertThat(
            Checker.builder(shop.transactions, StormWriters.DECLARATIONS)
                .throttle(List.of())
                .build()
                .run()
                .isClean())
        .isTrue();
    String[] constraints = {
      "alter table orders add constraint real foreign key (customer_id) references customers not valid",
      "alter table orders validate constraint real",
      "alter table invoice add constraint real foreign key (tenant, account) references account not valid",
      "alter table invoice validate constraint real",
      "alter table orders add constraint spelled check (status in ('open', 'paid', 'cancelled'))",
      "alter table voucher add constraint once unique (code)",
      "alter table orders drop constraint real, drop constraint spelled",
      "alter table invoice drop constraint real",
      "alter table voucher drop constraint once"
    };
    for (String each : constraints) {
      shop.dsl.execute(each);
    }
    UndoLog.Undone undone = UndoLog.of(shop.transactions).undo(repairs.batch());
    assertThat(undone.conflicts()).isEmpty();
    assertThat(contents()).isEqualTo(before);
  }

  private static void spell(org.jooq.DSLContext dsl, Finding finding) {
    dsl.execute(
        "update orders set status = 'cancelled' where id = cast(cast(? as jsonb) ->> 0 as bigint)",
        finding.rowKey());
  }

  /** Every byte of the tables whose repairs can be undone. */
  private String contents() {
    return String.valueOf(
        shop.dsl.fetchValue(
            "select md5(string_agg(r, chr(10) order by r)) from ("
                + "select 'c' || c::text as r from customers c union all"
                + " select 'o' || o::text from orders o union all"
                + " select 'l' || l::text from lines l union all"
                + " select 'a' || a::text from account a union all"
                + " select 'i' || i::text from invoice i) x"));
  }
}
