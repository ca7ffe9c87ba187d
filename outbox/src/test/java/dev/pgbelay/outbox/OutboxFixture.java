package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.TemplateInitializer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The tables, and a topic of the test's own that goes to a destination of its own. */
final class OutboxFixture {
  static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("outbox").build().install();

  private static final AtomicInteger NAMES = new AtomicInteger();

  final Transactions transactions;
  final DSLContext dsl;
  final Outbox outbox = Outbox.create();
  final String topic = "t" + NAMES.incrementAndGet();
  final String destination = "d" + NAMES.incrementAndGet();

  OutboxFixture(DataSource dataSource) {
    this.transactions = Transactions.of(dataSource);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    transactions.execute(tx -> Routes.create().add(tx, topic, destination));
  }

  NewMessage message(String payload) {
    return NewMessage.text(topic, payload);
  }

  NewMessage message(String key, String payload) {
    return message(payload).withKey(key);
  }

  Outbox.Appended append(NewMessage message) {
    return transactions.run(tx -> outbox.append(tx, message));
  }

  List<Outbox.Appended> appendAll(List<NewMessage> messages) {
    return transactions.run(tx -> outbox.appendAll(tx, messages));
  }

  /** The payloads of the topic's messages, as text, by ascending id. */
  List<String> payloads() {
    return dsl.fetch(
            "select convert_from(payload, 'UTF8') from pgbelay.outbox_message"
                + " where topic = ? order by id",
            topic)
        .getValues(0, String.class);
  }

  int count(String sql, Object... values) {
    return Integer.parseInt(String.valueOf(dsl.fetchValue(sql, values)));
  }

  /** How many sessions of this database wait for a lock of that type. */
  int waiting(String lockType) {
    return count(
        "select count(distinct pid) from pg_locks where locktype = ? and not granted"
            + " and pid in (select pid from pg_stat_activity where datname = current_database())",
        lockType);
  }

  /** The last id that was drawn for a message. */
  long lastId() {
    return dsl.fetchSingle("select last_value from pgbelay.outbox_message_id_seq")
        .get(0, Long.class);
  }

  interface Check {
    boolean holds() throws Exception;
  }

  static void await(Check check) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(10))
        .ignoreExceptions()
        .until(check::holds);
  }
}
