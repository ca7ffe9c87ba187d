package dev.pgbelay.reconcilecli;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The tables that {@link ShopSource} is about. */
final class ShopTables {
  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "reconcile").build().install();
        DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
        dsl.execute("create table customers (id bigint primary key)");
        dsl.execute(
            "create table orders (id bigint primary key, customer_id bigint,"
                + " status text not null, tracking_id text,"
                + " changed_at timestamptz not null default now())");
        dsl.execute("create index on orders (customer_id)");
        dsl.execute("create index on orders (changed_at, id)");
      };

  private ShopTables() {}

  /** A hundred sound orders, and nothing that was ever checked. */
  static void fill(DSLContext dsl) {
    dsl.execute(
        "truncate customers, orders, pgbelay.reconcile_run, pgbelay.reconcile_finding,"
            + " pgbelay.reconcile_undo, pgbelay.chunk_job");
    dsl.execute("insert into customers select g from generate_series(1, 100) g");
    dsl.execute("insert into orders select g, g, 'paid' from generate_series(1, 100) g");
  }
}
