package dev.pgbelay.reconcile.guard;

import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMER_ID;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER_REFERENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.LongStream;
import org.jooq.Condition;
import org.jooq.SQLDialect;
import org.jooq.conf.MappedSchema;
import org.jooq.conf.MappedTable;
import org.jooq.conf.ParamType;
import org.jooq.conf.RenderMapping;
import org.jooq.conf.Settings;
import org.jooq.impl.DefaultConfiguration;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What guards send, for keys and conditions of all kinds. */
class GuardQuestionsPostgresTest {
  private static final SentStatements SENT = new SentStatements();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA).withObserver(SENT);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  enum Mode {
    EXISTS,
    LOCKED,
    CACHED;

    ParentGuard of(Reference reference) {
      return switch (this) {
        case EXISTS -> ParentGuard.exists(reference);
        case LOCKED -> ParentGuard.locked(reference);
        case CACHED -> ParentGuard.cached(reference, Duration.ofMinutes(10), 1_000);
      };
    }
  }

  private void check(ParentGuard guard, List<? extends List<?>> keys) {
    shop.transactions.execute(tx -> guard.checkAll(tx, keys));
  }

  private void assertMissing(
      ParentGuard guard, List<? extends List<?>> keys, List<? extends List<?>> missing) {
    assertThatThrownBy(() -> check(guard, keys))
        .isInstanceOfSatisfying(
            MissingParentsException.class,
            e ->
                assertThat(List.<Object>copyOf(e.missing()))
                    .isEqualTo(List.<Object>copyOf(missing)));
  }

  /** A type, its values in SQL that are there, and in Java: two that are, two that are not. */
  private record Kind(String type, String there, Object one, Object two, Object no, Object nor) {}

  @ParameterizedTest
  @EnumSource
  void keysOfEveryType_areFound_aloneAndTogether(Mode mode) {
    UUID some = new UUID(1, 2);
    UUID other = new UUID(3, 4);
    shop.dsl.execute("create schema if not exists \"Od\"\"d\"");
    shop.dsl.execute("drop type if exists \"Od\"\"d\".\"My Mood\", public.positive cascade");
    shop.dsl.execute(
        "create type \"Od\"\"d\".\"My Mood\" as enum ('so, so', 'NULL', 'bad', 'none')");
    shop.dsl.execute("create domain public.positive as bigint check (value > 0)");
    List<Kind> kinds =
        List.of(
            new Kind("bigint", "(1), (9223372036854775807)", 1L, Long.MAX_VALUE, 2, 3L),
            new Kind("integer", "(1), (2)", 1, 2L, 3, 4),
            new Kind("smallint", "(1), (2)", (short) 1, 2, 3, 4),
            new Kind(
                "numeric(8, 2)",
                "(1.50), (1000)",
                new BigDecimal("1.5"),
                new BigDecimal("1E+3"),
                2,
                "1.505"),
            new Kind(
                "uuid",
                "('%s'), ('%s')".formatted(some, other),
                some,
                other.toString(),
                new UUID(5, 6),
                new UUID(7, 8)),
            new Kind("text", "('a\"b\\,{}'), ('')", "a\"b\\,{}", "", "NULL", "A"),
            new Kind("varchar(3)", "('abc'), ('?')", "abc", "?", "abcd", "ab"),
            new Kind("char(3)", "('abc'), ('d')", "abc", "d", "e", "abcd"),
            new Kind(
                "date",
                "('2026-01-31'), ('0999-12-31')",
                LocalDate.of(2026, 1, 31),
                "0999-12-31",
                LocalDate.of(2026, 2, 1),
                "2026-02-02"),
            new Kind(
                "timestamptz",
                "('2026-01-31 12:00+00'), ('2026-02-28 23:59:59.123456+02')",
                OffsetDateTime.parse("2026-01-31T13:00+01:00"),
                OffsetDateTime.parse("2026-02-28T21:59:59.123456Z"),
                OffsetDateTime.parse("2026-01-31T13:00Z"),
                OffsetDateTime.parse("2026-01-31T14:00Z")),
            new Kind(
                "\"Od\"\"d\".\"My Mood\"", "('so, so'), ('NULL')", "so, so", "NULL", "bad", "none"),
            new Kind("positive", "(1), (2)", 1, 2L, 3, 4),
            new Kind("boolean", "(true)", true, "t", false, "f"));
    for (Kind kind : kinds) {
      shop.dsl.execute("drop table if exists \"Od\"\"d\".\"Pa rent?\" cascade");
      shop.dsl.execute(
          "create table \"Od\"\"d\".\"Pa rent?\" (\"Ke\"\"y\" " + kind.type() + " primary key)");
      shop.dsl.execute("insert into \"Od\"\"d\".\"Pa rent?\" values " + kind.there());
      ParentGuard guard =
          mode.of(
              Reference.builder("typed")
                  .child(ORDERS, ORDER_CUSTOMER)
                  .parent(table(name("Od\"d", "Pa rent?")), field(name("Ke\"y")))
                  .build());
      assertThatCode(() -> check(guard, List.of(List.of(kind.one()))))
          .as("%s", kind)
          .doesNotThrowAnyException();
      assertThatCode(() -> check(guard, List.of(List.of(kind.two()), List.of(kind.one()))))
          .as("%s", kind)
          .doesNotThrowAnyException();
      assertMissing(guard, List.of(List.of(kind.no())), List.of(List.of(kind.no())));
      assertMissing(
          guard,
          List.of(
              List.of(kind.one()), List.of(kind.no()), List.of(kind.two()), List.of(kind.nor())),
          List.of(List.of(kind.no()), List.of(kind.nor())));
      assertThatCode(() -> check(guard, List.of(List.of(kind.one()), List.of(kind.two()))))
          .as("%s", kind)
          .doesNotThrowAnyException();
    }
  }

  @SuppressWarnings("removal") // setting a parameter's value goes with the next major of jOOQ
  @ParameterizedTest
  @EnumSource
  void conditionsWithParameters_areBoundWithTheValuesThatTheyHaveByThen(Mode mode) {
    shop.customers(9);
    shop.dsl.execute("update customers set deleted_at = '2026-01-01 00:00+00' where id = 2");
    var limit = param("limit", SQLDataType.BIGINT);
    limit.setValue(5L);
    Condition plain =
        field(name("customers", "name"), SQLDataType.CLOB)
            .ne("it's? ; -- c3")
            .and(CUSTOMER_ID.le(limit));
    Condition typed =
        field(name("customers", "deleted_at"), SQLDataType.TIMESTAMPWITHTIMEZONE)
            .isDistinctFrom(OffsetDateTime.parse("2026-01-01T00:00Z"));
    Condition named = CUSTOMER_ID.le(limit).or(CUSTOMER_ID.lt(limit));
    for (Condition condition : List.of(plain, named)) {
      ParentGuard guard = mode.of(counting(condition));
      limit.setValue(5L);
      assertMissing(guard, List.of(List.of(7L)), List.of(List.of(7L)));
      assertMissing(guard, List.of(List.of(5L), List.of(6L), List.of(1L)), List.of(List.of(6L)));
      limit.setValue(7L);
      assertThatCode(() -> check(guard, List.of(List.of(7L)))).doesNotThrowAnyException();
      assertThatCode(() -> check(guard, List.of(List.of(6L), List.of(7L))))
          .doesNotThrowAnyException();
    }
    ParentGuard guard = mode.of(counting(typed));
    assertMissing(guard, List.of(List.of(2L)), List.of(List.of(2L)));
    assertMissing(guard, List.of(List.of(1L), List.of(2L)), List.of(List.of(2L)));
  }

  private static Reference counting(Condition condition) {
    return Reference.builder("counting")
        .child(ORDERS, ORDER_CUSTOMER)
        .parent(CUSTOMERS, CUSTOMER_ID)
        .parentWhere(condition)
        .build();
  }

  @ParameterizedTest
  @EnumSource
  void settingsOfAnotherTransactions_haveTheirOwnText(Mode mode) {
    shop.customers(3);
    shop.dsl.execute("create table if not exists other_customers (id bigint primary key)");
    shop.dsl.execute("insert into other_customers values (77), (78) on conflict do nothing");
    ParentGuard guard = mode.of(ORDER_CUSTOMER_REFERENCE);
    check(guard, List.of(List.of(1L)));
    Settings mapped =
        new Settings()
            .withRenderMapping(
                new RenderMapping()
                    .withSchemata(
                        new MappedSchema()
                            .withInput("")
                            .withTables(
                                new MappedTable()
                                    .withInput("customers")
                                    .withOutput("other_customers"))));
    Transactions others = with(mapped);
    others.execute(tx -> guard.checkAll(tx, List.of(List.of(77L), List.of(78L))));
    others.execute(tx -> guard.check(tx, 78L));
    Transactions inlined = with(new Settings().withParamType(ParamType.INLINED));
    inlined.execute(tx -> guard.checkAll(tx, List.of(List.of(1L), List.of(2L))));
    inlined.execute(tx -> guard.check(tx, 3L));
    assertMissing(guard, List.of(List.of(99L)), List.of(List.of(99L)));
  }

  private static Transactions with(Settings settings) {
    return Transactions.builder(postgres.dataSource())
        .configuration(new DefaultConfiguration().set(SQLDialect.POSTGRES).set(settings))
        .build();
  }

  @ParameterizedTest
  @EnumSource
  void eachCall_isOneStatement_andNoneReadsAllParents(Mode mode) {
    shop.customers(20_000);
    shop.dsl.execute("analyze customers");
    ParentGuard guard = mode.of(ORDER_CUSTOMER_REFERENCE);
    check(guard, List.of(List.of(1L)));
    shop.transactions.execute(
        tx -> {
          Object before = wholeReads(tx);
          for (int call = 0; call < 12; call++) {
            int from = 100 + call * 1_000;
            SENT.clear();
            guard.checkAll(tx, LongStream.range(from, from + 1_000).mapToObj(List::of).toList());
            assertThat(SENT.all()).hasSize(1);
            SENT.clear();
            guard.check(tx, 19_000L + call);
            assertThat(SENT.all()).hasSize(1);
          }
          assertThat(wholeReads(tx)).isEqualTo(before);
        });
  }

  private static Object wholeReads(Tx tx) {
    return Objects.requireNonNull(
        tx.dsl()
            .fetchValue(
                "select sum(seq_scan) from pg_stat_xact_user_tables where relname in ('customers', 'pairs')"));
  }

  @Test
  void manyKeysInAnotherSpelling_areAskedForEachTime_andTheOthersAreRemembered() {
    shop.customers(9);
    ParentGuard guard = Mode.CACHED.of(ORDER_CUSTOMER_REFERENCE);
    check(guard, List.of(List.of("01"), List.of("2"), List.of("03")));
    SENT.clear();
    check(guard, List.of(List.of("2"), List.of(2L)));
    assertThat(SENT.with("customers")).isEmpty();
    check(guard, List.of(List.of("01"), List.of("03")));
    assertThat(SENT.with("customers")).hasSize(1);
  }

  @Test
  void keysOfTwoColumns_neverReadAllParents() {
    shop.customers(20_000);
    shop.dsl.execute("drop table if exists pairs");
    shop.dsl.execute("create table pairs as select id % 7 as a, id as b from customers");
    shop.dsl.execute("alter table pairs add primary key (a, b)");
    shop.dsl.execute("analyze pairs");
    Reference reference =
        Reference.builder("pairs")
            .child(ORDERS, field(name("a")), field(name("b")))
            .parent(table(name("pairs")), field(name("a")), field(name("b")))
            .build();
    for (Mode mode : Mode.values()) {
      ParentGuard guard = mode.of(reference);
      shop.transactions.execute(
          tx -> {
            Object before = wholeReads(tx);
            for (int call = 0; call < 7; call++) {
              int from = 100 + call * 1_000;
              guard.checkAll(
                  tx,
                  LongStream.range(from, from + 1_000).mapToObj(n -> List.of(n % 7, n)).toList());
            }
            assertThat(wholeReads(tx)).as("%s", mode).isEqualTo(before);
          });
      assertMissing(
          guard,
          List.of(List.of(1L, 8L), List.of(1L, 9L), List.of(2L, 9L)),
          List.of(List.of(1L, 9L)));
    }
  }

  @Test
  void columnThatGotAnotherType_isAskedForByThat_afterTheFailure() {
    shop.dsl.execute("drop table if exists grown");
    shop.dsl.execute("create table grown (id integer primary key)");
    shop.dsl.execute("insert into grown values (1)");
    ParentGuard guard =
        ParentGuard.exists(
            Reference.builder("grown")
                .child(ORDERS, ORDER_CUSTOMER)
                .parent(table(name("grown")), field(name("id")))
                .build());
    check(guard, List.of(List.of(1L)));
    shop.dsl.execute("alter table grown alter id type bigint");
    shop.dsl.execute("insert into grown values (5000000000)");
    assertThatThrownBy(() -> check(guard, List.of(List.of(5_000_000_000L))))
        .hasMessageContaining("reference 'grown'");
    assertThatCode(() -> check(guard, List.of(List.of(5_000_000_000L)))).doesNotThrowAnyException();
  }
}
