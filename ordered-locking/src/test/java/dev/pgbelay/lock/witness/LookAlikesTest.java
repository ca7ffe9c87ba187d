package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.batch;
import static dev.pgbelay.lock.witness.Scripted.run;
import static dev.pgbelay.lock.witness.Scripted.sql;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.lock.witness.Scripted.Script;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Savepoint;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Code that resembles an inversion and cannot deadlock, or not for all that is known: no report.
 */
class LookAlikesTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(WitnessSchema.TABLES);

  private static final UUID LOW = UUID.fromString("7fffffff-0000-0000-0000-000000000000");
  private static final UUID HIGH = UUID.fromString("80000000-0000-0000-0000-000000000000");

  private static final String ACCOUNT = "update account set balance = balance + 1 where id = 1";
  private static final String STOCK = "update stock set quantity = quantity + 1 where id = 1";

  /** What is run without a report. */
  record Correct(String name, List<Script> scripts) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Correct correct(String name, Script... scripts) {
    return new Correct(name, List.of(scripts));
  }

  static Stream<Correct> lookAlikes() {
    return Stream.of(
        correct("one order, twice", sql(ACCOUNT, STOCK), sql(ACCOUNT, STOCK)),
        correct(
            "key share and a change of other columns do not wait for each other",
            sql(STOCK, "insert into ledger(account_id) values (1)"),
            sql(ACCOUNT, STOCK)),
        correct(
            "locks given back by a savepoint",
            c -> {
              Savepoint savepoint = c.setSavepoint("s");
              run(c, ACCOUNT);
              c.rollback(savepoint);
              run(c, STOCK);
              run(c, ACCOUNT);
            },
            sql(STOCK, ACCOUNT)),
        correct(
            "locks given back by a savepoint as SQL text",
            sql("savepoint a", "savepoint b", ACCOUNT, "rollback to savepoint a", STOCK, ACCOUNT),
            sql(STOCK, ACCOUNT)),
        correct(
            "skip locked never waits",
            sql(ACCOUNT, STOCK),
            sql(STOCK, "select 1 from account where id = 1 for update skip locked")),
        correct(
            "nowait never waits",
            sql(ACCOUNT, STOCK),
            sql(STOCK, "select 1 from account where id = 1 for update nowait")),
        correct(
            "try functions never wait",
            sql("select pg_advisory_xact_lock(1, 1)", ACCOUNT),
            sql(ACCOUNT, "select pg_try_advisory_xact_lock(1, 1)")),
        correct(
            "the same row again",
            sql(ACCOUNT, "update account set balance = 0 where id = 2", ACCOUNT)),
        correct(
            "the same row by another key",
            sql(
                "select id from account where email = 'owner1@example.org' for update",
                STOCK,
                ACCOUNT)),
        correct(
            "rows that a condition finds, then one of them",
            c -> {
              run(c, "select id from account where id in (?, ?) order by id for update", 1L, 2L);
              run(c, STOCK);
              run(c, "update account set balance = 1 where id = ?", 2L);
              run(c, "update account set balance = 1 where id = ?", 1L);
            }),
        correct(
            "only what stands after OF",
            sql("select 1 from account a join stock s on a.id = s.id for update of a", STOCK),
            sql(ACCOUNT, STOCK)),
        correct(
            "reading in another order",
            sql("select * from stock", ACCOUNT, "select * from stock where id = 1", STOCK),
            sql("select 1 from stock s, account a where s.id = a.id", ACCOUNT, STOCK)),
        correct(
            "an update that finds no row",
            sql("update stock set quantity = 1 where id = 4711", ACCOUNT),
            sql(ACCOUNT, STOCK)),
        correct(
            "rows that are new",
            sql(
                "insert into account(id) values (77)",
                "insert into ledger(account_id) values (77)",
                STOCK),
            sql(STOCK, "select 1 from account where id = 1 for update")),
        correct(
            "rows that are new, with keys that are not known",
            sql(
                "insert into account select max(id) + 1 from account",
                STOCK,
                "update account set balance = 1 where id = (select max(id) from account)",
                "insert into ledger(account_id) select max(id) from account"),
            sql("select 1 from stock where id = 1 for share")),
        correct(
            "plain inserts in both orders",
            sql("insert into price values (98)", "insert into code_c values ('x')"),
            sql("insert into code_c values ('y')", "insert into price values (97)")),
        correct(
            "uuids that go up for the server and down for Java",
            c -> {
              run(c, "select 1 from customer where id = ? for update", LOW);
              run(c, "select 1 from customer where id = ? for update", HIGH);
            }),
        correct(
            "texts that go up in their language and down by bytes",
            c -> {
              run(c, "update code_icu set n = 1 where code = ?", "a");
              run(c, "update code_icu set n = 1 where code = ?", "B");
            }),
        correct(
            "numbers that would go down as text",
            c -> {
              run(c, "update account set balance = 1 where id = ?", 9L);
              run(c, "update account set balance = 1 where id = ?", 10L);
              run(c, "delete from price where id = ?", new BigDecimal("9.5"));
              run(c, "delete from price where id = ?", new BigDecimal("10"));
            }),
        correct(
            "a sorted batch and a sorted upsert",
            c -> batch(c, "update account set balance = 1 where id = ?", 3L, 5L, 7L),
            sql(
                "insert into stock(item, id) values ('a', 2), ('b', 9), ('c', 11)"
                    + " on conflict (id) do nothing")),
        correct(
            "a composite key whose first column goes up",
            c -> {
              run(
                  c,
                  "select 1 from order_line where order_id = ? and position = ? for update",
                  1,
                  5);
              run(
                  c,
                  "select 1 from order_line where position = ? and order_id = ? for update",
                  1,
                  2);
            }),
        correct(
            "shared locks in both orders",
            sql("select 1 from account for share", "select 1 from stock for share"),
            sql("select 1 from stock for share", "select 1 from account for share")),
        correct(
            "shared locks with keys that go down",
            sql(
                "select 1 from account where id = 2 for share",
                "select 1 from account where id = 1 for share")),
        correct(
            "one advisory lock first, always",
            sql("select pg_advisory_xact_lock(99)", ACCOUNT, STOCK),
            sql("select pg_advisory_xact_lock(99)", STOCK, ACCOUNT)),
        correct(
            "one table locked as a whole first",
            sql("lock table price in exclusive mode", ACCOUNT, STOCK),
            sql("lock price in exclusive mode", STOCK, ACCOUNT)),
        correct(
            "one row that is always the same, first",
            sql("select 1 from price where id = 1 for update", ACCOUNT, STOCK),
            sql("select 1 from price where id = 1 for update", STOCK, ACCOUNT)),
        correct(
            "a temporary table",
            sql(
                "create temporary table t(id int) on commit drop",
                "insert into t values (1)",
                "update t set id = 2",
                ACCOUNT,
                "update t set id = 3")),
        correct(
            "a foreign key that is NULL",
            c -> {
              run(c, STOCK);
              run(c, "insert into ledger(account_id, amount) values (?, ?)", null, 5L);
            },
            sql("select 1 from account where id = 1 for update", STOCK)),
        correct(
            "a foreign key whose column is not given",
            sql(STOCK, "insert into ledger(amount) values (5)"),
            sql("select 1 from account where id = 1 for update", STOCK)),
        correct(
            "SQL in literals, comments and quoted names",
            sql(
                "update stock set item = 'x'' for update; update account set balance = 1' where id = 1",
                ACCOUNT),
            sql(
                "select /* for update */ 'for update', $$update account$$ as \"for update\" from account"
                    + " -- for update",
                STOCK,
                ACCOUNT)),
        correct(
            "a common table expression with a table's name",
            sql(ACCOUNT, STOCK),
            sql(STOCK, "with account as (select 1 as id) select * from account for update")),
        correct(
            "a child, then a column of its parent that is no key",
            c -> {
              run(c, "insert into ledger(account_id) values (?)", 1L);
              run(c, "update account set balance = balance + 1 where id = ?", 1L);
            }),
        correct(
            "two tables of one name in two schemas",
            sql("update side.stock set n = 1 where id = 1", STOCK),
            sql(STOCK, ACCOUNT),
            sql("update side.stock set n = 1 where id = 1", ACCOUNT)),
        correct(
            "a text that the server refuses",
            c -> {
              Savepoint savepoint = c.setSavepoint();
              try {
                run(c, "update account set no_such_column = 1 where id = 2");
              } catch (java.sql.SQLException expected) {
                c.rollback(savepoint);
              }
              run(c, STOCK);
              run(c, ACCOUNT);
            },
            sql(STOCK, ACCOUNT)));
  }

  @ParameterizedTest
  @MethodSource("lookAlikes")
  void correctCode_isNotReported(Correct correct) throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      Scripted.play(witness.observe(postgres.dataSource()), correct.scripts());
      assertThat(witness.findings()).isEmpty();
    }
  }

  @Test
  void atLeastTwentyLookAlikes_areTried() {
    assertThat(lookAlikes().map(Correct::name)).doesNotHaveDuplicates().hasSizeGreaterThan(20);
  }

  @Test
  void statementsOutsideOfTransactions_haveNoOrder() throws Exception {
    try (LockWitness witness = LockWitness.builder().build();
        Connection connection = witness.observe(postgres.dataSource()).getConnection()) {
      for (String statement : List.of(ACCOUNT, STOCK, ACCOUNT)) {
        run(connection, statement);
      }
      assertThat(witness.findings()).isEmpty();
    }
  }

  @Test
  void pairDeclaredBenign_isCountedAndNotReported() throws Exception {
    try (LockWitness witness =
        LockWitness.builder()
            .benign("stock", "account", "nightly and daily work never overlap")
            .build()) {
      DataSource observed = witness.observe(postgres.dataSource());
      Scripted.play(observed, List.of(sql(ACCOUNT, STOCK), sql(STOCK, ACCOUNT)));
      assertThat(witness.findings()).isEmpty();
    }
  }
}
