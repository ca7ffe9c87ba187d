package dev.pgbelay.outbox.route;

import static org.jooq.impl.DSL.val;

import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** {@code {0}} are the routes, {@code {1}} the destinations, {@code {2}} their lanes. */
class RouteSql {
  /** Looks first: each attempt to insert uses up one of 32,767 numbers. */
  private static final String MAKE_DESTINATION =
      """
      WITH made AS (
        INSERT INTO {1} (name)
        SELECT {3} WHERE NOT EXISTS (SELECT FROM {1} WHERE name = {3})
            ON CONFLICT (name) DO NOTHING RETURNING id)
      INSERT INTO {2} (destination, lane)
      SELECT made.id, CAST(numbered.lane AS smallint)
        FROM made CROSS JOIN generate_series(0, 31) AS numbered(lane)\
      """;

  private static final String ADD =
      """
      INSERT INTO {0} (topic, destination)
      SELECT {3}, d.id FROM {1} AS d WHERE d.name = {4}
      ON CONFLICT (topic, destination) DO NOTHING\
      """;

  private static final String REMOVE =
      """
      DELETE FROM {0} AS r
       USING {1} AS d
       WHERE d.id = r.destination AND r.topic = {3} AND d.name = {4}\
      """;

  private static final String LIST =
      """
      SELECT r.topic, d.name
        FROM {0} AS r JOIN {1} AS d ON d.id = r.destination
       ORDER BY r.topic, d.name\
      """;

  private final Table<?> route;
  private final Table<?> destination;
  private final Table<?> lane;

  RouteSql(String schema) {
    this.route = DSL.table(DSL.name(schema, "outbox_route"));
    this.destination = DSL.table(DSL.name(schema, "outbox_destination"));
    this.lane = DSL.table(DSL.name(schema, "outbox_lane"));
  }

  /** With all its lanes, unless it is there. */
  void makeDestination(DSLContext dsl, String name) {
    dsl.query(MAKE_DESTINATION, route, destination, lane, val(name)).execute();
  }

  int add(DSLContext dsl, String topic, String name) {
    return dsl.query(ADD, route, destination, lane, val(topic), val(name)).execute();
  }

  int remove(DSLContext dsl, String topic, String name) {
    return dsl.query(REMOVE, route, destination, lane, val(topic), val(name)).execute();
  }

  List<Route> list(DSLContext dsl) {
    return dsl.resultQuery(LIST, route, destination, lane)
        .fetch(row -> new Route(row.get(0, String.class), row.get(1, String.class)));
  }
}
