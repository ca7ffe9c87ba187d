package dev.pgbelay.outbox.health;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.DayRing;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements of the monitor. Each reads a bounded number of rows, along an index. */
final class HealthSql {
  private static final int LANES = 32;

  /** {0} destinations, {1} routes, {2} relays, {3} lanes. */
  private static final String READ_SERVICE =
      """
      SELECT d.id, d.name,
             EXISTS (SELECT FROM {1} AS r WHERE r.destination = d.id) AS routed,
             alive.relays, alive.paused, alive.refused,
             CAST(extract(epoch FROM clock_timestamp() - alive.delivered_at) * 1000 AS bigint)
               AS delivered,
             (SELECT count(*) FROM {3} AS l
               WHERE l.destination = d.id
                 AND EXISTS (SELECT FROM {2} AS a
                              WHERE a.claimant = l.claimant AND a.expires_at > clock_timestamp()))
               AS owned
        FROM {0} AS d
             CROSS JOIN LATERAL (
               SELECT count(*) AS relays,
                      count(*) FILTER (WHERE d.id = ANY (a.paused)) AS paused,
                      count(*) FILTER (WHERE d.id = ANY (a.refused)) AS refused,
                      max((SELECT max(t.at)
                             FROM unnest(a.delivered_to, a.delivered_at) AS t(destination, at)
                            WHERE t.destination = d.id)) AS delivered_at
                 FROM {2} AS a
                WHERE d.id = ANY (a.destinations) AND a.expires_at > clock_timestamp()) AS alive
       ORDER BY d.id
       LIMIT 1000\
      """;

  /** {0} relays. */
  private static final String COUNT_RELAYS =
      "SELECT count(*) FROM {0} WHERE expires_at > clock_timestamp()";

  /** {0} messages, {1} destinations, {2} the limit of each. */
  static final String COUNT_WAITING =
      """
      SELECT d.id, w.topic, w.replay, count(*) AS messages
        FROM {1} AS d
             CROSS JOIN LATERAL (
               SELECT m.topic, m.replay FROM {0} AS m
                WHERE m.destination = d.id
                ORDER BY m.lane, m.id
                LIMIT {2}) AS w
       GROUP BY d.id, w.topic, w.replay\
      """;

  /** What is oldest stands in front of its lane. {2} is the limit of each lane. */
  static final String READ_FRONTS =
      """
      SELECT d.id, front.topic,
             CAST(extract(epoch FROM clock_timestamp() - min(front.appended_at)) * 1000 AS bigint)
               AS age
        FROM {1} AS d
             CROSS JOIN generate_series(0, 31) AS n(lane)
             CROSS JOIN LATERAL (
               SELECT m.topic, m.replay, m.appended_at FROM {0} AS m
                WHERE m.destination = d.id AND m.lane = CAST(n.lane AS smallint)
                ORDER BY m.id
                LIMIT {2}) AS front
       WHERE NOT front.replay
       GROUP BY d.id, front.topic\
      """;

  /** {0} held keys, {1} held messages, {2} dead letters, {3} destinations, {4} the limit. */
  static final String READ_HELD =
      """
      SELECT d.id, keys.retried, keys.parked, keys.attempts,
             CAST(extract(epoch FROM clock_timestamp() - keys.retried_since) * 1000 AS bigint)
               AS retried_age,
             CAST(extract(epoch FROM clock_timestamp() - keys.parked_since) * 1000 AS bigint)
               AS parked_age,
             held.messages,
             CAST(extract(epoch FROM clock_timestamp() - held.oldest) * 1000 AS bigint) AS age,
             dead.letters
        FROM {3} AS d
             CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE k.next_at IS NOT NULL) AS retried,
                      count(*) FILTER (WHERE k.next_at IS NULL) AS parked,
                      min(k.held_at) FILTER (WHERE k.next_at IS NOT NULL) AS retried_since,
                      min(k.held_at) FILTER (WHERE k.next_at IS NULL) AS parked_since,
                      coalesce(max(k.attempts) FILTER (WHERE k.next_at IS NOT NULL), 0) AS attempts
                 FROM (SELECT next_at, held_at, attempts FROM {0}
                        WHERE destination = d.id ORDER BY lane, hold_key LIMIT {4}) AS k) AS keys
             CROSS JOIN LATERAL (
               SELECT count(*) AS messages, min(h.appended_at) AS oldest
                 FROM (SELECT appended_at FROM {1}
                        WHERE destination = d.id
                        ORDER BY lane, hold_key, id LIMIT {4}) AS h) AS held
             CROSS JOIN LATERAL (
               SELECT count(*) AS letters
                 FROM (SELECT FROM {2} WHERE destination = d.id LIMIT {4}) AS few) AS dead\
      """;

  /** {0} destinations. */
  private static final String LONGEST_RETENTION =
      "SELECT CAST(coalesce(max(retention_days), 0) AS integer) FROM {0}";

  private final Table<?> destination;
  private final Table<?> route;
  private final Table<?> relay;
  private final Table<?> lane;
  private final Table<?> message;
  private final Table<?> heldKey;
  private final Table<?> held;
  private final Table<?> dead;
  private final DayRing published;

  HealthSql(String schema) {
    this.destination = DSL.table(DSL.name(schema, "outbox_destination"));
    this.route = DSL.table(DSL.name(schema, "outbox_route"));
    this.relay = DSL.table(DSL.name(schema, "outbox_relay"));
    this.lane = DSL.table(DSL.name(schema, "outbox_lane"));
    this.message = DSL.table(DSL.name(schema, "outbox_message"));
    this.heldKey = DSL.table(DSL.name(schema, "outbox_held_key"));
    this.held = DSL.table(DSL.name(schema, "outbox_held"));
    this.dead = DSL.table(DSL.name(schema, "outbox_dead"));
    this.published = new DayRing(schema, "outbox_published");
  }

  /** Gathers what several statements say of one destination. */
  private static final class Gathered {
    private final String name;
    private final boolean routed;
    private final ServiceFigures service;
    private final Map<String, Lag> topics = new HashMap<>();
    private HeldFigures held = HeldFigures.NONE;
    private int deadLetters;

    Gathered(Record row) {
      this.name = row.get("name", String.class);
      this.routed = row.get("routed", Boolean.class);
      this.service =
          new ServiceFigures(
              row.get("relays", Integer.class),
              LANES - row.get("owned", Integer.class),
              Duration.ZERO,
              row.get("paused", Integer.class),
              row.get("refused", Integer.class),
              millis(row, "delivered"));
    }

    void counted(Record row) {
      int messages = row.get("messages", Integer.class);
      boolean replay = row.get("replay", Boolean.class);
      topics.merge(
          row.get("topic", String.class),
          new Lag(replay ? 0 : messages, Optional.empty(), replay ? messages : 0),
          HealthSql::sum);
    }

    /** Also of a topic of which none was counted, since others are before it. */
    void oldest(Record row) {
      topics.merge(
          row.get("topic", String.class), new Lag(0, millis(row, "age"), 0), HealthSql::sum);
    }

    void held(Record row) {
      held =
          new HeldFigures(
              row.get("retried", Integer.class),
              row.get("parked", Integer.class),
              millis(row, "retried_age"),
              millis(row, "parked_age"),
              row.get("attempts", Integer.class),
              row.get("messages", Integer.class),
              millis(row, "age"));
      deadLetters = row.get("letters", Integer.class);
    }

    DestinationFigures figures() {
      Lag all = topics.values().stream().reduce(Lag.NONE, HealthSql::sum);
      return new DestinationFigures(name, routed, all, topics, held, deadLetters, service);
    }
  }

  private static Lag sum(Lag one, Lag other) {
    Optional<Duration> oldest =
        one.oldest().isEmpty()
                || other.oldest().filter(age -> age.compareTo(one.oldest().get()) > 0).isPresent()
            ? other.oldest()
            : one.oldest();
    return new Lag(one.messages() + other.messages(), oldest, one.replays() + other.replays());
  }

  /** By name; how long lanes are free is not known here. */
  Map<String, DestinationFigures> destinations(DSLContext dsl, int limit) {
    Map<Integer, Gathered> all = new LinkedHashMap<>();
    for (Record row : dsl.resultQuery(READ_SERVICE, destination, route, relay, lane).fetch()) {
      all.put(row.get("id", Integer.class), new Gathered(row));
    }
    // One that was made meanwhile is seen with the next look.
    waiting(dsl, limit).forEach(row -> of(all, row).ifPresent(gathered -> gathered.counted(row)));
    fronts(dsl, limit).forEach(row -> of(all, row).ifPresent(gathered -> gathered.oldest(row)));
    dsl.resultQuery(READ_HELD, heldKey, held, dead, destination, val(limit))
        .forEach(row -> of(all, row).ifPresent(gathered -> gathered.held(row)));
    Map<String, DestinationFigures> figures = new HashMap<>();
    all.values().forEach(gathered -> figures.put(gathered.name, gathered.figures()));
    return figures;
  }

  private List<Record> waiting(DSLContext dsl, int limit) {
    return List.copyOf(dsl.resultQuery(COUNT_WAITING, message, destination, val(limit)).fetch());
  }

  private List<Record> fronts(DSLContext dsl, int limit) {
    int ofLane = Math.max(1, limit / LANES);
    return List.copyOf(dsl.resultQuery(READ_FRONTS, message, destination, val(ofLane)).fetch());
  }

  private static Optional<Gathered> of(Map<Integer, Gathered> all, Record row) {
    return Optional.ofNullable((@Nullable Gathered) all.get(row.get("id", Integer.class)));
  }

  int relays(DSLContext dsl) {
    return dsl.resultQuery(COUNT_RELAYS, relay).fetchSingle().get(0, Integer.class);
  }

  /**
   * How many slots hold only days that no destination keeps, as relays have written it; they empty
   * them within a day.
   */
  int overdueDays(DSLContext dsl) {
    int kept = dsl.resultQuery(LONGEST_RETENTION, destination).fetchSingle().get(0, Integer.class);
    return dsl.connectionResult(
            connection -> published.expired(connection, Math.min(DayRing.MOST_DAYS, kept + 1)))
        .size();
  }

  private static Optional<Duration> millis(Record row, String column) {
    @Nullable Long millis = row.get(column, Long.class);
    return Optional.ofNullable(millis).map(is -> Duration.ofMillis(Math.max(0, is)));
  }
}
