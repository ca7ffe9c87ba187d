package dev.pgbelay.lock.lease;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** A resource to be written by whoever holds a lease, and a log of who wrote. */
final class LeaseFixture {
  static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));

  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("lock").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute(
                """
                create table resource (id int primary key, value text, token bigint);
                insert into resource values (1, 'new', null);
                create table write (
                  n bigserial primary key, name text not null, writer text not null,
                  token bigint not null, at timestamptz not null default clock_timestamp());
                """);
      };

  private static final AtomicInteger NAMES = new AtomicInteger();

  private LeaseFixture() {}

  static String freshName() {
    return "lease-" + NAMES.incrementAndGet();
  }

  static DSLContext dsl(DataSource dataSource) {
    return DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  /** Keeps the texts of the statements that went through the test's pool. */
  static final class Sent implements StatementObserver {
    private final List<String> sent;

    Sent(List<String> sent) {
      this.sent = sent;
    }

    @Override
    public void executed(StatementEvent event) {
      sent.add(event.sql());
    }

    @Override
    public void ended(TransactionEvent event) {}
  }
}
