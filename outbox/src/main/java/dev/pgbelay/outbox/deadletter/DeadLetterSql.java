package dev.pgbelay.outbox.deadletter;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.StoredHeaders;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.QueryPart;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * {@code {0}} are the dead letters, {@code {1}} the messages, {@code {2}} the destinations; then
 * the destination's name.
 */
class DeadLetterSql {
  private static final String OF = "destination = (SELECT d.id FROM {2} AS d WHERE d.name = {3})";

  private static final String COLUMNS =
      """
      SELECT id, message_id, topic, key, type, headers, attempts, reason, appended_at, died_at, replay
        FROM {0}
       WHERE\
      """
          + " "
          + OF;

  private static final String LIST = COLUMNS + " AND id > {4} ORDER BY id LIMIT {5}";

  private static final String FIND = COLUMNS + " AND id = {4}";

  private static final String READ_PAYLOAD =
      "SELECT payload FROM {0} WHERE " + OF + " AND id = {4}";

  private static final String DELETE = "DELETE FROM {0} WHERE " + OF + " AND id = {4}";

  /** With an id of its own: the relay may have walked past the old one. */
  private static final String APPEND_GONE =
      """
      INSERT INTO {1} (appended_at, destination, lane, replay, message_id, topic, key, type, headers,
                       payload)
      SELECT appended_at, destination, lane, replay, message_id, topic, key, type, headers, payload
        FROM gone
       ORDER BY id\
      """;

  private static final String REDRIVE = "WITH gone AS (" + DELETE + " RETURNING *)\n" + APPEND_GONE;

  private static final String REDRIVE_MANY =
      "WITH page AS MATERIALIZED (SELECT destination, id FROM {0} WHERE "
          + OF
          + " ORDER BY id LIMIT {4} FOR UPDATE SKIP LOCKED),\n"
          + "gone AS (DELETE FROM {0} AS d USING page\n"
          + " WHERE d.destination = page.destination AND d.id = page.id RETURNING d.*)\n"
          + APPEND_GONE;

  private final Table<?> dead;
  private final Table<?> message;
  private final Table<?> destination;

  DeadLetterSql(String schema) {
    this.dead = DSL.table(DSL.name(schema, "outbox_dead"));
    this.message = DSL.table(DSL.name(schema, "outbox_message"));
    this.destination = DSL.table(DSL.name(schema, "outbox_destination"));
  }

  private QueryPart[] parts(String name, long idOrLimit) {
    return new QueryPart[] {dead, message, destination, val(name), val(idOrLimit)};
  }

  List<DeadLetter> list(DSLContext dsl, String name, long after, int limit) {
    return dsl.resultQuery(LIST, dead, message, destination, val(name), val(after), val(limit))
        .fetch(row -> letter(name, row));
  }

  Optional<DeadLetter> find(DSLContext dsl, String name, long id) {
    return dsl.resultQuery(FIND, parts(name, id)).fetchOptional(row -> letter(name, row));
  }

  /** Not logged: jOOQ writes the rows that it has fetched into its log for debugging. */
  Optional<byte[]> payload(DSLContext dsl, String name, long id) {
    return DSL.using(
            dsl.configuration().deriveSettings(settings -> settings.withExecuteLogging(false)))
        .resultQuery(READ_PAYLOAD, parts(name, id))
        .fetchOptional(row -> row.get(0, byte[].class));
  }

  int redrive(DSLContext dsl, String name, long id) {
    return dsl.query(REDRIVE, parts(name, id)).execute();
  }

  int redriveMany(DSLContext dsl, String name, int limit) {
    return dsl.query(REDRIVE_MANY, parts(name, limit)).execute();
  }

  int delete(DSLContext dsl, String name, long id) {
    return dsl.query(DELETE, parts(name, id)).execute();
  }

  /** By the index on time. */
  ChunkedJob.Builder purge(Transactions transactions, String schema, String name, Duration keep) {
    Field<OffsetDateTime> age =
        DSL.field(DSL.name("died_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
    Field<Short> of = DSL.field(DSL.name("destination"), SQLDataType.SMALLINT.nullable(false));
    Field<Long> id = DSL.field(DSL.name("id"), SQLDataType.BIGINT.nullable(false));
    return Purge.olderThan(transactions, "outbox-dead-" + name, dead, age, keep)
        .where(
            of.eq(
                DSL.field(
                    "(SELECT d.id FROM {0} AS d WHERE d.name = {1})",
                    Short.class, destination, val(name))))
        .key(age, of, id)
        .schema(schema);
  }

  private static DeadLetter letter(String name, Record row) {
    String[] headers = row.get("headers", String[].class);
    return new DeadLetter(
        name,
        row.get("id", Long.class),
        row.get("message_id", String.class),
        row.get("topic", String.class),
        Optional.ofNullable(row.get("key", String.class)),
        Optional.ofNullable(row.get("type", String.class)),
        StoredHeaders.read(headers == null ? List.of() : List.of(headers)),
        row.get("attempts", Integer.class),
        row.get("reason", String.class),
        row.get("appended_at", OffsetDateTime.class).toInstant(),
        row.get("died_at", OffsetDateTime.class).toInstant(),
        row.get("replay", Boolean.class));
  }
}
