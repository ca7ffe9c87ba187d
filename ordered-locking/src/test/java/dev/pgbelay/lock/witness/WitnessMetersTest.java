package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

class WitnessMetersTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(WitnessSchema.TABLES);

  private static final String ACCOUNT = "update account set balance = 1 where id = 1";
  private static final String STOCK = "update stock set quantity = 1 where id = 1";
  private static final String ORDERS = "update orders set note = '' where id = 1";

  @Test
  void findingsTransactionsAndOrders_areCounted() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    try (LockWitness witness =
        LockWitness.builder()
            .benign("orders", "account", "orders are worked off by one thread")
            .meterRegistry(registry)
            .build()) {
      Scripted.play(
          witness.observe(postgres.dataSource()),
          List.of(
              sql(ACCOUNT, STOCK),
              sql(STOCK, ACCOUNT),
              sql(ACCOUNT, ORDERS),
              sql(ORDERS, ACCOUNT)));
      assertThat(
              registry
                  .get("pgbelay.lock.inversions")
                  .tags("kind", "order", "classes", "account/stock", "benign", "no")
                  .counter()
                  .count())
          .isEqualTo(1);
      assertThat(
              registry
                  .get("pgbelay.lock.inversions")
                  .tags("kind", "order", "classes", "account/orders", "benign", "yes")
                  .counter()
                  .count())
          .isEqualTo(1);
      assertThat(
              registry
                  .get("pgbelay.lock.witness.transactions")
                  .tag("sampled", "yes")
                  .counter()
                  .count())
          .isEqualTo(4);
      assertThat(registry.get("pgbelay.lock.witness.orders").gauge().value()).isEqualTo(4);
      assertThat(registry.get("pgbelay.lock.witness.dropped").functionCounter().count()).isZero();
      assertThatThrownBy(witness::requireNone)
          .isInstanceOf(LockFindingsException.class)
          .hasMessageContaining("1 ways to deadlock were seen")
          .hasMessageContaining("account and stock");
    }
  }

  @Test
  void whatIsNotSeen_isCountedByReason() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    try (LockWitness witness = LockWitness.builder().meterRegistry(registry).build()) {
      Scripted.play(
          postgres.dataSource(),
          List.of(
              c -> {
                Scripted.run(
                    c,
                    "create or replace function touch() returns trigger language plpgsql as"
                        + " $$ begin return new; end $$");
                Scripted.run(
                    c,
                    "create or replace trigger t after update on side.stock execute function touch()");
                c.commit();
              }));
      Scripted.play(
          witness.observe(postgres.dataSource()),
          List.of(
              sql("do $$ begin update account set balance = 1; end $$"),
              sql("select * from rich_account for update"),
              sql("update side.stock set n = 2 where id = 1"),
              sql("create table made_here(id int)", "update made_here set id = 2")));
      assertThat(witness.unseen())
          .containsEntry("do", 1L)
          .containsEntry("view", 1L)
          .containsEntry("trigger", 1L)
          .containsEntry("table", 1L)
          .hasSize(4);
      assertThat(registry.get("pgbelay.lock.witness.unseen").tag("reason", "do").counter().count())
          .isEqualTo(1);
    }
  }

  @Test
  void functionsRulesAndMovedNames_areCountedAsUnseen() throws Exception {
    Scripted.play(
        postgres.dataSource(),
        List.of(
            c -> {
              Scripted.run(
                  c,
                  "create or replace function pay(bigint) returns bigint language sql as"
                      + " 'update account set balance = 1 where id = $1 returning id'");
              Scripted.run(
                  c,
                  "create or replace function twice(bigint) returns bigint language sql immutable"
                      + " as 'select 2 * $1'");
              Scripted.run(c, "create table if not exists audited(id int)");
              Scripted.run(
                  c,
                  "create or replace rule audit as on update to audited do also"
                      + " update side.stock set n = 1 where id = 1");
              c.commit();
            }));
    try (LockWitness witness = LockWitness.builder().build()) {
      Scripted.play(
          witness.observe(postgres.dataSource()),
          List.of(
              sql("select pay(1)", "select twice(count(*)) from account"),
              sql("select * from public.pay(1)"),
              sql("update stock set quantity = pay(1) where id = 1"),
              sql("update audited set id = 2"),
              sql("set local search_path = side", "select set_config('search_path', 'side', true)"),
              sql("set constraints all immediate"),
              c -> {
                c.setSchema("side");
                c.rollback();
                c.setSchema("public");
              }));
      assertThat(witness.unseen())
          .containsEntry("function", 3L)
          .containsEntry("rule", 1L)
          .containsEntry("search_path", 4L)
          .containsEntry("constraints", 1L)
          .hasSize(4);
    }
  }

  @Test
  void sampledShare_findsWhatItSamplesAndCountsTheRest() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    try (LockWitness witness = LockWitness.builder().sampled(0.5).meterRegistry(registry).build()) {
      List<Scripted.Script> scripts = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        scripts.add(sql(ACCOUNT, STOCK));
        scripts.add(sql(STOCK, ACCOUNT));
      }
      Scripted.play(witness.observe(postgres.dataSource()), scripts);
      double sampled = transactions(registry, "yes");
      double passed = transactions(registry, "no");
      assertThat(sampled + passed).isEqualTo(80);
      // A fair coin thrown 80 times: outside of this less often than once in a billion.
      assertThat(sampled).isBetween(12.0, 68.0);
      assertThat(witness.findings()).hasSize(1);
    }
  }

  private static double transactions(SimpleMeterRegistry registry, String sampled) {
    return registry
        .get("pgbelay.lock.witness.transactions")
        .tag("sampled", sampled)
        .counter()
        .count();
  }

  @Test
  void catalogThatCannotBeRead_leavesTheStatementsAndTheOrdersOfTheirOwn() throws Exception {
    PGSimpleDataSource nowhere = new PGSimpleDataSource();
    nowhere.setUrl("jdbc:postgresql://127.0.0.1:1/none");
    try (LockWitness witness = LockWitness.builder().catalog(nowhere).build()) {
      Scripted.play(
          witness.observe(postgres.dataSource()),
          List.of(sql(ACCOUNT, STOCK), sql(STOCK, ACCOUNT)));
      assertThat(witness.findings()).hasSize(1);
      assertThat(witness.unseen()).containsKey("table");
    }
  }

  @Test
  void tableMadeLater_isKnownWithItsForeignKeys() throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      DataSource observed = witness.observe(postgres.dataSource());
      Scripted.play(observed, List.of(sql(ACCOUNT, STOCK)));
      Scripted.play(
          observed,
          List.of(
              c -> {
                Scripted.run(
                    c,
                    "create table note(id int primary key, account_id bigint references account)");
                c.commit();
              },
              sql("select 1 from account where id = 1 for update", STOCK),
              sql(STOCK, "insert into note values (1, 1)")));
      assertThat(witness.findings())
          .singleElement()
          .satisfies(
              finding ->
                  assertThat(finding.toString()).contains("by foreign key note_account_id_fkey"));
    }
  }

  /** 100,000 different orders go in, and the graph stays within its bound. */
  @Test
  void graph_isBounded_andSaysWhatItHadNoPlaceFor() {
    AtomicLong dropped = new AtomicLong();
    LockGraph graph = new LockGraph(dropped);
    for (int i = 0; i < 100_000; i++) {
      graph.add(order("a" + i, "b" + i), Set.of(), WitnessMetersTest::path);
    }
    assertThat(graph.size()).isEqualTo(LockGraph.MAX_ORDERS);
    assertThat(dropped).hasValue(80_000);
  }

  private static final LockStep STEP = new LockStep("t", "FOR UPDATE", "", "", null);

  private static LockFinding.Path path() {
    return new LockFinding.Path(STEP, STEP);
  }

  private static LockGraph.Order order(String held, String wanted) {
    Strength strength = new Strength(RowMode.UPDATE, TableMode.ROW_EXCLUSIVE);
    return new LockGraph.Order(
        WatchedClass.table(held), strength, WatchedClass.table(wanted), strength);
  }

  @Test
  void gatesThatAreAnotherInEachRun_takeNoPlaces_andHideNoInversion() {
    LockGraph graph = new LockGraph(new AtomicLong());
    for (int i = 0; i < 100_000; i++) {
      assertThat(graph.add(order("account", "stock"), Set.of("row " + i), WitnessMetersTest::path))
          .isEmpty();
    }
    assertThat(graph.size()).isEqualTo(1);
    assertThat(graph.add(order("stock", "account"), Set.of("row 99999"), WitnessMetersTest::path))
        .isPresent();
  }

  @Test
  void orderSeenWithoutItsGate_isCompared_howeverOftenItWasSeenWithIt() {
    LockGraph graph = new LockGraph(new AtomicLong());
    for (int i = 0; i < 10; i++) {
      graph.add(order("account", "stock"), Set.of("config", "row " + i), WitnessMetersTest::path);
    }
    assertThat(graph.add(order("stock", "account"), Set.of("config"), WitnessMetersTest::path))
        .isEmpty();
    assertThat(graph.add(order("account", "stock"), Set.of(), WitnessMetersTest::path)).isPresent();
  }

  @Test
  void gateInFrontOfBothOrders_isNoInversion_untilAnotherOneIs() {
    LockGraph graph = new LockGraph(new AtomicLong());
    for (int i = 0; i < 10; i++) {
      graph.add(order("account", "stock"), Set.of("config", "row " + i), WitnessMetersTest::path);
    }
    assertThat(graph.add(order("stock", "account"), Set.of("config", "x"), WitnessMetersTest::path))
        .isEmpty();
    assertThat(graph.add(order("account", "stock"), Set.of("other"), WitnessMetersTest::path))
        .isPresent();
  }
}
