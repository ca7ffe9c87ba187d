package dev.pgbelay.reconcile;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.testing.TemplateInitializer;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** Accounts of tenants, and invoices that refer to them by both columns: one may not be NULL. */
public final class TenantFixture {
  public static final Table<Record> ACCOUNTS = table(name("accounts"));
  public static final Table<Record> INVOICES = table(name("invoices"));
  public static final Field<Integer> TENANT = field(name("tenant"), SQLDataType.INTEGER);
  public static final Field<Integer> ACCOUNT = field(name("account_id"), SQLDataType.INTEGER);

  public static final TemplateInitializer SCHEMA =
      dataSource -> {
        ShopFixture.SCHEMA.initialize(dataSource);
        DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
        dsl.execute("create table accounts (tenant int, id int, primary key (tenant, id))");
        dsl.execute(
            "create table invoices (gone int, id int primary key, note text, tenant int not null,"
                + " account_id int default 0)");
        dsl.execute("alter table invoices drop column gone");
        dsl.execute("create index on invoices (tenant, account_id, id)");
        dsl.execute("create table labels (id int primary key, tenant int)");
        dsl.execute("create index on labels (tenant, id)");
      };

  private TenantFixture() {}

  /** To be told what becomes of invoices. */
  public static Reference.Builder invoiceAccount() {
    return Reference.builder("invoice-account")
        .child(INVOICES, TENANT, ACCOUNT)
        .parent(ACCOUNTS, TENANT, field(name("id")));
  }

  /** For each of two tenants the accounts 0 to 9, with three invoices each. */
  public static void fill(DSLContext dsl) {
    dsl.execute("truncate accounts, invoices, labels");
    dsl.execute(
        "insert into accounts select t, g from generate_series(1, 2) t, generate_series(0, 9) g");
    dsl.execute(
        "insert into invoices select t * 100 + g * 3 + n, 'née \"' || g, t, g"
            + " from generate_series(1, 2) t, generate_series(0, 9) g, generate_series(0, 2) n");
    dsl.execute("insert into labels values (1, 1), (2, 2)");
  }

  /** All that is in the invoices, as text. */
  public static String invoices(DSLContext dsl) {
    return String.valueOf(
        dsl.fetchValue("select string_agg(i::text, ' ' order by id) from invoices i"));
  }
}
