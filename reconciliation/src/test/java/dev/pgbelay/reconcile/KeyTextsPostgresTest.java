package dev.pgbelay.reconcile;

import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.FINDINGS;
import static dev.pgbelay.reconcile.check.DeclarationReport.Outcome.INCOMPLETE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.PassingDataSource;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Drain;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A row is the same row for every session, however it writes and reads values. */
class KeyTextsPostgresTest {
  private static final String[] SESSIONS = {
    "set timezone = 'Europe/Berlin'; set bytea_output = escape; set intervalstyle = sql_standard;"
        + " set extra_float_digits = 0; set datestyle = 'ISO, DMY'",
    "set timezone = 'America/New_York'; set bytea_output = hex; set intervalstyle = iso_8601;"
        + " set extra_float_digits = 3; set datestyle = 'ISO, MDY'",
    "set timezone = 'Asia/Kathmandu'; set bytea_output = escape; set intervalstyle = postgres_verbose;"
        + " set extra_float_digits = -5; set datestyle = 'ISO, YMD'"
  };

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final Declarations orphans =
      Declarations.of("1", reference("keyed-owner").build(), reference("keyed-self").build());

  static Stream<Arguments> types() {
    return Stream.of(
        Arguments.of("bytea", "'\\xdeadbeef'", "'\\x5c0027'", "'\\x'"),
        Arguments.of(
            "interval", "'-1 day -02:03:04.5'", "'1 mon -3 days 04:05:06.789'", "'-3 years'"),
        Arguments.of(
            "timestamptz",
            "'2026-03-29 01:30:00.123456+00'",
            "'infinity'",
            "'0044-03-15 12:00:00+00 BC'"),
        Arguments.of(
            "timestamp", "'2026-04-03 01:30:00.123456'", "'-infinity'", "'0044-03-15 12:00:00 BC'"),
        Arguments.of("date", "'2026-04-03'", "'infinity'", "'0044-03-15 BC'"),
        Arguments.of("timetz", "'12:00:00+02'", "'00:00:00.000001-11'", "'24:00:00+00'"),
        Arguments.of("numeric", "1.50", "-0.000000000000000000001", "'NaN'"),
        Arguments.of(
            "float8", "cast(0.1 as float8) + 0.2", "'2.2250738585072014e-308'", "'-Infinity'"),
        Arguments.of("float4", "'0.1'::float4 + '0.7'::float4", "'3.4028235e38'", "'NaN'"),
        Arguments.of(
            "uuid",
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
        Arguments.of(
            "text",
            "E'a\"\\\\b\\'\\n,{}()\\t[null]'",
            "''",
            "E'\\u00fc\\u2028\\U0001F600 \\u0001 {0} ? :x'"));
  }

  private static Reference.Builder reference(String name) {
    return name.equals("keyed-owner")
        ? Reference.builder(name)
            .child(table(name("keyed")), field(name("owner_id")))
            .parent(table(name("owner")), field(name("id")))
        : Reference.builder(name)
            .child(table(name("keyed")), field(name("above")))
            .parent(table(name("above")), field(name("k")));
  }

  private static Transactions session(int one) {
    PGSimpleDataSource simple = new PGSimpleDataSource();
    simple.setUrl(postgres.jdbcUrl());
    return Transactions.of(
        new PassingDataSource(simple) {
          @Override
          protected Connection passed(Connection connection) throws SQLException {
            try (Statement statement = connection.createStatement()) {
              statement.execute(SESSIONS[one]);
            }
            return connection;
          }
        });
  }

  /** Three rows; each refers to an owner that is not there, and to a row above that is not. */
  private void keyed(String type, List<String> values) {
    shop.dsl.execute("create table owner (id bigint primary key)");
    shop.dsl.execute("create table above (k " + type + " primary key)");
    shop.dsl.execute(
        "create table keyed (k %s primary key, owner_id bigint, above %s)".formatted(type, type));
    shop.dsl.execute("create index on keyed (owner_id); create index on keyed (above)");
    for (String value : values) {
      statement(
          "insert into keyed select v, 99, v from (select cast(%s as %s)) as t(v)"
              .formatted(value, type));
    }
    assertThat(shop.count("select count(*) from keyed")).isEqualTo(3);
  }

  /** Not for jOOQ, which reads what is between braces. */
  private static void statement(String sql) {
    try (Connection connection = postgres.dataSource().getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    } catch (SQLException e) {
      throw new IllegalStateException(sql, e);
    }
  }

  @AfterEach
  void drop() {
    shop.dsl.execute("drop table if exists keyed, owner, above");
  }

  private List<DeclarationReport> check(int session) {
    return Checker.builder(session(session), orphans).build().run().declarations();
  }

  private String rows() {
    return shop.dsl
        .fetch("select encode(convert_to(x::text, 'UTF8'), 'hex') from keyed x order by k")
        .toString();
  }

  @ParameterizedTest
  @MethodSource("types")
  void sameRow_isTheSameFindingForEverySession_andResolvedWhenItGoes(
      String type, String one, String two, String three) {
    keyed(type, List.of(one, two, three));
    assertThat(check(0)).extracting(DeclarationReport::confirmed).containsExactly(3L, 3L);
    for (int session = 1; session < SESSIONS.length; session++) {
      assertThat(check(session))
          .as("session %d", session)
          .allSatisfy(
              report -> {
                assertThat(report.outcome()).isEqualTo(FINDINGS);
                assertThat(report.open()).isEqualTo(3);
                assertThat(report.resolved()).isZero();
                assertThat(report.confirmed()).isZero();
              });
    }
    assertThat(shop.count("select count(*) from pgbelay.reconcile_finding")).isEqualTo(6);
    statement("delete from keyed where k = cast(%s as %s)".formatted(two, type));
    statement(
        "insert into above select k from keyed where k = cast(%s as %s)".formatted(one, type));
    List<DeclarationReport> gone = check(0);
    assertThat(gone).extracting(DeclarationReport::resolved).containsExactly(1L, 2L);
    assertThat(gone).extracting(DeclarationReport::open).containsExactly(2L, 1L);
  }

  @ParameterizedTest
  @MethodSource("types")
  void runThatAnotherSessionGoesOnWith_isWholeAllTheSame(
      String type, String one, String two, String three) {
    keyed(type, List.of(one, two, three));
    for (int call = 0; call < 2; call++) {
      DeclarationReport begun =
          Checker.builder(session(call), orphans)
              .rangeRows(1, 1, 1)
              .maxRows(1)
              .build()
              .run("keyed-owner");
      assertThat(begun.outcome()).as("%s", begun).isEqualTo(INCOMPLETE);
    }
    DeclarationReport whole = Checker.builder(session(2), orphans).build().run("keyed-owner");
    assertThat(whole.outcome()).as("%s", whole).isEqualTo(FINDINGS);
    assertThat(whole.rowsChecked()).isEqualTo(3);
    assertThat(whole.open()).isEqualTo(3);
  }

  @ParameterizedTest
  @MethodSource("types")
  void whatOneSessionRepairs_anotherOneUndoes(String type, String one, String two, String three) {
    keyed(type, List.of(one, two, three));
    String before = rows();
    check(0);
    int session = 0;
    for (RepairPolicy policy :
        List.of(RepairPolicy.quarantine(), RepairPolicy.setNull(), RepairPolicy.delete())) {
      RepairReport report =
          Repairs.builder(session(session), orphans).policy("keyed-owner", policy).build().run();
      assertThat(report.declarations().get(0).repaired()).as("%s", report).isEqualTo(3);
      session = (session + 1) % SESSIONS.length;
      assertThat(UndoLog.of(session(session)).undo(report.batch()).conflicts()).isEmpty();
      assertThat(rows()).as("%s", policy.action()).isEqualTo(before);
    }
    RepairReport nulls =
        Repairs.builder(session(2), orphans)
            .policy("keyed-self", RepairPolicy.setNull())
            .build()
            .run();
    assertThat(nulls.declarations().get(1).repaired()).as("%s", nulls).isEqualTo(3);
    assertThat(UndoLog.of(session(0)).undo(nulls.batch()).conflicts()).isEmpty();
    assertThat(rows()).isEqualTo(before);
  }

  @ParameterizedTest
  @MethodSource("types")
  void parentDeletedInOneSession_takesItsChildrenInAnother_andAThirdPutsThemBack(
      String type, String one, String two, String three) {
    keyed(type, List.of(one, two, three));
    shop.dsl.execute("insert into above select k from keyed");
    String before = rows();
    Declarations cascade =
        Declarations.of("1", reference("keyed-self").onDelete(OnDelete.cascade()).build());
    DeleteCapture.of(shop.transactions, cascade).install();
    try {
      session(0).execute(tx -> tx.dsl().execute("delete from above"));
      List<UUID> batches =
          shop.dsl.fetch("select batch from pgbelay.reconcile_deleted").getValues(0, UUID.class);
      for (int pass = 0; pass < 6; pass++) {
        Propagation.builder(session(pass % SESSIONS.length), cascade).chunk(1).build().runOnce();
      }
      Drain.within(30, Propagation.builder(session(1), cascade).chunk(1).build());
      assertThat(shop.count("select count(*) from keyed")).isZero();
      for (UUID batch : batches) {
        assertThat(UndoLog.of(session(2)).undo(batch).conflicts()).isEmpty();
      }
      assertThat(rows()).isEqualTo(before);
    } finally {
      DeleteCapture.of(shop.transactions, cascade).uninstall();
    }
  }
}
