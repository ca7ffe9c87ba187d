package dev.pgbelay.outbox.replay;

import static org.jooq.impl.DSL.val;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Optional;
import java.util.stream.LongStream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Param;
import org.jooq.QueryPart;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * {@code {0}} are the published messages, {@code {1}} those to be delivered, {@code {2}} the
 * destinations. Then destination, topic, key, from, until, first id, last id, slots of the days.
 */
class ReplaySql {
  private static final String CHOSEN =
      """
      p.destination = (SELECT d.id FROM {2} AS d WHERE d.name = {3})
             AND NOT p.replay
             AND ({4} IS NULL OR p.topic = {4})
             AND ({5} IS NULL OR p.key = {5})
             AND ({6} IS NULL OR p.published_at >= {6})
             AND p.published_at < {7}
             AND p.id >= {8} AND p.id <= {9}
             AND (p.published_day % 32) = ANY ({10})\
      """;

  private static final String RANGE = "SELECT min(p.id), max(p.id) FROM {0} AS p\n WHERE " + CHOSEN;

  private static final String NOW = "SELECT clock_timestamp()";

  private static final String APPEND =
      """
      WITH page AS MATERIALIZED (
        SELECT p.* FROM {0} AS p
         WHERE <chosen>
         ORDER BY p.id
         LIMIT {12}),
      added AS (
        INSERT INTO {1} (appended_at, destination, lane, replay, message_id, topic, key, type,
                         headers, payload)
        SELECT page.appended_at, d.id, page.lane, true, page.message_id, page.topic, page.key,
               page.type, page.headers, page.payload
          FROM page CROSS JOIN (SELECT id FROM {2} WHERE name = {11}) AS d
         ORDER BY page.id)
      SELECT count(*), max(page.id) FROM page\
      """
          .replace("<chosen>", CHOSEN);

  private static final String KEEPS =
      """
      SELECT d.retention_days IS NOT NULL OR EXISTS (SELECT FROM {0} AS p WHERE p.destination = d.id)
        FROM {2} AS d WHERE d.name = {3}\
      """;

  private static final String HAS_DESTINATION = "SELECT id FROM {2} WHERE name = {3}";

  private final Table<?> published;
  private final Table<?> message;
  private final Table<?> destination;

  ReplaySql(String schema) {
    this.published = DSL.table(DSL.name(schema, "outbox_published"));
    this.message = DSL.table(DSL.name(schema, "outbox_message"));
    this.destination = DSL.table(DSL.name(schema, "outbox_destination"));
  }

  /** From the first id to the last, of what was published before that moment. */
  record Ids(long first, long last, Instant until) {}

  /** What one statement has appended. */
  record Part(int count, long lastId) {}

  boolean hasDestination(DSLContext dsl, String name) {
    return dsl.resultQuery(HAS_DESTINATION, published, message, destination, val(name))
        .fetchOptional()
        .isPresent();
  }

  /** Whether it keeps what is delivered, or has something left of when it did. */
  boolean keeps(DSLContext dsl, String name) {
    return dsl.resultQuery(KEEPS, published, message, destination, val(name))
        .fetchSingle()
        .get(0, Boolean.class);
  }

  /** Where the chosen messages lie; empty if there are none. */
  Optional<Ids> range(DSLContext dsl, Published which) {
    Instant now = dsl.resultQuery(NOW).fetchSingle().get(0, OffsetDateTime.class).toInstant();
    Instant until = since1970(which.until().filter(end -> end.isBefore(now)).orElse(now));
    Ids widest =
        new Ids(
            which.firstId().orElse(Long.MIN_VALUE), which.lastId().orElse(Long.MAX_VALUE), until);
    Record row = dsl.resultQuery(RANGE, parts(which, widest)).fetchSingle();
    Long first = row.get(0, Long.class);
    return first == null
        ? Optional.empty()
        : Optional.of(new Ids(first, row.get(1, Long.class), until));
  }

  Part append(DSLContext dsl, Published which, String to, Ids ids, int limit) {
    Record row = dsl.resultQuery(APPEND, parts(which, ids, val(to), val(limit))).fetchSingle();
    int count = row.get(0, Integer.class);
    return new Part(count, count == 0 ? ids.last() : row.get(1, Long.class));
  }

  private QueryPart[] parts(Published which, Ids ids, QueryPart... more) {
    QueryPart[] parts = {
      published,
      message,
      destination,
      val(which.destination()),
      text(which.topic()),
      text(which.key()),
      moment(which.from().map(ReplaySql::since1970)),
      moment(Optional.of(ids.until())),
      val(ids.first()),
      val(ids.last()),
      val(slots(which.from().map(ReplaySql::since1970), ids.until()))
    };
    QueryPart[] all = java.util.Arrays.copyOf(parts, parts.length + more.length);
    System.arraycopy(more, 0, all, parts.length, more.length);
    return all;
  }

  /** Nothing was published before 1970; PostgreSQL knows no times as early as Java does. */
  private static Instant since1970(Instant at) {
    return at.isBefore(Instant.EPOCH) ? Instant.EPOCH : at;
  }

  /** Where messages of these times lie, so that the other days' are not read. */
  private static Integer[] slots(Optional<Instant> from, Instant until) {
    long last = day(until);
    long first = Math.max(last - 31, from.map(ReplaySql::day).orElse(Long.MIN_VALUE));
    return LongStream.rangeClosed(first, last)
        .mapToObj(day -> (int) Math.floorMod(day, 32L))
        .toArray(Integer[]::new);
  }

  private static long day(Instant at) {
    return Math.floorDiv(at.getEpochSecond(), 86_400L);
  }

  private static Field<String> text(Optional<String> text) {
    return DSL.cast(val(text.orElse(null), SQLDataType.CLOB), SQLDataType.CLOB);
  }

  private static Field<OffsetDateTime> moment(Optional<Instant> at) {
    Param<OffsetDateTime> value =
        val(
            at.map(instant -> instant.atOffset(ZoneOffset.UTC)).orElse(null),
            SQLDataType.TIMESTAMPWITHTIMEZONE);
    return DSL.cast(value, SQLDataType.TIMESTAMPWITHTIMEZONE);
  }
}
