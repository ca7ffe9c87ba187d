package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.batch;
import static dev.pgbelay.lock.witness.Scripted.run;
import static dev.pgbelay.lock.witness.Scripted.sql;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.lock.witness.LockFinding.Kind;
import dev.pgbelay.lock.witness.Scripted.Script;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Savepoint;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Code that can deadlock, run once in one thread: each is found, as what it is. */
class SeededInversionsTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(WitnessSchema.TABLES);

  private static final UUID LOW = UUID.fromString("7fffffff-0000-0000-0000-000000000000");
  private static final UUID HIGH = UUID.fromString("80000000-0000-0000-0000-000000000000");

  private static final String ACCOUNT = "update account set balance = balance + 1 where id = 1";
  private static final String STOCK = "update stock set quantity = quantity + 1 where id = 1";

  /** What is run, and what must be said of it. */
  record Seeded(String name, Kind kind, List<String> classes, List<Script> scripts) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Seeded order(String name, String first, String second, Script... scripts) {
    return new Seeded(name, Kind.ORDER, List.of(first, second), List.of(scripts));
  }

  private static Seeded within(String name, Kind kind, String lockClass, Script... scripts) {
    return new Seeded(name, kind, List.of(lockClass), List.of(scripts));
  }

  static Stream<Seeded> inversions() {
    return Stream.of(
        order("updates", "account", "stock", sql(ACCOUNT, STOCK), sql(STOCK, ACCOUNT)),
        order(
            "explicit row locks",
            "account",
            "stock",
            sql("select * from account where id = 1 for update", "select 1 from stock for share"),
            sql("select * from stock for update", "select id from account for no key update")),
        order(
            "tables of a join, by alias after OF",
            "account",
            "stock",
            sql(
                "select * from account a join stock s on s.id = a.id where a.id = 1 for update of a",
                STOCK),
            sql(
                "select * from account as a, only stock s where s.id = a.id and a.id = 1"
                    + " for no key update of s skip locked",
                STOCK,
                ACCOUNT)),
        order(
            "key share behind a foreign key of an insert",
            "account",
            "stock",
            sql("select 1 from account where id = 1 for update", STOCK),
            sql(STOCK, "insert into ledger(account_id, amount) values (1, 5)")),
        order(
            "key share behind a foreign key that an update sets",
            "customer",
            "stock",
            sql("delete from customer where id = '80000000-0000-0000-0000-000000000000'", STOCK),
            sql(
                STOCK,
                "update orders set customer_id = '80000000-0000-0000-0000-000000000000' where id = 1")),
        order(
            "cascade of a delete",
            "orders",
            "order_line",
            sql("delete from orders where id = 3"),
            sql(
                "update order_line set quantity = 2 where order_id = 3 and position = 1",
                "select 1 from orders where id = 3 for update")),
        order(
            "upsert",
            "account",
            "stock",
            sql(
                ACCOUNT,
                "insert into stock(id, item) values (1, 'x') on conflict (id)"
                    + " do update set item = excluded.item"),
            sql(STOCK, ACCOUNT)),
        order(
            "inserts that give way on conflict",
            "code_c",
            "price",
            sql(
                "insert into code_c values ('z', 1) on conflict do nothing",
                "insert into price values (99, 1) on conflict do nothing"),
            sql(
                "insert into price values (99, 1) on conflict (id) do nothing",
                "insert into code_c values ('z', 1) on conflict on constraint code_c_pkey"
                    + " do nothing")),
        order(
            "advisory locks of two spaces",
            "advisory (1, …)",
            "advisory (2, …)",
            sql("select pg_advisory_xact_lock(1, 7)", "select pg_advisory_xact_lock(2, 7)"),
            c -> {
              run(c, "select pg_advisory_xact_lock(?, ?)", 2, 9);
              run(c, "select pg_advisory_xact_lock_shared(?, ?)", 1, 9);
              run(c, "select 1");
            }),
        order(
            "advisory lock and row",
            "advisory",
            "account",
            sql("select pg_advisory_xact_lock(hashtextextended('a', 0))", ACCOUNT),
            sql(ACCOUNT, "select pg_advisory_xact_lock(42)")),
        order(
            "session's advisory lock, held across transactions",
            "advisory (5, …)",
            "account",
            c -> {
              run(c, "select pg_advisory_lock(5, 1)");
              c.commit();
              run(c, ACCOUNT);
              c.commit();
              run(c, "select pg_advisory_unlock(5, 1)");
            },
            sql(ACCOUNT, "select pg_advisory_xact_lock(5, 1)")),
        order(
            "table lock and rows",
            "account",
            "stock",
            sql("lock table account in share row exclusive mode", STOCK),
            sql(STOCK, ACCOUNT)),
        order(
            "truncate",
            "ledger",
            "stock",
            sql("truncate ledger", STOCK),
            sql(STOCK, "insert into ledger(amount) values (1)")),
        order(
            "lock inside a common table expression",
            "account",
            "stock",
            sql(
                "with a as materialized (select id from account where id = 1 for update)"
                    + " update stock s set quantity = 1 from a where s.id = a.id"),
            sql(STOCK, ACCOUNT)),
        order(
            "lock inside a subquery of an update",
            "account",
            "stock",
            sql(
                "update stock set quantity = 1 where id ="
                    + " (select id::int from account where owner is null order by id limit 1 for update)"),
            sql(STOCK, ACCOUNT)),
        order(
            "lock inside a subquery of FROM",
            "account",
            "stock",
            sql("select * from (select id from account where id = 1) a for update", STOCK),
            sql(STOCK, ACCOUNT)),
        order(
            "common table expressions that write",
            "ledger",
            "stock",
            sql(
                "with gone as (delete from ledger where amount < 0 returning account_id)"
                    + " update stock set quantity = 1 where id in (select account_id from gone)"),
            sql(STOCK, "update ledger set amount = 1")),
        order(
            "merge",
            "account",
            "stock",
            sql(
                ACCOUNT,
                "merge into stock s using (values (1)) v(id) on s.id = v.id"
                    + " when matched then update set quantity = 1"
                    + " when not matched then insert (id) values (v.id)"),
            sql(STOCK, ACCOUNT)),
        order(
            "a key that an upsert changes, against a foreign key",
            "account",
            "stock",
            sql(
                "insert into account(id, email) values (1, 'x') on conflict (id)"
                    + " do update set email = excluded.email",
                STOCK),
            sql(STOCK, "insert into ledger(account_id) values (1)")),
        order(
            "a partition and its root",
            "event",
            "stock",
            sql("update event_1 set n = 2 where id = 1 and region = 1", STOCK),
            sql(STOCK, "update event set n = 2 where id = 1 and region = 1")),
        order(
            "savepoint that was released",
            "account",
            "stock",
            c -> {
              Savepoint savepoint = c.setSavepoint();
              run(c, ACCOUNT);
              c.releaseSavepoint(savepoint);
              run(c, STOCK);
            },
            sql(STOCK, ACCOUNT)),
        order(
            "deferred foreign key, locked at commit",
            "account",
            "stock",
            c -> {
              run(c, "insert into invoice values (1, 1)");
              run(c, STOCK);
              c.commit();
            },
            sql("select 1 from account where id = 1 for update", STOCK)),
        order(
            "jOOQ, with quotes and schema",
            "account",
            "stock",
            c ->
                DSL.using(c, SQLDialect.POSTGRES)
                    .update(DSL.table(DSL.name("public", "account")))
                    .set(DSL.field(DSL.name("balance"), Long.class), 5L)
                    .where(DSL.field(DSL.name("public", "account", "id"), Long.class).eq(1L))
                    .execute(),
            sql(ACCOUNT, STOCK),
            sql("UPDATE \"stock\" SET quantity = 1 /* update account */ WHERE id=1 -- x", ACCOUNT)),
        order(
            "two orders worked off in one transaction",
            "orders",
            "stock",
            sql(
                "update orders set note = '1' where id = 1",
                "update stock set quantity = 1 where id = 5",
                "update orders set note = '2' where id = 2")),
        new Seeded(
            "circle of three",
            Kind.CIRCLE,
            List.of("account", "stock", "orders"),
            List.of(
                sql(ACCOUNT, STOCK),
                sql(STOCK, "update orders set note = '' where id = 1"),
                sql("update orders set note = '' where id = 1", ACCOUNT))),
        within(
            "rows by integer keys",
            Kind.ROW_ORDER,
            "account",
            c -> {
              run(c, "update account set balance = 1 where id = ?", 10L);
              run(c, "update account set balance = 1 where id = ?", 9L);
            }),
        within(
            "rows in a batch",
            Kind.ROW_ORDER,
            "account",
            c -> batch(c, "update account set balance = 1 where ? = id", 3L, 7L, 5L)),
        within(
            "rows of one upsert",
            Kind.ROW_ORDER,
            "stock",
            sql(
                "insert into stock(item, id) values ('a', 2), ('b', 11), ('c', 9)"
                    + " on conflict (id) do update set item = excluded.item")),
        within(
            "rows by uuid, where Java's order is the other way round",
            Kind.ROW_ORDER,
            "customer",
            c -> {
              run(c, "select 1 from customer where id = ? for update", HIGH);
              run(
                  c,
                  "select 1 from customer where id = cast(? as uuid) for update",
                  LOW.toString());
            }),
        within(
            "rows by text in the C collation",
            Kind.ROW_ORDER,
            "code_c",
            sql(
                "update code_c set n = 1 where code = 'a'",
                "update code_c set n = 1 where code = 'B'")),
        within(
            "rows by text in a language's order, which the server is asked for",
            Kind.ROW_ORDER,
            "code_icu",
            c -> {
              run(c, "update code_icu set n = 1 where code = ?", "B");
              run(c, "update code_icu set n = 1 where code = ?", "a");
            }),
        within(
            "rows by numeric",
            Kind.ROW_ORDER,
            "price",
            c -> {
              run(c, "delete from price where id = ?", new BigDecimal("10.0"));
              run(c, "delete from price where id = 9");
            }),
        within(
            "rows by two columns",
            Kind.ROW_ORDER,
            "order_line",
            c -> {
              run(
                  c,
                  "select 1 from order_line where order_id = ? and position = ? for update",
                  2,
                  1);
              run(
                  c,
                  "select 1 from order_line where position = ? and order_id = ? for update",
                  5,
                  1);
            }),
        within(
            "advisory keys",
            Kind.ROW_ORDER,
            "advisory",
            c -> {
              run(c, "select pg_advisory_xact_lock(?)", 9L);
              run(c, "select pg_advisory_xact_lock(?)", 8L);
            }),
        within(
            "shared lock made exclusive",
            Kind.UPGRADE,
            "account",
            sql("select 1 from account where id = 1 for share", ACCOUNT)),
        within(
            "child inserted, then its parent locked for update",
            Kind.UPGRADE,
            "account",
            c -> {
              run(c, "insert into ledger(amount, account_id) values (?, ?)", 5L, 1L);
              run(c, "select 1 from account where id = ? for update", 1L);
            }),
        within(
            "table lock that others share, then a write",
            Kind.UPGRADE,
            "stock",
            sql("lock table stock in share mode", STOCK)));
  }

  @ParameterizedTest
  @MethodSource("inversions")
  void codeThatCanDeadlock_isFoundInOneThread(Seeded seeded) throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      Scripted.play(witness.observe(postgres.dataSource()), seeded.scripts());
      assertThat(witness.findings())
          .singleElement()
          .satisfies(
              finding -> {
                assertThat(finding.kind()).isEqualTo(seeded.kind());
                assertThat(finding.classes()).containsExactlyInAnyOrderElementsOf(seeded.classes());
                assertThat(finding.paths())
                    .allSatisfy(
                        path -> {
                          assertThat(path.held().toString()).contains("Scripted.");
                          assertThat(path.wanted().toString()).contains("Scripted.");
                        });
              });
    }
  }

  @Test
  void atLeastTwentyKinds_areSeeded() {
    assertThat(inversions().map(Seeded::name)).doesNotHaveDuplicates().hasSizeGreaterThan(20);
  }

  @Test
  void inversion_isReportedOnce_withBothCallSitesAndTheOrderSeenMoreOften() throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      List<Script> scripts = new ArrayList<>(List.of(sql(ACCOUNT, STOCK), sql(ACCOUNT, STOCK)));
      scripts.add(this::takesStockFirst);
      scripts.add(this::takesStockFirst);
      Scripted.play(witness.observe(postgres.dataSource()), scripts);
      assertThat(witness.findings()).hasSize(1);
      String report = witness.findings().get(0).toString();
      assertThat(report)
          .contains("locks account and stock in both orders")
          .contains("Lock account before stock everywhere")
          .contains("takesStockFirst")
          .contains("update account set balance = balance + ? where id = ?");
      assertThat(witness.findings().get(0).paths()).hasSize(2);
    }
  }

  private void takesStockFirst(Connection connection) throws java.sql.SQLException {
    run(connection, "update stock set item = 'secret item' where id = ?", 1);
    run(connection, "update account set owner = ? where id = 4711 or id = 1", "secret owner");
  }

  @Test
  void report_holdsNoValues() throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      Scripted.play(
          witness.observe(postgres.dataSource()),
          List.of(sql(ACCOUNT, STOCK), this::takesStockFirst));
      assertThat(witness.findings()).hasSize(1);
      assertThat(witness.findings().toString()).doesNotContain("secret").doesNotContain("4711");
    }
  }
}
