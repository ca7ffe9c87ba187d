package dev.pgbelay.outbox.testing;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.StoredHeaders;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** {@code {0}} are the messages, {@code {1}} the destinations. */
class TestKitSql {
  /**
   * What is visible here and written by a transaction that runs is written by this one, be it under
   * a savepoint. A number of 32 bits is of the last transaction that had it.
   */
  private static final String LIST =
      """
      SELECT min(m.id) AS id, m.message_id, m.topic, m.key, m.type, m.headers, m.payload,
             m.replay, array_agg(d.name ORDER BY d.name) AS destinations
        FROM {0} AS m JOIN {1} AS d ON d.id = m.destination
             CROSS JOIN (
               SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)
                        AS number) AS now
       WHERE NOT {2}
          OR pg_xact_status(CAST(CAST(greatest(3,
               now.number
                 + (CAST(CAST(m.xmin AS text) AS bigint) - (now.number & 4294967295) + 6442450944)
                     % 4294967296
                 - 2147483648) AS text) AS xid8)) = 'in progress'
       GROUP BY m.message_id, m.topic, m.key, m.type, m.headers, m.payload, m.replay
       ORDER BY 1\
      """;

  private final Table<?> message;
  private final Table<?> destination;

  TestKitSql(String schema) {
    this.message = DSL.table(DSL.name(schema, "outbox_message"));
    this.destination = DSL.table(DSL.name(schema, "outbox_destination"));
  }

  List<AppendedMessage> list(DSLContext dsl, boolean ofTransaction) {
    return dsl.resultQuery(LIST, message, destination, val(ofTransaction))
        .fetch(TestKitSql::message);
  }

  private static AppendedMessage message(Record row) {
    String[] headers = row.get("headers", String[].class);
    return new AppendedMessage(
        row.get("message_id", String.class),
        row.get("topic", String.class),
        Optional.ofNullable(row.get("key", String.class)),
        Optional.ofNullable(row.get("type", String.class)),
        StoredHeaders.read(headers == null ? List.of() : List.of(headers)),
        row.get("payload", byte[].class),
        Set.of(row.get("destinations", String[].class)),
        row.get("replay", Boolean.class));
  }
}
