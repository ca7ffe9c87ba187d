package dev.pgbelay.reconcile.report;

import static dev.pgbelay.reconcile.report.CoverageReport.State.DECLARED;
import static dev.pgbelay.reconcile.report.CoverageReport.State.EXCLUDED;
import static dev.pgbelay.reconcile.report.CoverageReport.State.FOREIGN_KEY;
import static dev.pgbelay.reconcile.report.CoverageReport.State.NOT_VALIDATED;
import static dev.pgbelay.reconcile.report.CoverageReport.State.UNDECLARED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Which columns look like foreign keys, and what keeps them. */
class CoveragePostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  @AfterEach
  void dropSchemas() {
    shop.dsl.execute("drop schema if exists crm cascade");
    shop.dsl.execute("drop schema if exists audit cascade");
  }

  private Coverage.Builder coverage() {
    return Coverage.builder(shop.transactions, ShopFixture.ALL);
  }

  private static Map<String, CoverageReport.State> states(CoverageReport report) {
    return report.columns().stream()
        .collect(Collectors.toMap(CoverageReport.Column::name, CoverageReport.Column::state));
  }

  @Test
  void columns_areToldByWhatKeepsThem() {
    CoverageReport report = coverage().build().read();
    assertThat(states(report))
        .containsOnly(
            Map.entry("public.orders.customer_id", DECLARED),
            Map.entry("public.lines.order_id", UNDECLARED));
    assertThat(report.columns().get(1).by()).contains("order-customer");
    assertThat(report.open()).extracting(CoverageReport.Column::column).containsExactly("order_id");
    assertThat(Verdict.of(report)).isEqualTo(Verdict.FINDINGS);
    CoverageReport excluded =
        coverage().exclude("public.lines.order_id", "lines are archived by hand").build().read();
    assertThat(states(excluded)).containsEntry("public.lines.order_id", EXCLUDED);
    assertThat(excluded.columns().get(0).by()).contains("lines are archived by hand");
    assertThat(Verdict.of(excluded)).isEqualTo(Verdict.CLEAN);
  }

  @Test
  void foreignKey_coversOnlyIfItHasCheckedEveryRow() {
    shop.dsl.execute("create schema crm");
    shop.dsl.execute("create table crm.account (id bigint primary key)");
    shop.dsl.execute(
        "create table crm.contact (id bigint primary key, account_id bigint references crm.account,"
            + " owner bigint references crm.account, parent_id bigint)");
    shop.dsl.execute(
        "alter table crm.contact add constraint parent foreign key (parent_id)"
            + " references crm.account not valid");
    assertThat(states(coverage().schemas("crm").build().read()))
        .containsEntry("crm.contact.account_id", FOREIGN_KEY)
        .containsEntry("crm.contact.owner", FOREIGN_KEY)
        .containsEntry("crm.contact.parent_id", NOT_VALIDATED);
    shop.dsl.execute("alter table crm.contact validate constraint parent");
    assertThat(states(coverage().schemas("crm").build().read()))
        .containsEntry("crm.contact.parent_id", FOREIGN_KEY);
  }

  @Test
  void foreignKeyThatIsNotEnforced_coversNothing() {
    if (shop.count("select current_setting('server_version_num')::int / 10000") < 18) {
      return;
    }
    shop.dsl.execute("create schema crm");
    shop.dsl.execute("create table crm.account (id bigint primary key)");
    shop.dsl.execute(
        "create table crm.contact (account_id bigint references crm.account not enforced)");
    assertThat(states(coverage().schemas("crm").build().read()))
        .containsEntry("crm.contact.account_id", UNDECLARED);
  }

  @Test
  void ownKeysViewsPartitionsAndOtherTypes_areNotForeignKeys() {
    shop.dsl.execute("create schema crm");
    shop.dsl.execute("create domain crm.account_number as bigint");
    shop.dsl.execute(
        "create table crm.visits (visit_id bigint primary key, session_uuid uuid, paid int,"
            + " seen_id timestamptz, tag_ids bigint[], account_id crm.account_number,"
            + " \"shopId\" int, _id int)");
    shop.dsl.execute(
        "create table crm.thing (some_id bigint generated always as identity primary key)");
    shop.dsl.execute("create table crm.profile (user_id bigint primary key)");
    shop.dsl.execute("create view crm.seen as select account_id from crm.visits");
    shop.dsl.execute(
        "create table crm.events (at date, account_id bigint) partition by range (at)");
    shop.dsl.execute(
        "create table crm.events_2026 partition of crm.events"
            + " for values from ('2026-01-01') to ('2027-01-01')");
    assertThat(states(coverage().schemas("crm").build().read()).keySet())
        .containsExactlyInAnyOrder(
            "crm.visits.session_uuid",
            "crm.visits.account_id",
            "crm.visits.shopId",
            "crm.profile.user_id",
            "crm.events.account_id",
            "public.orders.customer_id");
  }

  @Test
  void schemas_areChosen_andDeclaredColumnsAreThereAlways() {
    shop.dsl.execute("create schema audit");
    shop.dsl.execute("create table audit.entry (id bigint primary key, actor_id bigint)");
    assertThat(states(coverage().build().read())).containsEntry("audit.entry.actor_id", UNDECLARED);
    assertThat(states(coverage().schemas("public").build().read()))
        .doesNotContainKey("audit.entry.actor_id");
    assertThat(states(coverage().schemas("audit").build().read()))
        .containsOnlyKeys("audit.entry.actor_id", "public.orders.customer_id");
    assertThatThrownBy(() -> coverage().schemas("audti").build().read())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("no [audti]");
  }

  @Test
  void suffixes_areAnOption() {
    assertThat(states(coverage().suffixes("us").build().read()))
        .containsOnlyKeys("public.orders.customer_id", "public.orders.status");
    assertThatThrownBy(() -> coverage().suffixes().build()).hasMessageContaining("suffixes are []");
  }

  @Test
  void exclusions_wantReasons_matchByStars_andAreToldWhenUnused() {
    CoverageReport report =
        coverage()
            .exclude("*.order_id", "archived")
            .exclude("public.orders.customer_id", "declared meanwhile")
            .exclude("public.gone.provider_id", "of the provider")
            .build()
            .read();
    assertThat(states(report))
        .containsEntry("public.lines.order_id", EXCLUDED)
        .containsEntry("public.orders.customer_id", DECLARED);
    assertThat(report.unusedExclusions())
        .containsExactly("public.orders.customer_id", "public.gone.provider_id");
    assertThatThrownBy(() -> coverage().exclude("public.lines.order_id", " "))
        .hasMessageContaining("public.lines.order_id")
        .hasMessageContaining("reason");
    assertThat(states(coverage().exclude("public.line..order_id", "a dot is a dot").build().read()))
        .containsEntry("public.lines.order_id", UNDECLARED);
  }

  @Test
  void compositeReference_declaresAllItsColumns() {
    shop.dsl.execute("create schema crm");
    shop.dsl.execute(
        "create table crm.account (tenant_id int, id int, primary key (tenant_id, id))");
    shop.dsl.execute(
        "create table crm.contact (id int primary key, tenant_id int, account_id int)");
    Reference reference =
        Reference.builder("contact-account")
            .child(
                table(name("crm", "contact")), field(name("tenant_id")), field(name("account_id")))
            .parent(table(name("crm", "account")), field(name("tenant_id")), field(name("id")))
            .build();
    CoverageReport report =
        Coverage.builder(shop.transactions, Declarations.of("1", reference))
            .schemas("crm")
            .build()
            .read();
    assertThat(states(report))
        .containsOnly(
            Map.entry("crm.account.tenant_id", UNDECLARED),
            Map.entry("crm.contact.tenant_id", DECLARED),
            Map.entry("crm.contact.account_id", DECLARED));
  }

  @Test
  void report_hasTheDocumentedShapes() throws Exception {
    CoverageReport report = coverage().exclude("public.x.y_id", "gone").build().read();
    JsonNode json = new ObjectMapper().readTree(ReportJson.of(report));
    assertThat(json.get("format").asText()).isEqualTo("pgbelay.reconcile.coverage/1");
    assertThat(json.get("verdict").asText()).isEqualTo("FINDINGS");
    assertThat(json.at("/counts/UNDECLARED").asInt()).isEqualTo(1);
    assertThat(json.at("/columns/0").toString())
        .isEqualTo(
            "{\"schema\":\"public\",\"table\":\"lines\",\"column\":\"order_id\",\"type\":\"bigint\",\"state\":\"UNDECLARED\",\"by\":null}");
    assertThat(json.get("unusedExclusions").toString()).isEqualTo("[\"public.x.y_id\"]");
    assertThat(ReportText.of(report).lines().toList())
        .containsExactly(
            "FINDINGS: 2 columns: 1 declared, 0 with a foreign key, 0 excluded; 0 with a foreign key that is NOT VALID, 1 with nothing",
            "  UNDECLARED    public.lines.order_id bigint",
            "  DECLARED      public.orders.customer_id bigint (order-customer)",
            "  no such column that would need it: exclusion of public.x.y_id");
  }
}
