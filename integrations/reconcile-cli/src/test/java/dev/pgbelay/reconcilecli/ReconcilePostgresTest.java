package dev.pgbelay.reconcilecli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pgbelay.reconcilecli.CommandProcess.Ended;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The commands, in processes of their own. */
class ReconcilePostgresTest {
  private static final String SECRET = "open-sesame-4711";

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopTables.SCHEMA);

  @TempDir Path directory;
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);

  @BeforeEach
  void fill() {
    ShopTables.fill(dsl);
  }

  private CommandProcess commands() throws Exception {
    return commands(Map.of("PGBELAY_JDBC_URL", postgres.jdbcUrl())).register(ShopSource.class);
  }

  private CommandProcess commands(Map<String, String> environment) {
    return new CommandProcess(directory, environment);
  }

  private static void assertCode(Ended ended, int code) {
    assertThat(ended.exitCode()).as(ended.out() + ended.err()).isEqualTo(code);
  }

  @Test
  void soundData_is0_asText() throws Exception {
    Ended ended = commands().run("check");
    assertCode(ended, 0);
    assertThat(ended.out())
        .contains("CLEAN: declarations of version 7")
        .contains("order-status, full: 100 rows checked")
        .contains("EXCLUDED      public.orders.tracking_id text (of the parcel service)");
  }

  @Test
  void findings_are1_areRepaired_andPutBack() throws Exception {
    dsl.execute("delete from customers where id in (7, 8)");
    String before = rows();
    Ended check = commands().run("check", "--json");
    assertCode(check, 1);
    JsonNode report = check.json();
    assertThat(report.get("format").asText()).isEqualTo("pgbelay.reconcile.check/1");
    assertThat(report.get("verdict").asText()).isEqualTo("FINDINGS");
    assertThat(report.get("version").asText()).isEqualTo("7");
    assertThat(report.at("/declarations/0/declaration").asText()).isEqualTo("order-customer");
    assertThat(report.at("/declarations/0/outcome").asText()).isEqualTo("FINDINGS");
    assertThat(report.at("/declarations/0/rowsChecked").asInt()).isEqualTo(100);
    assertThat(report.at("/declarations/0/confirmed").asInt()).isEqualTo(2);
    assertThat(report.at("/declarations/0/open").asInt()).isEqualTo(2);
    assertThat(report.at("/declarations/0/reason").isNull()).isTrue();
    assertThat(report.at("/declarations/1/outcome").asText()).isEqualTo("CLEAN");
    assertThat(report.at("/coverage/verdict").asText()).isEqualTo("CLEAN");

    Ended findings = commands().run("findings", "--json", "--declaration", "order-customer");
    assertCode(findings, 1);
    assertThat(findings.json().at("/findings/0/rowKey").toString()).isEqualTo("[\"7\"]");
    assertThat(findings.json().at("/findings/1/evidence/customer_id").asText()).isEqualTo("8");
    assertCode(commands().run("findings", "--state", "resolved"), 0);

    Ended dry = commands().run("repair", "--dry-run");
    assertCode(dry, 1);
    assertThat(dry.out()).contains("nothing was changed").contains("order-customer by QUARANTINE");
    assertThat(rows()).isEqualTo(before);

    Ended low = commands().run("repair", "--apply", "--ceiling", "1");
    assertCode(low, 1);
    assertThat(low.out()).contains("ABOVE_CEILING order-customer");
    assertThat(rows()).isEqualTo(before);

    Ended repair = commands().run("repair", "--apply", "--json");
    assertCode(repair, 0);
    assertThat(repair.json().at("/declarations/0/repaired").asInt()).isEqualTo(2);
    assertThat(dsl.fetchCount(DSL.table("orders"))).isEqualTo(98);
    String batch = repair.json().get("batch").asText();

    Ended undo = commands().run("undo", batch, "--json");
    assertCode(undo, 0);
    assertThat(undo.json().get("restored").asInt()).isEqualTo(2);
    assertThat(rows()).isEqualTo(before);
    Ended again = commands().run("undo", batch);
    assertCode(again, 3);
    assertThat(again.err()).contains("nothing of batch " + batch);
  }

  private String rows() {
    return String.valueOf(
        dsl.fetchValue("select string_agg(o::text, ';' order by id) from orders o"));
  }

  @Test
  void candidatesThatSomebodyMayYetMend_are2_andHeIsNamed() throws Exception {
    dsl.execute("update orders set status = 'x' where id = 5");
    try (Connection busy = postgres.dataSource().getConnection();
        Statement statement = busy.createStatement()) {
      busy.setAutoCommit(false);
      statement.execute("update orders set status = 'paid' where id = 5");
      Ended ended =
          commands()
              .run("check", "--json", "--declaration", "order-status", "--confirm-within", "PT0S");
      busy.rollback();
      assertCode(ended, 2);
      JsonNode one = ended.json().at("/declarations/0");
      assertThat(ended.json().get("declarations")).hasSize(1);
      assertThat(ended.json().get("verdict").asText()).isEqualTo("INCOMPLETE");
      assertThat(one.get("unsettled").asInt()).isEqualTo(1);
      assertThat(one.get("reason").asText()).contains("could not be confirmed");
      assertThat(one.at("/blockers/0/pid").isInt()).isTrue();
    }
    assertCode(commands().run("check"), 1);
  }

  @Test
  void checkThatIsOutOfRows_is2_andTheNextOneGoesOnBehindIt() throws Exception {
    String[] check = {"check", "--json", "--declaration", "order-customer", "--max-rows", "60"};
    Ended first = commands().run(check);
    assertCode(first, 2);
    assertThat(first.json().at("/declarations/0/rowsChecked").asInt()).isEqualTo(60);
    assertThat(first.json().at("/declarations/0/rowsNotReached").asInt())
        .as("of as many as the planner estimates")
        .isPositive();
    Ended second = commands().run(check);
    assertCode(second, 0);
    assertThat(second.json().at("/declarations/0/rowsChecked").asInt()).isEqualTo(100);
  }

  @Test
  void moreCandidatesThanAreKept_areOneFinding_andNotCounted() throws Exception {
    dsl.execute("update orders set status = 'x' where id <= 5");
    Ended ended =
        commands().run("check", "--json", "--declaration", "order-status", "--max-candidates", "3");
    assertCode(ended, 1);
    assertThat(ended.json().at("/declarations/0/outcome").asText()).isEqualTo("INCOMPLETE");
    assertThat(ended.json().at("/declarations/0/notKept").asInt()).isEqualTo(2);
  }

  @Test
  void incrementalChecks_lookAtWhatHasChanged_andAtEveryRowWhenThatIsDue() throws Exception {
    assertThat(modeOf("--incremental", "P1D")).isEqualTo("FULL");
    dsl.execute("update orders set changed_at = now() - interval '1 day'");
    dsl.execute("update orders set status = 'x', changed_at = now() where id = 7");
    Ended changed = status("--incremental", "P1D", "--overlap", "PT0S");
    assertCode(changed, 1);
    assertThat(changed.json().at("/declarations/0/mode").asText()).isEqualTo("INCREMENTAL");
    assertThat(changed.json().at("/declarations/0/rowsChecked").asInt()).isEqualTo(1);
    dsl.execute("update orders set status = 'paid'");
    assertThat(modeOf("--incremental", "PT0.001S")).isEqualTo("FULL");
    assertThat(modeOf("--incremental", "P1D")).isEqualTo("INCREMENTAL");
    dsl.execute(
        "update orders set status = 'x', changed_at = now() - interval '30 minutes' where id = 9");
    assertThat(modeOf("--incremental", "P1D")).isEqualTo("INCREMENTAL");
    assertCode(status("--incremental", "P1D", "--overlap", "PT1H"), 1);
    dsl.execute("update orders set status = 'paid'");
    assertThat(modeOf()).isEqualTo("FULL");
  }

  private String modeOf(String... options) throws Exception {
    Ended ended = status(options);
    assertCode(ended, 0);
    return ended.json().at("/declarations/0/mode").asText();
  }

  private Ended status(String... options) throws Exception {
    List<String> arguments =
        new ArrayList<>(List.of("check", "--json", "--declaration", "order-status"));
    arguments.addAll(List.of(options));
    return commands().run(arguments.toArray(String[]::new));
  }

  @Test
  void checkWhoseTablesAreMissing_is2_andSaysWhatToInstall() throws Exception {
    Ended ended = commands().run("check", "--schema", "nowhere");
    assertCode(ended, 2);
    assertThat(ended.out()).contains("install it with SchemaInstaller, module \"reconcile\"");
  }

  @Test
  void columnsWithoutAnything_are1ForCoverage_and0ForCheck() throws Exception {
    dsl.execute("alter table customers add column region_id int");
    try {
      Ended coverage = commands().run("coverage", "--in-schema", "public");
      assertCode(coverage, 1);
      assertThat(coverage.out()).contains("UNDECLARED    public.customers.region_id integer");
      Ended check = commands().run("check", "--json");
      assertCode(check, 0);
      assertThat(check.json().at("/coverage/counts/UNDECLARED").asInt()).isEqualTo(1);
    } finally {
      dsl.execute("alter table customers drop column region_id");
    }
  }

  @Test
  void whatCannotBeRun_is3_andSaysWhy() throws Exception {
    assertRefused(
        commands().run("check", "--declarations", "no.Such"), "no.Such is not on the class path");
    assertRefused(
        commands().run("check", "--declarations", "java.lang.Object"), "is not a dev.pgbelay");
    assertRefused(
        commands().run("check", "--declarations", ShopSource.Broken.class.getName()),
        "For input string: \"none\"");
  }

  @Test
  void wrongArguments_are64_andSayWhichOne() throws Exception {
    assertMisused(commands().run(), "Missing required subcommand");
    assertMisused(commands().run("chekc"), "check");
    assertMisused(commands().run("repair"), "--dry-run");
    assertMisused(commands().run("repair", "--dry-run", "--apply"), "mutually exclusive");
    assertMisused(commands().run("repair", "--apply", "--ceiling", "0"), "ceiling must be between");
    assertMisused(commands().run("undo", "12"), "BATCH");
    assertMisused(commands().run("check", "--scan-within", "soon"), "--scan-within");
    assertMisused(commands().run("check", "--scan-within", "PT0S"), "scanWithin must be between");
    assertMisused(commands().run("check", "--max-rows", "0"), "maxRows must be between");
    assertMisused(
        commands().run("check", "--max-rows-per-second", "0"), "maxRowsPerSecond must be between");
    assertMisused(commands().run("check", "--incremental", "PT0S"), "incremental must be between");
    assertMisused(commands().run("check", "--declaration", "x"), "no declaration 'x'");
    assertMisused(commands().run("findings", "--most", "0"), "--most must be between");
  }

  @Test
  void secretInAnArgument_isNotEchoed() throws Exception {
    for (String[] arguments :
        new String[][] {
          {"check", "--password", SECRET},
          {"check", "--password=" + SECRET},
          {"check", "-p" + SECRET},
          {"check", "jdbc:postgresql://localhost/shop?password=" + SECRET},
          {SECRET, "check"}
        }) {
      Ended ended = commands().run(arguments);
      assertMisused(ended, "an argument is not understood");
      assertThat(ended.err()).doesNotContain(SECRET);
    }
  }

  @Test
  void sourceThatIsNotTheOnlyOne_isRefused() throws Exception {
    Map<String, String> environment = Map.of("PGBELAY_JDBC_URL", postgres.jdbcUrl());
    assertRefused(commands(environment).run("coverage"), "no class is registered");
    CommandProcess two = commands(environment).register(ShopSource.class, OtherSource.class);
    assertRefused(two.run("coverage"), "OtherSource] are registered");
    assertCode(two.run("coverage", "--declarations", ShopSource.class.getName()), 0);
  }

  /** Another one. */
  public static final class OtherSource implements DeclarationsSource {
    public OtherSource() {}

    @Override
    public dev.pgbelay.reconcile.Declarations declarations() {
      return new ShopSource().declarations();
    }
  }

  @Test
  void databaseThatCannotBeOpened_is3_andItsPasswordIsToldToNobody() throws Exception {
    assertRefused(
        commands(Map.of()).register(ShopSource.class).run("check"), "PGBELAY_JDBC_URL is not set");
    for (String url :
        new String[] {
          "postgresql://shop:" + SECRET + "@localhost/shop",
          "jdbc:postgresql://localhost:port/shop?password=" + SECRET,
          "jdbc:postgresql://localhost:1/shop?user=shop&password=" + SECRET
        }) {
      Ended ended = commands(secrets(Map.of("PGBELAY_JDBC_URL", url))).run("check");
      assertCode(ended, 3);
      assertThat(ended.out() + ended.err()).as(url).doesNotContain(SECRET);
      Ended replica =
          commands(
                  Map.of(
                      "PGBELAY_JDBC_URL",
                      postgres.jdbcUrl(),
                      "PGBELAY_REPLICA_JDBC_URL",
                      url,
                      "PGBELAY_REPLICA_JDBC_USER",
                      "shop",
                      "PGBELAY_REPLICA_JDBC_PASSWORD",
                      SECRET))
              .run("check", "--scan-on-replica");
      assertRefused(replica, "PGBELAY_REPLICA_JDBC_URL");
      assertThat(replica.err()).as(url).doesNotContain(SECRET);
    }
  }

  /** The most talkative logging there is, in a check that runs to its end. */
  @Test
  void passwordIsNotLogged_andNotShownAmongTheDatabasesSessions() throws Exception {
    dsl.execute("create role told login superuser password '" + SECRET + "'");
    try {
      Ended ended =
          commands(
                  secrets(
                      Map.of(
                          "PGBELAY_JDBC_URL",
                          postgres.jdbcUrl().replaceAll("[?&](user|password)=[^&]*", ""),
                          "PGBELAY_JDBC_USER",
                          "told",
                          "JAVA_TOOL_OPTIONS",
                          "-Dorg.slf4j.simpleLogger.defaultLogLevel=trace"
                              + " -Dorg.slf4j.simpleLogger.log.com.zaxxer=trace")))
              .register(ShopSource.class)
              .run("check");
      assertCode(ended, 0);
      assertThat(ended.err()).as("it does log").contains("HikariConfig").doesNotContain(SECRET);
      assertThat(ended.out()).doesNotContain(SECRET);
    } finally {
      dsl.execute("drop role told");
    }
  }

  private static Map<String, String> secrets(Map<String, String> further) {
    Map<String, String> all = new HashMap<>();
    all.put("PGBELAY_JDBC_USER", "shop");
    all.put("PGBELAY_JDBC_PASSWORD", SECRET);
    all.putAll(further);
    return all;
  }

  private static void assertRefused(Ended ended, String why) {
    assertNotRun(ended, 3, why);
  }

  private static void assertMisused(Ended ended, String why) {
    assertNotRun(ended, 64, why);
  }

  private static void assertNotRun(Ended ended, int code, String why) {
    assertCode(ended, code);
    assertThat(ended.err()).contains(why);
    assertThat(ended.out()).isEmpty();
  }
}
