package dev.pgbelay.reconcile.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.jooq.Field;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a locked guard holds when it asks for many parents at once. */
class GuardLocksPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @SuppressWarnings("ImmutableEnumChecker") // its lists are copies
  enum Key {
    ONE_COLUMN(List.of("n"), List.of(List.of(3), List.of(1), List.of(2))),
    TWO_COLUMNS(
        List.of("tenant", "code"), List.of(List.of(2, "a"), List.of(1, "a"), List.of(1, "b")));

    private final List<String> columns;
    private final List<List<Object>> keys;

    Key(List<String> columns, List<? extends List<?>> keys) {
      this.columns = List.copyOf(columns);
      this.keys = keys.stream().map(List::<Object>copyOf).toList();
    }

    ParentGuard guard(boolean living) {
      Field<?>[] parent =
          columns.stream().map(each -> field(DSL.name(each))).toArray(Field<?>[]::new);
      return ParentGuard.locked(
          Reference.builder("locks")
              .child(table(DSL.name("children")), parent)
              .parent(table(DSL.name("parents")), parent)
              .parentWhere(
                  living
                      ? field(DSL.name("parents", "gone"), Boolean.class).isFalse()
                      : DSL.noCondition())
              .build());
    }
  }

  @BeforeEach
  void parents() {
    shop.dsl.execute("drop table if exists parents");
    shop.dsl.execute(
        "create table parents (n int unique, tenant int, code text, gone boolean not null default false,"
            + " primary key (tenant, code))");
    shop.dsl.execute(
        "insert into parents values (4, 2, 'b'), (3, 2, 'a'), (2, 1, 'b'), (1, 1, 'a')");
  }

  /** Parents that nobody has locked against this. */
  private List<Integer> free(String strength) {
    return shop.dsl
        .fetch("select n from parents order by n for " + strength + " skip locked")
        .getValues(0, Integer.class);
  }

  @ParameterizedTest
  @EnumSource
  void manyParents_areAllLockedUntilTheCommit_andNoOther(Key key) {
    shop.transactions.execute(
        tx -> {
          key.guard(false).checkAll(tx, key.keys);
          assertThat(free("update")).containsExactly(4);
          assertThat(free("no key update")).as("writes go on").containsExactly(1, 2, 3, 4);
        });
    shop.transactions.execute(
        tx -> {
          key.guard(true).checkAll(tx, key.keys);
          assertThat(free("no key update")).as("a soft delete must wait").containsExactly(4);
        });
    assertThat(free("update")).containsExactly(1, 2, 3, 4);
  }

  @ParameterizedTest
  @EnumSource
  void manyParents_areLockedInTheOrderOfTheKey_howeverTheyAreAskedFor(Key key) throws Exception {
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session child = script.session("child");
      holder.run(c -> DSL.using(c).execute("select from parents where n = 3 for update"));
      // An index would hand them out in its order by itself.
      child.run(
          c ->
              DSL.using(c)
                  .execute("set local enable_indexscan = off; set local enable_bitmapscan = off"));
      Interleaving.Step<Boolean> step =
          child.start(
              "guard",
              c -> {
                key.guard(false).checkAll(Tx.join(c), key.keys);
                return true;
              });
      step.awaitBlockedBy(holder);
      assertThat(free("update")).as("1 and 2 are locked, 3 is waited for").containsExactly(4);
      holder.rollback();
      assertThat(step.get()).isTrue();
      child.rollback();
    }
  }
}
