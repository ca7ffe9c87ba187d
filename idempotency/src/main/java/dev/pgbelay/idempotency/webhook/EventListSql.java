package dev.pgbelay.idempotency.webhook;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;

/** The statements of those who watch and decide. */
final class EventListSql {
  /** {0} table, {1} provider, {2} state, {3} limit. */
  private static final String LIST =
      """
      SELECT event_id, state, attempts, not_yet, reason,
             CAST(extract(epoch FROM clock_timestamp() - received_at) * 1000 AS bigint) AS age
        FROM {0}
       WHERE provider = {1} AND finished_at = 'infinity' AND state = {2}
       ORDER BY received_at, event_id
       LIMIT {3}\
      """;

  /** {0} table, {1} provider, {2} id. */
  private static final String FIND =
      """
      SELECT event_id, state, attempts, not_yet, reason,
             CAST(extract(epoch FROM clock_timestamp() - received_at) * 1000 AS bigint) AS age
        FROM {0}
       WHERE provider = {1} AND event_id = {2}\
      """;

  /** {0} table, {1} provider, {2} id. */
  private static final String READ =
      """
      SELECT event_id, received_at, headers, body
        FROM {0} WHERE provider = {1} AND event_id = {2}\
      """;

  /** {0} table, {1} provider, {2} limit. */
  private static final String CONFLICTS =
      """
      SELECT event_id, received_at, headers, body
        FROM {0} WHERE provider = {1} ORDER BY received_at, id LIMIT {2}\
      """;

  /** {0} table, {1} provider, {2} id. */
  private static final String REDRIVE =
      """
      UPDATE {0}
         SET state = 'PENDING', due_at = clock_timestamp(), tried_since = clock_timestamp(),
             attempts = 0, not_yet = 0
       WHERE provider = {1} AND event_id = {2} AND state = 'PARKED'\
      """;

  /** {0} table, {1} provider. */
  private static final String REDRIVE_ALL =
      """
      UPDATE {0}
         SET state = 'PENDING', due_at = clock_timestamp(), tried_since = clock_timestamp(),
             attempts = 0, not_yet = 0
       WHERE provider = {1} AND finished_at = 'infinity' AND due_at = 'infinity'\
      """;

  /** {0} table, {1} provider, {2} id, {3} reason. */
  private static final String DISCARD =
      """
      UPDATE {0}
         SET state = 'DISCARDED', finished_at = clock_timestamp(), due_at = clock_timestamp(),
             reason = {3}
       WHERE provider = {1} AND event_id = {2} AND state = 'PARKED'\
      """;

  /** {0} table, {1} provider. */
  private static final String STANDING =
      """
      SELECT count(*) FILTER (WHERE state = 'PENDING') AS pending,
             CAST(coalesce(extract(epoch FROM clock_timestamp()
                    - min(received_at) FILTER (WHERE state = 'PENDING')), 0)
                  AS double precision) AS oldest,
             count(*) FILTER (WHERE state = 'PARKED') AS parked
        FROM {0}
       WHERE provider = {1} AND finished_at = 'infinity'\
      """;

  private final Table<?> event;
  private final Table<?> conflict;
  private final String provider;

  EventListSql(Table<?> event, Table<?> conflict, String provider) {
    this.event = event;
    this.conflict = conflict;
    this.provider = provider;
  }

  List<StoredEvent> list(DSLContext dsl, State state, int limit) {
    return dsl.resultQuery(LIST, event, val(provider), val(state.name()), val(limit))
        .fetch(EventListSql::stored);
  }

  Optional<StoredEvent> find(DSLContext dsl, String id) {
    return dsl.resultQuery(FIND, event, val(provider), val(id))
        .fetchOptional()
        .map(EventListSql::stored);
  }

  private static StoredEvent stored(Record row) {
    return new StoredEvent(
        row.get("event_id", String.class),
        State.valueOf(row.get("state", String.class)),
        Duration.ofMillis(row.get("age", Long.class)),
        row.get("attempts", Integer.class),
        row.get("not_yet", Integer.class),
        Optional.ofNullable(row.get("reason", String.class)));
  }

  Optional<EventRow> read(DSLContext dsl, String id) {
    return dsl.resultQuery(READ, event, val(provider), val(id))
        .fetchOptional()
        .map(EventListSql::row);
  }

  List<EventRow> conflicts(DSLContext dsl, int limit) {
    return dsl.resultQuery(CONFLICTS, conflict, val(provider), val(limit)).fetch(EventListSql::row);
  }

  private static EventRow row(Record row) {
    return new EventRow(
        row.get("event_id", String.class),
        row.get("received_at", OffsetDateTime.class).toInstant(),
        row.get("headers", byte[].class),
        row.get("body", byte[].class));
  }

  void redrive(DSLContext dsl, String id) {
    dsl.query(REDRIVE, event, val(provider), val(id)).execute();
  }

  int redriveAll(DSLContext dsl) {
    return dsl.query(REDRIVE_ALL, event, val(provider)).execute();
  }

  void discard(DSLContext dsl, String id, String reason) {
    dsl.query(DISCARD, event, val(provider), val(id), val(reason)).execute();
  }

  WebhookMeters.Standing standing(DSLContext dsl) {
    Record row = dsl.resultQuery(STANDING, event, val(provider)).fetchSingle();
    return new WebhookMeters.Standing(
        row.get("pending", Long.class),
        row.get("oldest", Double.class),
        row.get("parked", Long.class));
  }
}
