package dev.pgbelay.outbox.inbox;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.util.Locale;
import java.util.UUID;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** A consumer whose effect is a row. */
final class InboxFixture {
  static final String CONSUMER = "billing";

  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "outbox").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute("create table effect (id text not null)");
      };

  final DSLContext dsl;
  final Transactions transactions;
  final Inbox inbox = Inbox.create();

  InboxFixture(DataSource dataSource) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.of(dataSource);
  }

  /** Days since 1970-01-01 by the database's clock. */
  int today() {
    return dsl.fetchSingle("select floor(extract(epoch from clock_timestamp()) / 86400)::int")
        .get(0, Integer.class);
  }

  /** A UUID of version 7 that was drawn in the middle of that day. */
  static String bornOn(int day) {
    String millis = String.format(Locale.ROOT, "%012x", day * 86_400_000L + 43_200_000L);
    return millis.substring(0, 8)
        + "-"
        + millis.substring(8)
        + "-7"
        + UUID.randomUUID().toString().substring(15);
  }

  String bornDaysAgo(int days) {
    return bornOn(today() - days);
  }

  static void effect(Tx tx, String id) {
    tx.dsl().execute("insert into effect (id) values (?)", id);
  }

  Inbox.Outcome process(Tx tx, String id) {
    return inbox.process(tx, id, CONSUMER, same -> effect(same, id));
  }

  Inbox.Outcome process(String id) {
    return transactions.run(tx -> process(tx, id));
  }

  int effects(String id) {
    return dsl.fetchSingle("select count(*) from effect where id = ?", id).get(0, Integer.class);
  }

  int datedMarks(String id) {
    return dsl.fetchSingle("select count(*) from pgbelay.inbox_mark where message_id::text = ?", id)
        .get(0, Integer.class);
  }

  int otherMarks(String id) {
    return dsl.fetchSingle("select count(*) from pgbelay.inbox_other_mark where message_id = ?", id)
        .get(0, Integer.class);
  }

  static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(30_000);
    return new HikariDataSource(config);
  }
}
