package dev.pgbelay.reconcile.migrate;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.TenantFixture.ACCOUNT;
import static dev.pgbelay.reconcile.TenantFixture.TENANT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.TenantFixture;
import dev.pgbelay.reconcile.migrate.ShadowGuard.Measured;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys that set only some of their columns, there and back. */
class SetColumnsMigrationPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(TenantFixture.SCHEMA);

  private static final String KEY =
      "foreign key (tenant, account_id) references accounts on delete ";

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  private ForeignKeyMigration migration(OnDelete onDelete) {
    return ForeignKeyMigration.builder(
            postgres.dataSource(),
            shop.transactions,
            Declarations.of("1", TenantFixture.invoiceAccount().onDelete(onDelete).build()),
            "invoice-account")
        .guardsEnforced(new Measured(1, 0, 0, 0, List.of()))
        .build();
  }

  private void key(String table, String rule) {
    shop.dsl.execute("alter table %s add constraint k %s%s".formatted(table, KEY, rule));
  }

  private void noKey(String table) {
    shop.dsl.execute("alter table %s drop constraint if exists k".formatted(table));
  }

  private List<String> keys() {
    return shop.dsl
        .fetch(
            "select distinct pg_get_constraintdef(oid) from pg_constraint where contype = 'f'"
                + " and confrelid = 'accounts'::regclass and convalidated")
        .getValues(0, String.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"set null", "set default"})
  void keyThatSetsSome_becomesADeclaration_andTheSameKeyAgain(String rule) {
    TenantFixture.fill(shop.dsl);
    noKey("invoices");
    key("invoices", rule + " (account_id)");
    String before = keys().toString();
    ForeignKeyMigration migration =
        migration(
            rule.equals("set null") ? OnDelete.setNull(ACCOUNT) : OnDelete.setDefault(ACCOUNT));
    assertThat(migration.differences()).isEmpty();
    migration.toApplication();
    assertThat(keys()).isEmpty();
    migration.toForeignKey();
    assertThat(keys().toString())
        .isEqualTo(before)
        .containsIgnoringCase("on delete " + rule + " (account_id)");
    shop.dsl.execute("delete from accounts where tenant = 1 and id = 4");
    assertThat(shop.count("select count(*) from invoices where tenant = 1")).isEqualTo(30);
    shop.dsl.execute("alter table invoices drop constraint invoices_tenant_account_id_fkey");
  }

  @Test
  void keyAndDeclarationThatSetOtherColumns_areToldApart() {
    TenantFixture.fill(shop.dsl);
    noKey("invoices");
    key("invoices", "set null (account_id)");
    assertThat(migration(OnDelete.setNull()).differences())
        .containsExactly(
            "the key sets [account_id] of its columns, the declaration [account_id, tenant]");
    assertRefused(migration(OnDelete.setNull())::toApplication, "the key sets [account_id]");
    assertThat(migration(OnDelete.setDefault(ACCOUNT)).differences())
        .containsExactly("the key's rule for deletes is SET_NULL, the declaration's SET_DEFAULT");
    noKey("invoices");
    key("invoices", "set null");
    assertThat(migration(OnDelete.setNull(ACCOUNT)).differences())
        .containsExactly(
            "the key sets [account_id, tenant] of its columns, the declaration [account_id]");
    assertThat(migration(OnDelete.setNull()).differences()).isEmpty();
    assertThat(migration(OnDelete.setNull(ACCOUNT, TENANT)).differences())
        .as("all of them, by name")
        .isEmpty();
    noKey("invoices");
  }

  /** Columns of a partition may have other numbers than those of the whole. */
  @Test
  void partitionsWithOtherNumbers_setTheSameColumns() {
    TenantFixture.fill(shop.dsl);
    shop.dsl.execute("alter table invoices rename to invoices_of_old");
    shop.dsl.execute(
        "create table invoices (id int primary key, tenant int not null, account_id int, note text)"
            + " partition by range (id)");
    shop.dsl.execute("create table invoices_1 partition of invoices for values from (0) to (200)");
    shop.dsl.execute(
        "create table invoices_2 (gone int, note text, account_id int, tenant int not null,"
            + " id int not null)");
    shop.dsl.execute("alter table invoices_2 drop column gone");
    shop.dsl.execute(
        "alter table invoices attach partition invoices_2 for values from (200) to (400)");
    shop.dsl.execute("create index on invoices (tenant, account_id, id)");
    shop.dsl.execute(
        "insert into invoices (id, tenant, account_id) select id, tenant, account_id"
            + " from invoices_of_old");
    try {
      key("invoices", "set null (account_id)");
      ForeignKeyMigration migration = migration(OnDelete.setNull(ACCOUNT));
      assertThat(migration.differences()).isEmpty();
      migration.toApplication();
      assertThat(keys()).isEmpty();
      migration.toForeignKey();
      assertThat(keys())
          .singleElement()
          .satisfies(text -> assertThat(text).endsWith("ON DELETE SET NULL (account_id)"));
      shop.dsl.execute("delete from accounts where id = 4");
      assertThat(shop.count("select count(*) from invoices where account_id is null")).isEqualTo(6);
      assertThat(migration.differences()).isEmpty();
    } finally {
      shop.dsl.execute("drop table invoices");
      shop.dsl.execute("alter table invoices_of_old rename to invoices");
    }
  }
}
