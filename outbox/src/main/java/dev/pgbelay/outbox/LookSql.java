package dev.pgbelay.outbox;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.StoredHeaders;
import dev.pgbelay.outbox.LaneMessage.Content;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The statements that find messages. A look is one statement, so one snapshot: where the producers
 * of a key commit one after the other, whoever sees a message of it sees all before it.
 *
 * <p>Payloads that are large stay in the database until they are delivered: what is in memory is
 * bounded in bytes by that, too. Their length is known without unpacking them.
 */
final class LookSql {
  /** What is read of a message. */
  static final String COLUMNS =
      """
      %1$s.lane, %1$s.id, %1$s.message_id, %1$s.topic, %1$s.key, %1$s.type, %1$s.headers,
             CAST(extract(epoch FROM %1$s.appended_at) * 1000000 AS bigint) AS appended, %1$s.replay,
             CASE WHEN octet_length(%1$s.payload) <= 4096 THEN %1$s.payload END AS payload\
      """;

  /** In the order of the lanes, and of ids within each. */
  private static final String LOOK =
      """
      SELECT m.*
        FROM unnest(CAST(? AS smallint[]), CAST(? AS bigint[]), CAST(? AS integer[]))
               AS l (lane, mark, most)
       CROSS JOIN LATERAL (
             SELECT \
      """
          + COLUMNS.formatted("m")
          + """
      , m.ctid
               FROM <message> AS m
              WHERE m.destination = ? AND m.lane = l.lane AND m.id >= l.mark
                AND m.id <> ALL (CAST(? AS bigint[]))
                <but not>
              ORDER BY m.id
              LIMIT l.most) AS m\
      """;

  private static final String BUT_NOT_FULL_KEYS =
      "AND (m.key IS NULL OR m.key <> ALL (CAST(? AS text[])))";

  private static final String READ_PAYLOADS =
      """
      SELECT m.id, m.payload FROM <message> AS m
       WHERE m.destination = ? AND m.lane = ? AND m.id = ANY (CAST(? AS bigint[]))\
      """;

  private static final String READ_HELD_PAYLOADS =
      """
      SELECT h.id, h.payload FROM <held> AS h
       WHERE h.destination = ? AND h.lane = ? AND h.hold_key = ?
         AND h.id = ANY (CAST(? AS bigint[]))\
      """;

  private final String look;
  private final String lookWithout;
  private final String readPayloads;
  private final String readHeldPayloads;

  LookSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.look = tables.fill(LOOK.replace("<but not>", ""));
    this.lookWithout = tables.fill(LOOK.replace("<but not>", BUT_NOT_FULL_KEYS));
    this.readPayloads = tables.fill(READ_PAYLOADS);
    this.readHeldPayloads = tables.fill(READ_HELD_PAYLOADS);
  }

  Commit<List<LaneMessage>> look(
      Transactions transactions, TxOptions options, short destination, LookPlan plan)
      throws SQLException {
    boolean all = plan.fullKeys().isEmpty();
    return transactions.commitStatement(
        options,
        all ? look : lookWithout,
        select -> bind(select, destination, plan),
        select -> read(select, plan.lanes()));
  }

  private static void bind(PreparedStatement select, short destination, LookPlan plan)
      throws SQLException {
    PgDriver.planEachTime(select);
    List<LaneClaim> lanes = plan.lanes();
    Connection connection = select.getConnection();
    select.setArray(
        1,
        connection.createArrayOf(
            "smallint", lanes.stream().map(one -> (short) one.lane).toArray(Short[]::new)));
    select.setArray(
        2,
        connection.createArrayOf(
            "bigint", lanes.stream().map(one -> one.begin).toArray(Long[]::new)));
    select.setArray(
        3,
        connection.createArrayOf(
            "integer", lanes.stream().map(one -> one.share).toArray(Integer[]::new)));
    select.setShort(4, destination);
    select.setArray(5, connection.createArrayOf("bigint", plan.excluded().toArray(Long[]::new)));
    if (!plan.fullKeys().isEmpty()) {
      select.setArray(
          6,
          connection.createArrayOf(
              "text", plan.fullKeys().values().stream().flatMap(Set::stream).toArray()));
    }
  }

  /** What a look reads; tests hold its bounds. */
  String explain(Connection connection, short destination, LookPlan plan) throws SQLException {
    String sql = plan.fullKeys().isEmpty() ? look : lookWithout;
    try (PreparedStatement explain =
        connection.prepareStatement("EXPLAIN (ANALYZE, BUFFERS) " + sql)) {
      bind(explain, destination, plan);
      StringBuilder lines = new StringBuilder();
      try (ResultSet row = explain.executeQuery()) {
        while (row.next()) {
          lines.append(row.getString(1)).append('\n');
        }
      }
      return lines.toString();
    }
  }

  private static List<LaneMessage> read(PreparedStatement select, List<LaneClaim> lanes)
      throws SQLException {
    Map<Integer, LaneClaim> byNumber = new HashMap<>();
    lanes.forEach(lane -> byNumber.put(lane.lane, lane));
    List<LaneMessage> rows = new ArrayList<>();
    try (ResultSet row = select.getResultSet()) {
      while (row.next()) {
        LaneClaim lane = byNumber.get(row.getInt(1));
        if (lane != null) {
          rows.add(
              new LaneMessage(
                  lane, row.getLong(2), row.getString(11), content(row), row.getBytes(10)));
        }
      }
    }
    return rows;
  }

  /** From {@link #COLUMNS}. */
  static Content content(ResultSet row) throws SQLException {
    return new Content(
        row.getString(3),
        row.getString(4),
        row.getString(5),
        row.getString(6),
        headers(row.getArray(7)),
        row.getLong(8),
        row.getBoolean(9));
  }

  private static Map<String, String> headers(@Nullable Array array) throws SQLException {
    return array == null ? Map.of() : StoredHeaders.read(List.of((String[]) array.getArray()));
  }

  /** Payloads by id; those whose row is gone are missing. */
  Map<Long, byte[]> payloads(
      Transactions transactions, TxOptions options, short destination, List<LaneMessage> messages)
      throws SQLException {
    Map<Long, byte[]> found = new HashMap<>();
    Map<LaneQueue, List<Long>> held = new HashMap<>();
    Map<Integer, List<Long>> others = new HashMap<>();
    for (LaneMessage message : messages) {
      LaneQueue queue = message.queue;
      if (queue != null && queue.held) {
        held.computeIfAbsent(queue, absent -> new ArrayList<>()).add(message.id);
      } else {
        others.computeIfAbsent(message.lane.lane, absent -> new ArrayList<>()).add(message.id);
      }
    }
    for (Map.Entry<LaneQueue, List<Long>> each : held.entrySet()) {
      found.putAll(
          transactions.runStatement(
              options,
              readHeldPayloads,
              select -> {
                select.setShort(1, destination);
                select.setInt(2, each.getKey().lane.lane);
                select.setString(3, each.getKey().holdKey);
                select.setArray(
                    4, select.getConnection().createArrayOf("bigint", each.getValue().toArray()));
              },
              LookSql::payloads));
    }
    for (Map.Entry<Integer, List<Long>> each : others.entrySet()) {
      found.putAll(
          transactions.runStatement(
              options,
              readPayloads,
              select -> {
                select.setShort(1, destination);
                select.setInt(2, each.getKey());
                select.setArray(
                    3, select.getConnection().createArrayOf("bigint", each.getValue().toArray()));
              },
              LookSql::payloads));
    }
    return found;
  }

  private static Map<Long, byte[]> payloads(PreparedStatement select) throws SQLException {
    Map<Long, byte[]> found = new HashMap<>();
    try (ResultSet row = select.getResultSet()) {
      while (row.next()) {
        found.put(row.getLong(1), row.getBytes(2));
      }
    }
    return found;
  }
}
