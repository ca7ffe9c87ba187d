package dev.pgbelay.reconcile.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.repair.RepairReport.OfDeclaration;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Repairs of what a query finds read what belongs to each finding, where PostgreSQL can. */
class QueryRepairsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Field<Integer> ID = field(name("id"), SQLDataType.INTEGER);
  private static final int ACCOUNTS = 20_000;
  private static final int WRONG = 20;

  /** The balance of an account is the sum of its entries. */
  private static final String PLAIN =
      "select a.id from accounts a where a.balance <>"
          + " (select coalesce(sum(e.amount), 0) from entries e where e.account_id = a.id)";

  private static final String GROUPED =
      "select e.account_id as id from entries e join accounts a on a.id = e.account_id"
          + " group by e.account_id, a.balance having sum(e.amount) <> a.balance";

  private static final String WINDOW_OF_THE_KEY =
      "select distinct id from (select e.account_id as id, a.balance, sum(e.amount)"
          + " over (partition by e.account_id) as total from entries e"
          + " join accounts a on a.id = e.account_id) w where total <> balance";

  /** Every row decides about every other. */
  private static final String WINDOW_OF_ALL =
      "select id from (select a.id, a.balance, lag(a.balance) over (order by a.id) as before"
          + " from accounts a) w where balance < before";

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @BeforeEach
  void accounts() {
    shop.dsl.execute("drop table if exists accounts, entries, odd");
    shop.dsl.execute("drop domain if exists short");
    shop.dsl.execute("drop type if exists \"Mood of all\"");
  }

  private void fill() {
    DSLContext writer = DSL.using(measured(), SQLDialect.POSTGRES);
    shop.dsl.execute("create table accounts (id int primary key, balance int not null)");
    writer.execute("create table entries (id int primary key, account_id int, amount int)");
    writer.execute("insert into accounts select g, 20 from generate_series(1, ?) g", ACCOUNTS);
    writer.execute(
        "insert into entries select g, (g + 1) / 2, 10 from generate_series(1, ?) g", 2 * ACCOUNTS);
    writer.execute("create index on entries (account_id)");
    writer.execute("update accounts set balance = 19 where id % ? = 500", ACCOUNTS / WRONG);
    writer.execute("vacuum analyze accounts");
    writer.execute("vacuum analyze entries");
  }

  private static Declarations rules(String query, List<? extends Field<?>> key, String... tables) {
    return Declarations.of(
        "1",
        Invariant.noRows(
            "offenders",
            DSL.selectFrom(DSL.table("(" + query + ") as q")),
            key,
            Arrays.stream(tables).map(each -> table(name(each))).toList()));
  }

  private static PGSimpleDataSource measured() {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl() + "&ApplicationName=measured");
    return database;
  }

  /** A session tells what it read when it ends, at the latest. */
  private long buffers() {
    Awaitility.await()
        .atMost(Duration.ofMinutes(1))
        .until(
            () ->
                shop.count(
                        "select count(*) from pg_stat_activity where application_name = 'measured'")
                    == 0);
    return Long.parseLong(
        String.valueOf(
            shop.dsl.fetchValue(
                "select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))"
                    + " from pg_statio_user_tables where relname in ('accounts', 'entries')")));
  }

  private static void balance(Tx tx, Finding finding) {
    tx.dsl()
        .update(table(name("accounts")))
        .set(field(name("balance"), SQLDataType.INTEGER), 20)
        .where(finding.rowIs(ID))
        .execute();
  }

  @ParameterizedTest
  @CsvSource({"plain, true", "grouped, true", "window of the key, true", "window of all, false"})
  void repairOfAQuerysFinding_readsWhatItsKeyAsksFor_whereTheServerCan(
      String kind, boolean restricted) {
    fill();
    String query =
        switch (kind) {
          case "plain" -> PLAIN;
          case "grouped" -> GROUPED;
          case "window of the key" -> WINDOW_OF_THE_KEY;
          default -> WINDOW_OF_ALL;
        };
    Declarations rules = rules(query, List.of(ID), "accounts", "entries");
    Transactions measured = Transactions.of(measured());
    Checker.builder(measured, rules).build().run();
    long start = buffers();
    DSL.using(measured(), SQLDialect.POSTGRES).fetch(query);
    long whole = buffers() - start;
    OfDeclaration report =
        Repairs.builder(measured, rules)
            .policy("offenders", RepairPolicy.custom(QueryRepairsPostgresTest::balance))
            .build()
            .run()
            .declarations()
            .get(0);
    long read = buffers() - start - whole;
    System.out.printf(
        "%s: the query reads %d buffers, a repair %.1f%n", kind, whole, 1.0 * read / WRONG);
    assertThat(report.repaired()).as("%s", report).isEqualTo(WRONG);
    if (restricted) {
      assertThat(read / WRONG).as("of %d", whole).isLessThan(whole / 4).isLessThan(60);
    } else {
      assertThat(read / WRONG).as("after each repair").isGreaterThanOrEqualTo(whole);
    }
  }

  /**
   * What cannot be compared is found by its text, as always; what can, has not to be spelled so.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "bigint: 9007199254740993",
        "smallint: -3",
        "numeric: 1.50",
        "numeric: NaN",
        "numeric(5,1): 1.0",
        "boolean: true",
        "uuid: 00000000-0000-0000-0000-00000000000a",
        "text: it's \"é\", \\ and %",
        "text: ",
        "varchar(3): abc",
        "character(5): ab ",
        "date: 2024-02-29",
        "date: infinity",
        "timestamp: 2024-02-29 12:00:00.123456",
        "timestamptz: 2024-07-01 12:00:00.5+02",
        "timestamptz: -infinity",
        "\"Mood of all\": O'K",
        "short: ab",
        "float8: 0.1",
        "interval: 1 day",
        "json: {\"a\": 1}",
        "bytea: \\x00ff",
        "point: (1,2)",
        "int[]: {1,2}",
        "int: null"
      })
  void keysOfEveryType_areFoundAgain(String keyed) {
    String type = keyed.substring(0, keyed.indexOf(':'));
    String value = keyed.substring(keyed.indexOf(':') + 2);
    shop.dsl.execute("create domain short as varchar(3)");
    shop.dsl.execute("create type \"Mood of all\" as enum ('O''K', 'bad')");
    shop.dsl.execute("create table odd (k " + type + ", n int, broken boolean)");
    shop.dsl.execute(
        "insert into odd values (cast(nullif(?, 'null') as " + type + "), 7, true)", value);
    Declarations rules =
        rules(
            "select k, n from odd where broken",
            List.of(field(name("k")), field(name("n"))),
            "odd");
    Checker.builder(shop.transactions, rules).build().run();
    RepairReport report =
        Repairs.builder(shop.transactions, rules)
            .policy(
                "offenders",
                RepairPolicy.custom(
                    (tx, finding) -> tx.dsl().execute("update odd set broken = false")))
            .build()
            .run();
    assertThat(report.declarations().get(0).repaired()).as("%s", report).isEqualTo(1);
  }

  /** A key that the server will not compare is found as a text. */
  @Test
  void keyWithoutACollation_isFoundAgain() {
    shop.dsl.execute(
        "create table odd (a text collate \"C\", b text collate \"POSIX\", broken boolean)");
    shop.dsl.execute("insert into odd values ('x', 'y', true)");
    Declarations rules =
        rules("select a || b as k from odd where broken", List.of(field(name("k"))), "odd");
    Checker.builder(shop.transactions, rules).build().run();
    Repairs repairs =
        Repairs.builder(shop.transactions, rules)
            .policy(
                "offenders",
                RepairPolicy.custom(
                    (tx, finding) -> tx.dsl().execute("update odd set broken = false")))
            .build();
    assertThat(repairs.dryRun().declarations().get(0).repaired()).isEqualTo(1);
    assertThat(repairs.run().declarations().get(0).repaired()).isEqualTo(1);
  }
}
