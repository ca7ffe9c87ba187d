package dev.pgbelay.reconcile.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.BetweenTransactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.testing.PostgresExtension;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tables that change between two repairs: the next one is right, or fails and says so. */
class AlteredWhileRepairedTest {
  private static final String LOCKS_FINDING = "state = 'CONFIRMED' FOR NO KEY UPDATE";
  private static final Declarations RULES =
      Declarations.of(
          "1",
          Reference.builder("parcel-owner")
              .child(table(name("parcel")), field(name("parcel", "owner_id"), SQLDataType.BIGINT))
              .parent(table(name("owner")), field(name("owner", "id"), SQLDataType.BIGINT))
              .build());

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final BetweenTransactions database = new BetweenTransactions(postgres.dataSource());

  /** Parcels 11, 12 and 13 refer to nobody. */
  @BeforeEach
  void findings() {
    shop.dsl.execute("drop table if exists parcel, elsewhere, owner");
    shop.dsl.execute("create table owner (id bigint primary key)");
    shop.dsl.execute(
        "create table parcel (id bigint primary key, other bigint not null, owner_id bigint)");
    shop.dsl.execute("create index parcel_owner on parcel (owner_id)");
    shop.dsl.execute("insert into owner select generate_series(1, 10)");
    shop.dsl.execute("insert into parcel select g, -g, g from generate_series(1, 13) g");
    assertThat(check().open()).isEqualTo(3);
  }

  private DeclarationReport check() {
    return Checker.builder(shop.transactions, RULES).build().run("parcel-owner");
  }

  private RepairReport.OfDeclaration repair(RepairPolicy policy) {
    return Repairs.builder(Transactions.of(database), RULES)
        .policy("parcel-owner", policy)
        .build()
        .run()
        .declarations()
        .get(0);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          alter table parcel add column note text                         | 3 |
          alter table parcel drop column other                            | 3 |
          alter table parcel alter id type text                           | 3 |
          alter table parcel alter owner_id type integer                  | 3 |
          alter table parcel rename id to number                          | 3 |
          drop index parcel_owner                                         | 3 |
          alter table parcel alter owner_id type text                     | 1 | ERROR: operator does not exist
          alter table parcel rename owner_id to of_whom                   | 1 | owner_id
          alter table owner rename id to number                           | 1 | id
          alter table parcel rename to elsewhere                          | 1 | parcel
          drop table parcel                                               | 1 | parcel
          drop table owner                                                | 1 | owner
          alter table parcel drop constraint parcel_pkey                  | 1 | primary key
          alter table parcel drop constraint parcel_pkey, add primary key (other, id) | 1 | primary key
          """)
  void tableAlteredBetweenTwoRepairs_theNextIsRight_orFailsAndSaysWhy(
      String ddl, int repaired, String why) {
    database.after(1, LOCKS_FINDING, () -> shop.dsl.execute(ddl));
    RepairReport.OfDeclaration report = repair(RepairPolicy.quarantine());
    assertThat(database.hasHappened()).isTrue();
    assertThat(report.repaired()).as("%s", report).isEqualTo(repaired);
    assertThat(report.failed()).as("%s", report).isEqualTo(3 - repaired);
    assertThat(
            shop.count("select count(*) from pgbelay.reconcile_finding where state = 'CONFIRMED'"))
        .isEqualTo(3 - repaired);
    if (why != null) {
      assertThat(report.failures()).allSatisfy(each -> assertThat(each).contains(why));
    }
    if (shop.dsl.fetchValue("select to_regclass('parcel')") != null) {
      assertThat(shop.count("select count(*) from parcel")).isEqualTo(13 - repaired);
    }
  }

  /** Its row is another one by now, though it is the only one. */
  @Test
  void withoutAPrimaryKey_noRowIsTakenForTheFindings() {
    shop.dsl.execute("delete from parcel where id <> 11");
    shop.dsl.execute("alter table parcel drop constraint parcel_pkey; update parcel set id = 77");
    RepairReport.OfDeclaration report = repair(RepairPolicy.delete());
    assertThat(report.repaired()).as("%s", report).isZero();
    assertThat(shop.count("select count(*) from parcel")).isEqualTo(1);
  }

  @Test
  void columnAddedBetweenARepairAndItsUndo_isAConflict_notAnotherRow() {
    RepairReport report =
        Repairs.builder(shop.transactions, RULES)
            .policy("parcel-owner", RepairPolicy.quarantine())
            .build()
            .run();
    shop.dsl.execute("alter table parcel add column note text");
    UndoLog.Undone undone = UndoLog.of(shop.transactions).undo(report.batch());
    assertThat(undone.restored()).isZero();
    assertThat(undone.conflicts())
        .hasSize(3)
        .allSatisfy(each -> assertThat(each).contains("other columns"));
    shop.dsl.execute("alter table parcel drop column note");
    assertThat(UndoLog.of(shop.transactions).undo(report.batch()).restored()).isEqualTo(3);
    assertThat(check().open()).isEqualTo(3);
  }
}
