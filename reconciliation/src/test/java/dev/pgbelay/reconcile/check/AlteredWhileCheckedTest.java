package dev.pgbelay.reconcile.check;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.BetweenTransactions;
import dev.pgbelay.reconcile.DeclarationException;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jooq.Field;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tables that change between two transactions of a run: it ends with what is true of them, or says
 * that it could not look.
 */
class AlteredWhileCheckedTest {
  private static final String SCANS = "FILTER (WHERE NOT pgbelay_scope)";
  private static final String BEGINS_TO_CONFIRM = "pg_prepared_xacts p ON";
  private static final int ROWS = 1_200;
  private static final Field<Long> PARCEL = field(name("parcel", "id"), SQLDataType.BIGINT);

  private static final Reference REFERENCE =
      Reference.builder("parcel-owner")
          .child(table(name("parcel")), field(name("parcel", "owner_id"), SQLDataType.BIGINT))
          .parent(table(name("owner")), field(name("owner", "id"), SQLDataType.BIGINT))
          .build();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final BetweenTransactions database = new BetweenTransactions(postgres.dataSource());

  /** Parcels 3, 150 and 1100 refer to nobody. */
  @BeforeEach
  void tables() {
    shop.dsl.execute("drop table if exists parcel, parcel_low, parcel_high, elsewhere, owner");
    shop.dsl.execute("create table owner (id bigint primary key, name text)");
    shop.dsl.execute(
        "create table parcel (id bigint primary key, other bigint not null, owner_id bigint) partition by range (id)");
    shop.dsl.execute("create table parcel_low partition of parcel for values from (0) to (1000)");
    shop.dsl.execute(
        "create table parcel_high partition of parcel for values from (1000) to (9999)");
    shop.dsl.execute("create index parcel_owner on parcel (owner_id)");
    fill();
  }

  private void fill() {
    shop.dsl.execute("insert into owner select generate_series(1, ?)", ROWS);
    shop.dsl.execute("insert into parcel select g, -g, g from generate_series(1, ?) g", ROWS);
    shop.dsl.execute("delete from owner where id in (3, 150, 1100)");
    shop.dsl.execute("analyze parcel");
  }

  /** Not partitioned, since a key of partitions cannot be changed. */
  private void plainTables() {
    shop.dsl.execute("drop table parcel, owner");
    shop.dsl.execute("create table owner (id bigint primary key, name text)");
    shop.dsl.execute(
        "create table parcel (id bigint primary key, other bigint not null, owner_id bigint)");
    shop.dsl.execute("create index parcel_owner on parcel (owner_id)");
    fill();
  }

  private Checker.Builder checker() {
    return Checker.builder(Transactions.of(database), Declarations.of("1", REFERENCE))
        .throttle(List.of())
        .rangeRows(100, 100, 100);
  }

  private List<String> confirmed() {
    return shop.dsl
        .fetch("select row_key ->> 0 from pgbelay.reconcile_finding where state = 'CONFIRMED'")
        .getValues(0, String.class);
  }

  /** What is altered, and which findings are true then; none where it cannot go on. */
  static Stream<Arguments> alterations() {
    Object[][] each = {
      {"alter table parcel add column note text", "3,150,1100"},
      {"alter table parcel drop column other", "3,150,1100"},
      {"alter table parcel alter owner_id type text", ""},
      {"alter table parcel alter owner_id type integer", "3,150,1100"},
      {"alter table owner alter id type text", ""},
      {"alter table parcel rename owner_id to of_whom", ""},
      {"alter table parcel rename id to number", ""},
      {"alter table owner rename id to number", ""},
      {"alter table parcel rename to elsewhere", ""},
      {"alter table owner rename to elsewhere", ""},
      {"drop table parcel", ""},
      {"drop table owner", ""},
      {"drop index parcel_owner", "3,150,1100"},
      {"alter table parcel drop constraint parcel_pkey", "3,150,1100"},
      {"alter table parcel detach partition parcel_high", "3,150"},
      {"alter table parcel detach partition parcel_low", "1100"},
    };
    return Stream.of(SCANS, BEGINS_TO_CONFIRM)
        .flatMap(moment -> Arrays.stream(each).map(one -> Arguments.of(moment, one[0], one[1])));
  }

  @ParameterizedTest
  @MethodSource("alterations")
  void tableAlteredBetweenTwoTransactions_isAnErrorOrTheTruth(
      String moment, String ddl, String truth) {
    database.after(moment.equals(SCANS) ? 3 : 1, moment, () -> shop.dsl.execute(ddl));
    DeclarationReport report = checker().build().run("parcel-owner");
    assertThat(database.hasHappened()).isTrue();
    if (truth.isEmpty()) {
      assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
      assertThat(report.reason()).hasValueSatisfying(why -> assertThat(why).contains("ERROR:"));
      assertThat(confirmed()).isEmpty();
    } else {
      assertThat(report.outcome()).as("%s", report).isEqualTo(FINDINGS);
      assertThat(confirmed()).containsExactlyInAnyOrder(truth.split(","));
    }
  }

  /** The run is gone on with by another call, which knows the table as it is now. */
  @ParameterizedTest
  @MethodSource("alterationsBetweenCalls")
  void tableAlteredBetweenTwoCalls_isRefusedOrTheTruth(String ddl, String truth) {
    plainTables();
    DeclarationReport begun = checker().maxRows(200).build().run("parcel-owner");
    assertThat(begun.outcome()).as("%s", begun).isEqualTo(INCOMPLETE);
    shop.dsl.execute(ddl);
    DeclarationReport report;
    try {
      report = checker().build().run("parcel-owner");
      for (int again = 0; again < 2 && report.outcome() == INCOMPLETE; again++) {
        assertThat(report.reason())
            .hasValueSatisfying(why -> assertThat(why).contains("begins anew"));
        report = checker().build().run("parcel-owner");
      }
    } catch (DeclarationException e) {
      assertThat(truth).as("%s", e.getMessage()).isEmpty();
      return;
    }
    assertThat(truth).as("%s", report).isNotEmpty();
    assertThat(report.outcome()).as("%s", report).isEqualTo(FINDINGS);
    assertThat(confirmed()).containsExactlyInAnyOrder(truth.split(","));
    assertThat(report.rowsChecked()).isEqualTo(ROWS);
  }

  static Stream<Arguments> alterationsBetweenCalls() {
    return Stream.of(
        Arguments.of("alter table parcel add column note text", "3,150,1100"),
        Arguments.of("alter table parcel alter id type text", "3,150,1100"),
        Arguments.of("alter table parcel alter id type numeric(20, 2)", "3.00,150.00,1100.00"),
        Arguments.of("alter table parcel rename id to number", "3,150,1100"),
        Arguments.of(
            "alter table parcel drop constraint parcel_pkey, add primary key (other)",
            "-3,-150,-1100"),
        Arguments.of(
            "alter table parcel drop constraint parcel_pkey, add primary key (other, id)",
            "-3,-150,-1100"),
        Arguments.of("alter table parcel drop constraint parcel_pkey", ""),
        Arguments.of("alter table parcel rename owner_id to of_whom", ""),
        Arguments.of("drop table owner", ""),
        Arguments.of("drop index parcel_owner", ""));
  }

  @Test
  void queryOfAnInvariantWhoseTableGoes_isNoCleanRun() {
    database.after(1, BEGINS_TO_CONFIRM, () -> shop.dsl.execute("drop table parcel cascade"));
    Invariant noThree =
        Invariant.noRows(
            "no-three",
            select(PARCEL).from(table(name("parcel"))).where("id = 3"),
            List.of(PARCEL),
            List.of(table(name("parcel"))));
    DeclarationReport report =
        Checker.builder(Transactions.of(database), Declarations.of("1", noThree))
            .throttle(List.of())
            .build()
            .run("no-three");
    assertThat(report.outcome()).as("%s", report).isEqualTo(INCOMPLETE);
  }
}
