package dev.pgbelay.lock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.lock.LockRefusedException.Reason;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.conf.MappedSchema;
import org.jooq.conf.RenderMapping;
import org.jooq.conf.Settings;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tables that are more than rows under one index: policies, heirs, partitions, odd equality. */
class LockUnusualTablesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private final DSLContext dsl = LockFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final String role = "lock_role_" + new Random().nextInt(1_000_000_000);

  private static LockClass rows(String tableName, String... columns) {
    return LockClass.rows(
        table(name(tableName)),
        java.util.Arrays.stream(columns)
            .map(column -> field(name(column), SQLDataType.INTEGER))
            .toArray(org.jooq.Field<?>[]::new));
  }

  private static LockOrder orderOf(LockClass lockClass) {
    return LockOrder.builder().rank(1, lockClass).build();
  }

  private void refused(LockClass lockClass, Resource resource, Reason reason) {
    assertThatThrownBy(() -> transactions.run(tx -> orderOf(lockClass).acquire(tx, resource)))
        .isInstanceOfSatisfying(
            LockRefusedException.class, e -> assertThat(e.reason()).isEqualTo(reason));
  }

  @Test
  void rowThatAPolicyLetsReadButNotUpdate_isSaidToBeSo() {
    dsl.execute(
        "create table guarded (id int primary key, owner text);"
            + " insert into guarded values (1, 'me'), (2, 'you'), (3, 'hidden');"
            + " alter table guarded enable row level security;"
            + " create policy may_read on guarded for select using (owner <> 'hidden');"
            + " create policy may_write on guarded for update using (owner = 'me');"
            + " create role "
            + role
            + "; grant all on guarded to "
            + role);
    LockClass guarded = rows("guarded", "id");
    try {
      LockOptions report = LockFixture.PATIENT.missing(LockOptions.Missing.REPORT);
      transactions.execute(
          tx -> {
            tx.dsl().execute("set local role " + role);
            Acquired acquired =
                orderOf(guarded).acquire(tx, report, List.of(guarded.row(1), guarded.row(3)));
            assertThat(acquired.locked()).containsExactly(guarded.row(1));
            assertThat(acquired.missing()).containsExactly(guarded.row(3));
          });
      assertThatThrownBy(
              () ->
                  transactions.execute(
                      tx -> {
                        tx.dsl().execute("set local role " + role);
                        orderOf(guarded).acquire(tx, guarded.row(1), guarded.row(2));
                      }))
          .isInstanceOfSatisfying(
              TransactionException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.MISUSE))
          .hasMessageContaining("guarded (2)")
          .hasMessageContaining("policy for updates");
    } finally {
      dsl.execute("drop table guarded; drop role " + role);
    }
  }

  @Test
  void keyThatWentToAnotherRowUnderPolicies_isStillRunAgain() throws Exception {
    dsl.execute(
        "create table moving (id int primary key, v int);"
            + " insert into moving values (1, 1), (2, 2);"
            + " alter table moving enable row level security;"
            + " alter table moving force row level security;"
            + " create policy everything on moving using (true);"
            + " create role "
            + role
            + "; grant all on moving to "
            + role);
    LockClass moving = rows("moving", "id");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session waiter = script.session("waiter");
      writer.run(
          c ->
              c.createStatement()
                  .execute(
                      "update moving set id = 3 where id = 1; update moving set id = 1 where id = 2"));
      var acquire =
          waiter.start(
              "acquire",
              c -> {
                c.createStatement().execute("set local role " + role);
                return orderOf(moving).acquire(Tx.join(c), moving.row(1));
              });
      acquire.awaitBlockedBy(writer);
      writer.commit();
      assertThatThrownBy(acquire::get)
          .hasStackTraceContaining("is another row")
          .hasStackTraceContaining("run the transaction again");
      waiter.rollback();
    } finally {
      dsl.execute("drop table moving; drop role " + role);
    }
  }

  @Test
  void tableWithHeirs_isRefusedBecauseOneKeyCanBeSeveralRows() {
    dsl.execute(
        "create table parent (id int primary key); create table heir () inherits (parent);"
            + " insert into parent values (1); insert into heir values (1)");
    LockClass parent = rows("parent", "id");
    refused(parent, parent.row(1), Reason.KEY_NOT_UNIQUE);
    dsl.execute("drop table heir, parent");
  }

  @Test
  void indexThatTellsApartWhatTheColumnTakesForEqual_doesNotMakeAKey() {
    dsl.execute(
        "create table apart (id text collate loose); create unique index on apart (id collate \"C\");"
            + " insert into apart values ('ada'), ('ADA')");
    LockClass apart = LockClass.rows(table(name("apart")), field(name("id"), SQLDataType.CLOB));
    refused(apart, apart.row("ada"), Reason.KEY_NOT_UNIQUE);
    dsl.execute(
        "truncate apart; create unique index on apart (id); insert into apart values ('ada')");
    assertThat(transactions.run(tx -> orderOf(apart).acquire(tx, apart.row("ADA"))).isComplete())
        .isTrue();
    dsl.execute("drop table apart");
  }

  @Test
  void uniqueIndexOfAnotherOperatorClass_countsOnlyIfItsEqualityIsTheColumns() {
    dsl.execute(
        "create operator class exact_ops for type citext using btree as"
            + " operator 1 < (text, text), operator 2 <= (text, text), operator 3 = (text, text),"
            + " operator 4 >= (text, text), operator 5 > (text, text),"
            + " function 1 (citext, citext) bttextcmp(text, text);"
            + " create table exact (id citext not null);"
            + " create unique index on exact (id exact_ops);"
            + " insert into exact values ('Ada'), ('ada');"
            + " create table pattern (id text not null);"
            + " create unique index on pattern (id text_pattern_ops);"
            + " insert into pattern values ('ada')");
    LockClass exact = LockClass.rows(table(name("exact")), field(name("id"), String.class));
    refused(exact, exact.row("ada"), Reason.KEY_NOT_UNIQUE);
    LockClass pattern = LockClass.rows(table(name("pattern")), field(name("id"), String.class));
    assertThat(transactions.run(tx -> orderOf(pattern).acquire(tx, pattern.row("ada"))).locked())
        .hasSize(1);
    dsl.execute("drop table exact, pattern; drop operator class exact_ops using btree");
  }

  @Test
  void paddedCharacters_areFoundAndLockedOnce() {
    dsl.execute(
        "create table padded (code char(5), n int, primary key (code, n));"
            + " insert into padded values ('ab', 1), ('abc', 1)");
    LockClass padded =
        LockClass.rows(
            table(name("padded")),
            field(name("code"), SQLDataType.CHAR),
            field(name("n"), SQLDataType.INTEGER));
    Acquired acquired =
        transactions.run(
            tx ->
                orderOf(padded)
                    .acquire(
                        tx,
                        LockFixture.PATIENT.returningRows(),
                        List.of(padded.row("ab", 1), padded.row("ab   ", 1))));
    assertThat(acquired.locked()).hasSize(2);
    assertThat(acquired.rows(padded)).hasSize(1);
    dsl.execute("drop table padded");
  }

  @Test
  void numbersOfAnotherScale_areTheSameRowToALaterAcquire() {
    dsl.execute("truncate by_numeric; insert into by_numeric values (1.00), (2.5)");
    LockClass numeric = LockFixture.by("numeric", BigDecimal.class);
    LockOrder order = LockOrder.builder().rank(1, numeric).build();
    transactions.execute(
        tx -> {
          order.acquire(tx, numeric.row(new BigDecimal("2.50")));
          assertThat(order.acquire(tx, numeric.row(new BigDecimal("2.5"))).locked()).hasSize(1);
          assertThatThrownBy(() -> order.acquire(tx, numeric.row(new BigDecimal("1.0"))))
              .isInstanceOfSatisfying(
                  LockRefusedException.class,
                  e -> assertThat(e.reason()).isEqualTo(Reason.DOWN_THE_ORDER));
        });
  }

  @Test
  void partitions_areLockedInKeyOrderAcrossThem() throws Exception {
    dsl.execute(
        "truncate spread; insert into spread select i, 1 + i % 2 from generate_series(1, 20) i");
    LockClass spread = rows("spread", "id", "region");
    LockOrder order = orderOf(spread);
    List<Resource> all =
        IntStream.rangeClosed(1, 20).mapToObj(i -> spread.row(i, 1 + i % 2)).toList();
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session waiter = script.session("waiter");
      holder.run(c -> order.acquire(Tx.join(c), all.get(9)));
      var acquire = waiter.start("acquire", c -> order.acquire(Tx.join(c), all));
      acquire.awaitBlockedBy(holder);
      Acquired free =
          transactions.run(tx -> order.acquire(tx, LockOptions.defaults().skipLocked(), all));
      assertThat(free.locked()).containsExactlyElementsOf(all.subList(10, 20));
      holder.rollback();
      assertThat(acquire.get().locked()).hasSize(20);
      waiter.rollback();
    }
  }

  @Test
  void schemasMappedByTenant_areTablesOfTheirOwn() {
    dsl.execute(
        "create schema tenant_a; create schema tenant_b;"
            + " create table tenant_a.item (id int primary key);"
            + " create table tenant_b.item (id int primary key);"
            + " insert into tenant_a.item values (1); insert into tenant_b.item values (1), (2)");
    LockClass item =
        LockClass.rows(table(name("tenant", "item")), field(name("id"), SQLDataType.INTEGER));
    LockOrder order = orderOf(item);
    for (String tenant : List.of("tenant_a", "tenant_b", "tenant_a")) {
      Settings settings =
          new Settings()
              .withRenderMapping(
                  new RenderMapping()
                      .withSchemata(new MappedSchema().withInput("tenant").withOutput(tenant)));
      LockOptions report = LockFixture.PATIENT.missing(LockOptions.Missing.REPORT);
      DSL.using(postgres.dataSource(), SQLDialect.POSTGRES, settings)
          .transaction(
              nested ->
                  assertThat(
                          order
                              .acquire(Tx.join(nested.dsl()), report, List.of(item.row(2)))
                              .missing())
                      .hasSize(tenant.equals("tenant_a") ? 1 : 0));
    }
    dsl.execute("drop schema tenant_a cascade; drop schema tenant_b cascade");
  }

  @Test
  void oneTableUnderTwoNames_isRefusedAtItsFirstUse() {
    LockClass plain = LockClass.rows("plain", table(name("account")), LockFixture.ACCOUNT_ID);
    LockClass qualified =
        LockClass.rows("qualified", table(name("public", "account")), LockFixture.ACCOUNT_ID);
    LockOrder order = LockOrder.builder().rank(1, plain).rank(2, qualified).build();
    transactions.execute(tx -> order.acquire(tx, plain.row(1L)));
    assertThatThrownBy(() -> transactions.run(tx -> order.acquire(tx, qualified.row(1L))))
        .isInstanceOfSatisfying(
            LockRefusedException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.DUPLICATE_CLASS));
    LockClass root = rows("spread", "id", "region");
    LockClass part = rows("spread_1", "id", "region");
    LockOrder both = LockOrder.builder().rank(1, root).rank(2, part).build();
    dsl.execute("truncate spread; insert into spread values (1, 1)");
    transactions.execute(tx -> both.acquire(tx, root.row(1, 1)));
    assertThatThrownBy(() -> transactions.run(tx -> both.acquire(tx, part.row(1, 1))))
        .hasMessageContaining("'spread'");
  }

  @Test
  void alias_isRefusedAtOnce() {
    assertThatThrownBy(() -> LockClass.rows(table(name("account")).as("a"), LockFixture.ACCOUNT_ID))
        .hasMessageContaining("alias");
  }

  @Test
  void lockOnTheWholeTable_isWaitedForNoLongerThanOnARow() throws Exception {
    LockOrder order = LockFixture.order().build();
    transactions.execute(tx -> order.acquire(tx, LockFixture.ACCOUNTS.row(1L)));
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session altering = script.session("altering");
      altering.run(c -> c.createStatement().execute("lock table account in access exclusive mode"));
      for (LockOptions how :
          List.of(
              LockOptions.defaults().waitAtMost(Duration.ofMillis(200)),
              LockOptions.defaults().waitAtMost(Duration.ofMillis(200)).noWait(),
              LockOptions.defaults().waitAtMost(Duration.ofMillis(200)).skipLocked())) {
        CompletableFuture<Acquired> acquire =
            CompletableFuture.supplyAsync(
                () ->
                    transactions.run(
                        tx -> order.acquire(tx, how, List.of(LockFixture.ACCOUNTS.row(1L)))));
        assertThatThrownBy(() -> acquire.get(60, TimeUnit.SECONDS))
            .hasCauseInstanceOf(LockNotAvailableException.class)
            .hasMessageContaining(how.policy() == LockOptions.Policy.NO_WAIT ? "held" : "PT0.2S");
      }
    }
  }
}
