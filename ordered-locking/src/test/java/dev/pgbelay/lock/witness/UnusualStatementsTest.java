package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.batch;
import static dev.pgbelay.lock.witness.Scripted.run;
import static dev.pgbelay.lock.witness.Scripted.sql;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.lock.witness.LockFinding.Kind;
import dev.pgbelay.lock.witness.Scripted.Script;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rarer ways to lock in two orders, and what looks like them and is right. */
class UnusualStatementsTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(UnusualSchema.TABLES);

  private static final String ACCOUNT = "update account set balance = balance + 1 where id = 1";
  private static final String STOCK = "update stock set quantity = quantity + 1 where id = 1";
  private static final Script STOCK_FIRST = sql(STOCK, ACCOUNT);
  private static final Script PARENT_FIRST =
      sql("select 1 from account where id = 1 for update", STOCK);

  /** What is run, and what must be said of it; without classes nothing. */
  record Case(String name, Kind kind, List<String> classes, List<Script> scripts) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Case order(String name, String first, String second, Script... scripts) {
    return new Case(name, Kind.ORDER, List.of(first, second), List.of(scripts));
  }

  private static Case both(String name, Script... scripts) {
    return order(name, "account", "stock", scripts);
  }

  private static Case within(String name, Kind kind, String lockClass, Script... scripts) {
    return new Case(name, kind, List.of(lockClass), List.of(scripts));
  }

  private static Case correct(String name, Script... scripts) {
    return new Case(name, Kind.ORDER, List.of(), List.of(scripts));
  }

  private static void texts(Connection connection, String... statements) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      for (String each : statements) {
        statement.addBatch(each);
      }
      statement.executeBatch();
    }
  }

  static Stream<Case> inversions() {
    return Stream.of(
        both(
            "insert straight into a partition, whose foreign key is its root's",
            PARENT_FIRST,
            sql(STOCK, "insert into reading_1(id, region, account_id) values (9, 1, 1)")),
        order(
            "delete straight from a partition, whose children point to its root",
            "site",
            "visit",
            sql("delete from site_1 where id = 2 and region = 1"),
            sql(
                "update visit set region = region where id = 2",
                "select 1 from site where id = 2 and region = 1 for update")),
        order(
            "truncate that cascades",
            "customer",
            "order_line",
            sql("truncate customer cascade"),
            sql(
                "update order_line set quantity = 2 where order_id = 1 and position = 1",
                "select 1 from customer for share")),
        order(
            "quoted names",
            "Quoted Table",
            "stock",
            sql("update \"Quoted Table\" set \"N\" = 5 where id = 1", STOCK),
            sql(STOCK, "delete from public.\"Quoted Table\" q where q.id = 1")),
        both(
            "names with a schema, and names found by the search path",
            sql("update public.account set balance = 1 where id = 1", STOCK),
            sql("update only public.stock set quantity = 1 where id = 1", ACCOUNT)),
        order(
            "a table whose name begins like the server's own",
            "pg_like",
            "stock",
            sql("update pg_like set n = 1 where id = 1", STOCK),
            sql(STOCK, "update pg_like set n = 1 where id = 1")),
        both("several statements in one text", sql(ACCOUNT + "; " + STOCK), STOCK_FIRST),
        both("a batch of different texts", c -> texts(c, ACCOUNT, STOCK), STOCK_FIRST),
        both(
            "merge that inserts a child",
            PARENT_FIRST,
            sql(
                STOCK,
                "merge into ledger l using (values (1)) v(id) on l.id = -v.id"
                    + " when not matched then insert (account_id) values (v.id)")),
        both(
            "a write in WITH that nobody reads, which runs last",
            sql(
                "with a as (update account set balance = 1 where id = 1)"
                    + " update stock set quantity = 1 where id = 1"),
            sql(ACCOUNT, STOCK)),
        both(
            "tables of one locking clause, in the order of OF",
            sql("select 1 from account a, stock s where a.id = 1 and s.id = 1 for update of s, a"),
            sql(ACCOUNT, STOCK)),
        order(
            "session's advisory lock, got by trying",
            "advisory (7, …)",
            "account",
            c -> {
              run(c, "select pg_try_advisory_lock(7, 1)");
              c.commit();
              run(c, ACCOUNT);
              c.rollback();
              run(c, "select pg_advisory_unlock_all()");
            },
            sql(ACCOUNT, "select pg_advisory_xact_lock(7, 1)")),
        both(
            "savepoint of a name that is set again",
            sql("savepoint s", ACCOUNT, "savepoint s", "rollback to s", STOCK),
            STOCK_FIRST),
        both(
            "table locked SHARE, against a write of a row that was locked before",
            sql("select 1 from stock where id = 1 for update", ACCOUNT, STOCK),
            sql("lock table stock in share mode", ACCOUNT)),
        within(
            "table lock that others share, then an insert",
            Kind.UPGRADE,
            "stock",
            sql("lock table stock in share mode", "insert into stock(id) values (99)")),
        within(
            "rows of one table in an update that joins",
            Kind.ROW_ORDER,
            "account",
            c -> {
              String join =
                  "update account a set balance = 1 from stock s where a.id = ? and s.id = 1";
              run(c, join, 10L);
              run(c, join, 9L);
            }),
        within(
            "one table twice in a locking clause",
            Kind.ROW_ORDER,
            "account",
            sql(
                "select 1 from account a, account b where a.id = 2 and b.id = 1 for update of a, b")),
        within(
            "a composite key in brackets",
            Kind.ROW_ORDER,
            "order_line",
            sql(
                "delete from order_line where (order_id = 2 and (position = 1))",
                "delete from order_line where (order_id = 1 and (position = 1))")),
        both(
            "a row inserted without naming columns, then another one",
            sql("insert into account values (901)", ACCOUNT, STOCK),
            STOCK_FIRST),
        both(
            "a child inserted without naming columns",
            sql("insert into ledger overriding system value values (901, 1, 5)", STOCK),
            sql(STOCK, "select 1 from account where id = 1 for update")),
        within(
            "parents deleted in descending order by a batch, with their children",
            Kind.ROW_ORDER,
            "orders",
            c -> batch(c, "delete from orders where id = ?", 5L, 4L)));
  }

  static Stream<Case> lookAlikes() {
    return Stream.of(
        correct(
            "parents deleted in ascending order by a batch, with their children",
            c -> batch(c, "delete from orders where id = ?", 4L, 5L, 6L)),
        correct(
            "a shared lock made stronger behind an exclusive one",
            sql(
                "select pg_advisory_xact_lock(99)",
                "select 1 from account where id = 1 for share",
                ACCOUNT)),
        correct(
            "rows in descending order behind an exclusive lock",
            sql(
                "lock table price in exclusive mode",
                "update account set balance = 1 where id = 2",
                ACCOUNT)),
        correct(
            "a key that is excluded",
            c -> {
              String others = "update account a set balance = 1 where a.id < 3 and not a.id = ?";
              run(c, others, 20L);
              run(c, others, 5L);
            }),
        correct(
            "savepoint of a name that is set again, released and rolled back to",
            sql(
                "savepoint s",
                ACCOUNT,
                "savepoint s",
                "release s",
                "rollback to s",
                STOCK,
                ACCOUNT),
            STOCK_FIRST),
        correct(
            "a locking WITH that nobody reads, which is not run",
            sql(STOCK, "with a as (select 1 from account for update) select 1"),
            sql(ACCOUNT, STOCK)),
        correct(
            "a partition's rows and its root's in ascending order",
            sql(
                "update event_1 set n = 1 where id = 1 and region = 1",
                "update event set n = 1 where id = 2 and region = 1",
                "update event_1 set n = 1 where region = 1 and id = 3")),
        correct(
            "on conflict on a parent, against its children",
            sql("insert into ledger(account_id) values (1)", STOCK),
            sql(STOCK, "insert into account(id) values (1) on conflict do nothing"),
            sql(
                STOCK,
                "insert into account(id) values (1) on conflict (id) do update set balance = 7")),
        correct(
            "a tree that points to itself",
            sql(
                "insert into tree values (5, 1)",
                "insert into tree values (6, 5)",
                "insert into tree values (7, 1)")),
        correct(
            "session's advisory lock that was given back",
            c -> {
              run(c, "select pg_advisory_lock(8, 1)");
              run(c, "select pg_advisory_unlock(8, 1)");
              run(c, ACCOUNT);
            },
            sql(ACCOUNT, "select pg_advisory_xact_lock(8, 1)")),
        correct(
            "copy that reads",
            sql(ACCOUNT, STOCK),
            sql(STOCK, "copy (select 1 from account) to program 'cat > /dev/null'")),
        correct(
            "tables of one locking clause, in the order of OF",
            sql("select 1 from account a, stock s where a.id = 1 and s.id = 1 for update of s, a"),
            STOCK_FIRST),
        correct(
            "row locked, then written",
            sql("select 1 from stock where id = 1 for update", ACCOUNT, STOCK),
            sql(STOCK, ACCOUNT)),
        correct(
            "a truncate and its cascade, twice",
            sql("truncate customer cascade"),
            sql("truncate customer cascade")),
        correct(
            "rows of one table in an update that joins, in ascending order",
            c -> {
              String join =
                  "update account a set balance = 1 from stock s where a.id = ? and s.id = 1";
              run(c, join, 9L);
              run(c, join, 10L);
            }),
        correct(
            "deferred foreign key, given back by a savepoint",
            c -> {
              Savepoint savepoint = c.setSavepoint();
              run(c, "insert into invoice values (1, 1)");
              c.rollback(savepoint);
              run(c, STOCK);
              c.commit();
            },
            PARENT_FIRST),
        correct(
            "a temporary table, used and then emptied",
            sql(
                "create temp table mine on commit drop as select 1 as id",
                "truncate mine",
                ACCOUNT),
            sql(
                "create local temporary table if not exists mine(id int) on commit drop",
                ACCOUNT,
                "truncate mine",
                "insert into mine values (1)")),
        correct(
            "a temporary table that hides another one",
            sql(
                "create temporary table stock(id int) on commit drop",
                "update stock set id = 1",
                ACCOUNT),
            sql(ACCOUNT, STOCK)),
        correct(
            "a batch of different texts in the one order",
            c -> texts(c, STOCK, ACCOUNT),
            STOCK_FIRST));
  }

  @ParameterizedTest
  @MethodSource("inversions")
  void codeThatCanDeadlock_isFoundInOneThread(Case seeded) throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      Scripted.play(witness.observe(postgres.dataSource()), seeded.scripts());
      assertThat(witness.findings())
          .singleElement()
          .satisfies(
              finding -> {
                assertThat(finding.kind()).isEqualTo(seeded.kind());
                assertThat(finding.classes()).containsExactlyInAnyOrderElementsOf(seeded.classes());
              });
    }
  }

  @ParameterizedTest
  @MethodSource("lookAlikes")
  void correctCode_isNotReported(Case correct) throws Exception {
    try (LockWitness witness = LockWitness.builder().build()) {
      Scripted.play(witness.observe(postgres.dataSource()), correct.scripts());
      assertThat(witness.findings()).isEmpty();
    }
  }

  /** What the two cases above rest on: a lock that is not there yet while another is waited for. */
  @Test
  void server_runsWritesThatNobodyReadsLast_andLocksInTheOrderOfOf() throws Exception {
    assertThat(
            isAccountFreeWhileStockIsWaitedFor(
                "with a as (update account set balance = 1 where id = 1)"
                    + " update stock set quantity = 1 where id = 1"))
        .isTrue();
    assertThat(
            isAccountFreeWhileStockIsWaitedFor(
                "with a as (update account set balance = 1 where id = 1 returning id)"
                    + " update stock set quantity = 1 from a where stock.id = a.id"))
        .isFalse();
    String join = "select 1 from account a, stock s where a.id = 1 and s.id = 1 for update";
    assertThat(isAccountFreeWhileStockIsWaitedFor(join + " of s, a")).isTrue();
    assertThat(isAccountFreeWhileStockIsWaitedFor(join)).isFalse();
  }

  private static boolean isAccountFreeWhileStockIsWaitedFor(String statement) throws Exception {
    try (Interleaving sessions = Interleaving.of(postgres.dataSource());
        Connection third = postgres.dataSource().getConnection()) {
      Interleaving.Session holder = sessions.session("holder");
      holder.run(c -> run(c, STOCK));
      Interleaving.Session asking = sessions.session("asking");
      Interleaving.Step<Boolean> step =
          asking.start(
              "asks for both",
              c -> {
                run(c, statement);
                return true;
              });
      step.awaitBlockedBy(holder);
      boolean free;
      try (Statement probe = third.createStatement();
          ResultSet row =
              probe.executeQuery("select 1 from account where id = 1 for update skip locked")) {
        free = row.next();
      }
      holder.rollback();
      step.get();
      asking.rollback();
      return free;
    }
  }
}
