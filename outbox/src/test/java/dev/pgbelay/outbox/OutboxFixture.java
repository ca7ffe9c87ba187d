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
public final class OutboxFixture {
  public static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("outbox").build().install();

  private static final AtomicInteger NAMES = new AtomicInteger();

  public final Transactions transactions;
  public final DSLContext dsl;
  public final Outbox outbox = Outbox.create();
  public final String topic = "t" + NAMES.incrementAndGet();
  public final String destination = "d" + NAMES.incrementAndGet();

  public OutboxFixture(DataSource dataSource) {
    this.transactions = Transactions.of(dataSource);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    transactions.execute(tx -> Routes.create().add(tx, topic, destination));
  }

  public NewMessage message(String payload) {
    return NewMessage.text(topic, payload);
  }

  public NewMessage message(String key, String payload) {
    return message(payload).withKey(key);
  }

  public Outbox.Appended append(NewMessage message) {
    return transactions.run(tx -> outbox.append(tx, message));
  }

  public List<Outbox.Appended> appendAll(List<NewMessage> messages) {
    return transactions.run(tx -> outbox.appendAll(tx, messages));
  }

  /** The payloads of the topic's messages, as text, by ascending id. */
  public List<String> payloads() {
    return dsl.fetch(
            "select convert_from(payload, 'UTF8') from pgbelay.outbox_message"
                + " where topic = ? order by id",
            topic)
        .getValues(0, String.class);
  }

  public int count(String sql, Object... values) {
    return Integer.parseInt(String.valueOf(dsl.fetchValue(sql, values)));
  }

  public int destinationId() {
    return count("select id from pgbelay.outbox_destination where name = ?", destination);
  }

  /** What a relay does with all messages of the topic that it has delivered, and that are kept. */
  public void publishAll() {
    TablesSql tables = new TablesSql("pgbelay");
    dsl.execute(
        tables.fill(
            "with gone as (delete from <message> as m where m.topic = ? returning "
                + PublishedSql.gone("m")
                + ")"
                + PublishedSql.KEEP
                + " select count(*) from gone"),
        topic);
  }

  /** What a relay does with messages of the topic whose key it holds. */
  public void holdAll(boolean parked) {
    dsl.execute(
        "with gone as (delete from pgbelay.outbox_message where topic = ? returning *)"
            + " insert into pgbelay.outbox_held (id, appended_at, destination, lane, replay, message_id,"
            + " topic, key, hold_key, type, headers, payload)"
            + " select id, appended_at, destination, lane, replay, message_id, topic, key,"
            + " coalesce('k:' || key, 'm:' || id), type, headers, payload from gone",
        topic);
    dsl.execute(
        "insert into pgbelay.outbox_held_key (destination, lane, hold_key, attempts, next_at, reason)"
            + " select distinct destination, lane, hold_key, 5,"
            + " case when not ? then now() + interval '1 hour' end, 'no answer'"
            + " from pgbelay.outbox_held where destination = ?",
        parked,
        destinationId());
  }

  /** What a relay does with messages of the topic that it gives up. */
  public void buryAll() {
    dsl.execute(
        "with gone as (delete from pgbelay.outbox_message where topic = ? returning *)"
            + " insert into pgbelay.outbox_dead (id, destination, appended_at, lane, attempts, reason,"
            + " replay, message_id, topic, key, type, headers, payload)"
            + " select id, destination, appended_at, lane, 3, 'no answer', replay, message_id, topic, key,"
            + " type, headers, payload from gone",
        topic);
  }

  /** How many sessions of this database wait for a lock of that type. */
  public int waiting(String lockType) {
    return count(
        "select count(distinct pid) from pg_locks where locktype = ? and not granted"
            + " and pid in (select pid from pg_stat_activity where datname = current_database())",
        lockType);
  }

  /** The last id that was drawn for a message. */
  public long lastId() {
    return dsl.fetchSingle("select last_value from pgbelay.outbox_message_id_seq")
        .get(0, Long.class);
  }

  public interface Check {
    boolean holds() throws Exception;
  }

  public static void await(Check check) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(10))
        .ignoreExceptions()
        .until(check::holds);
  }
}
