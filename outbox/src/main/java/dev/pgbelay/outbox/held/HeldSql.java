package dev.pgbelay.outbox.held;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.StoredHeaders;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jooq.DSLContext;
import org.jooq.QueryPart;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * {@code {0}} are the held keys, {@code {1}} their messages, {@code {2}} the destinations, {@code
 * {3}} the dead letters; then the destination's and the key's names. A key is in one lane of a
 * destination.
 */
class HeldSql {
  private static final String OF =
      """
      destination = (SELECT d.id FROM {2} AS d WHERE d.name = {4})
         AND <alias>.lane = ANY (ARRAY(SELECT CAST(n AS smallint) FROM generate_series(0, 31) AS n))
         AND <alias>.hold_key\
      """;

  private static final String OF_KEY = "k." + OF.replace("<alias>", "k");

  private static final String OF_MESSAGE = "h." + OF.replace("<alias>", "h");

  private static final String LIST =
      """
      SELECT k.hold_key, k.attempts, k.reason, k.held_at, k.next_at,
             (SELECT count(*) FROM {1} AS h
               WHERE h.destination = k.destination AND h.lane = k.lane
                 AND h.hold_key = k.hold_key) AS messages
        FROM {0} AS k
       WHERE\
      """
          + " "
          + OF_KEY
          + " > {5}\n ORDER BY k.hold_key\n LIMIT {6}";

  private static final String MESSAGES =
      """
      SELECT h.id, h.message_id, h.topic, h.type, h.headers, h.appended_at, h.replay
        FROM {1} AS h
       WHERE\
      """
          + " "
          + OF_MESSAGE
          + " = {5} AND h.id > {6}\n ORDER BY h.id\n LIMIT {7}";

  private static final String READ_PAYLOAD =
      "SELECT h.payload FROM {1} AS h WHERE " + OF_MESSAGE + " = {5} AND h.id = {6}";

  private static final String RESUME =
      "UPDATE {0} AS k SET attempts = 0, next_at = clock_timestamp() WHERE " + OF_KEY + " = {5}";

  private static final String LOCK =
      "SELECT k.next_at IS NULL FROM {0} AS k WHERE " + OF_KEY + " = {5} FOR UPDATE";

  private static final String FIRST =
      "SELECT min(h.id) FROM {1} AS h WHERE " + OF_MESSAGE + " = {5}";

  /** The key's row is locked, so its messages stay as they are. */
  private static final String SKIP =
      """
      WITH parked AS MATERIALIZED (
        SELECT k.destination, k.lane, k.hold_key, k.attempts, k.reason FROM {0} AS k WHERE <key> = {5}),
      head AS MATERIALIZED (
        SELECT h.id FROM {1} AS h JOIN parked USING (destination, lane, hold_key)
         ORDER BY h.id LIMIT 1),
      gone AS (
        DELETE FROM {1} AS h
         USING parked AS p, head
         WHERE h.destination = p.destination AND h.lane = p.lane AND h.hold_key = p.hold_key
           AND h.id = head.id
        RETURNING h.*, p.attempts, p.reason),
      buried AS (
        INSERT INTO {3} (id, destination, appended_at, lane, attempts, reason, replay, message_id,
                         topic, key, type, headers, payload)
        SELECT id, destination, appended_at, lane, attempts, 'skipped: ' || reason, replay,
               message_id, topic, key, type, headers, payload
          FROM gone)
      UPDATE {0} AS k
         SET attempts = 0, next_at = clock_timestamp()
        FROM parked AS p
       WHERE k.destination = p.destination AND k.lane = p.lane AND k.hold_key = p.hold_key\
      """
          .replace("<key>", OF_KEY);

  private final Table<?> key;
  private final Table<?> held;
  private final Table<?> destination;
  private final Table<?> dead;

  HeldSql(String schema) {
    this.key = DSL.table(DSL.name(schema, "outbox_held_key"));
    this.held = DSL.table(DSL.name(schema, "outbox_held"));
    this.destination = DSL.table(DSL.name(schema, "outbox_destination"));
    this.dead = DSL.table(DSL.name(schema, "outbox_dead"));
  }

  private QueryPart[] parts(String name, String holdKey) {
    return new QueryPart[] {key, held, destination, dead, val(name), val(holdKey)};
  }

  List<HeldKey> list(DSLContext dsl, String name, String after, int limit) {
    return dsl.resultQuery(LIST, key, held, destination, dead, val(name), val(after), val(limit))
        .fetch(row -> heldKey(name, row));
  }

  List<HeldMessage> messages(DSLContext dsl, String name, String holdKey, long after, int limit) {
    return dsl.resultQuery(
            MESSAGES, key, held, destination, dead, val(name), val(holdKey), val(after), val(limit))
        .fetch(HeldSql::message);
  }

  /** Not logged: jOOQ writes the rows that it has fetched into its log for debugging. */
  Optional<byte[]> payload(DSLContext dsl, String name, String holdKey, long id) {
    return DSL.using(
            dsl.configuration().deriveSettings(settings -> settings.withExecuteLogging(false)))
        .resultQuery(READ_PAYLOAD, key, held, destination, dead, val(name), val(holdKey), val(id))
        .fetchOptional(row -> row.get(0, byte[].class));
  }

  int resume(DSLContext dsl, String name, String holdKey) {
    return dsl.query(RESUME, parts(name, holdKey)).execute();
  }

  /** Whether it is parked, once it is this transaction's; empty if there is no such key. */
  Optional<Boolean> lock(DSLContext dsl, String name, String holdKey) {
    return dsl.resultQuery(LOCK, parts(name, holdKey))
        .fetchOptional(row -> row.get(0, Boolean.class));
  }

  /** The id of the message that stands in front; empty if none waits. */
  OptionalLong first(DSLContext dsl, String name, String holdKey) {
    Long id =
        dsl.resultQuery(FIRST, parts(name, holdKey)).fetchSingle(row -> row.get(0, Long.class));
    return id == null ? OptionalLong.empty() : OptionalLong.of(id);
  }

  void skip(DSLContext dsl, String name, String holdKey) {
    dsl.query(SKIP, parts(name, holdKey)).execute();
  }

  private static HeldKey heldKey(String name, Record row) {
    String holdKey = row.get("hold_key", String.class);
    return new HeldKey(
        name,
        holdKey,
        holdKey.startsWith("k:") ? Optional.of(holdKey.substring(2)) : Optional.empty(),
        row.get("attempts", Integer.class),
        row.get("reason", String.class),
        row.get("held_at", OffsetDateTime.class).toInstant(),
        Optional.ofNullable(row.get("next_at", OffsetDateTime.class))
            .map(OffsetDateTime::toInstant),
        row.get("messages", Long.class));
  }

  private static HeldMessage message(Record row) {
    String[] headers = row.get("headers", String[].class);
    return new HeldMessage(
        row.get("id", Long.class),
        row.get("message_id", String.class),
        row.get("topic", String.class),
        Optional.ofNullable(row.get("type", String.class)),
        StoredHeaders.read(headers == null ? List.of() : List.of(headers)),
        row.get("appended_at", OffsetDateTime.class).toInstant(),
        row.get("replay", Boolean.class));
  }
}
