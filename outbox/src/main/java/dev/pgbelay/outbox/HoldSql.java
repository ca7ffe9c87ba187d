package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The statements that write about keys that are held, all of a pass in one transaction behind
 * {@link #fence}, whose lock lasts until its commit.
 */
final class HoldSql {
  private static final String FENCE = AckSql.FENCE + "\nSELECT lane FROM mine";

  private static final String MOVE =
      """
      WITH given AS MATERIALIZED (
        SELECT g.lane, g.id, g.hold_key
          FROM unnest(CAST(? AS smallint[]), CAST(? AS bigint[]), CAST(? AS text[]))
                 AS g (lane, id, hold_key)),
      moved AS (
        DELETE FROM <message> AS m
         USING given AS g
         WHERE m.destination = ? AND m.lane = g.lane AND m.id = g.id
        RETURNING m.id, m.appended_at, m.destination, m.lane, m.replay, m.message_id, m.topic,
                  m.key, g.hold_key, m.type, m.headers, m.payload)
      INSERT INTO <held> (id, appended_at, destination, lane, replay, message_id, topic, key,
                          hold_key, type, headers, payload)
      SELECT * FROM moved\
      """;

  /**
   * A key that somebody has freed meanwhile is held anew, and due at once. Attempts are those of
   * the first message: one that comes to stand in front of it, since it was committed late, has had
   * none.
   */
  private static final String KEEP_KEYS =
      """
      INSERT INTO <held key> AS k (destination, lane, hold_key, attempts, next_at, reason)
      SELECT CAST(? AS smallint), g.lane, g.hold_key, 0, clock_timestamp(), ''
        FROM (SELECT DISTINCT lane, hold_key
                FROM unnest(CAST(? AS smallint[]), CAST(? AS text[])) AS u (lane, hold_key)) AS g
      ON CONFLICT (destination, lane, hold_key) DO UPDATE
         SET attempts = CASE WHEN (SELECT min(h.id) FROM <held> AS h
                                    WHERE h.destination = k.destination AND h.lane = k.lane
                                      AND h.hold_key = k.hold_key) = ANY (CAST(? AS bigint[]))
                             THEN 0 ELSE k.attempts END\
      """;

  private static final String HOLD_KEYS =
      """
      INSERT INTO <held key> AS k (destination, lane, hold_key, attempts, next_at, reason)
      SELECT CAST(? AS smallint), g.lane, g.hold_key, g.attempts,
             clock_timestamp() + g.pause * interval '1 millisecond', g.reason
        FROM unnest(CAST(? AS smallint[]), CAST(? AS text[]), CAST(? AS integer[]),
                    CAST(? AS bigint[]), CAST(? AS text[]))
               AS g (lane, hold_key, attempts, pause, reason)
      ON CONFLICT (destination, lane, hold_key) DO UPDATE
         SET attempts = excluded.attempts, next_at = excluded.next_at, reason = excluded.reason\
      """;

  private static final String DELETE_DELIVERED =
      """
      DELETE FROM <held> AS h
       USING unnest(CAST(? AS smallint[]), CAST(? AS bigint[]), CAST(? AS text[]))
               AS g (lane, id, hold_key)
       WHERE h.destination = ? AND h.lane = g.lane AND h.hold_key = g.hold_key AND h.id = g.id\
      """;

  private static final String KEEP_DELIVERED =
      "WITH gone AS (\n"
          + DELETE_DELIVERED
          + "\nRETURNING "
          + PublishedSql.gone("h")
          + ")"
          + PublishedSql.KEEP
          + "\nSELECT count(*) FROM gone";

  private static final String BURY =
      """
      WITH moved AS (
        DELETE FROM <held> AS h
         USING unnest(CAST(? AS smallint[]), CAST(? AS bigint[]), CAST(? AS text[]),
                      CAST(? AS integer[]), CAST(? AS text[]))
                 AS g (lane, id, hold_key, attempts, reason)
         WHERE h.destination = ? AND h.lane = g.lane AND h.hold_key = g.hold_key AND h.id = g.id
        RETURNING h.id, h.destination, h.appended_at, h.lane, g.attempts, g.reason, h.replay,
                  h.message_id, h.topic, h.key, h.type, h.headers, h.payload)
      INSERT INTO <dead> (id, destination, appended_at, lane, attempts, reason, replay, message_id,
                          topic, key, type, headers, payload)
      SELECT * FROM moved
      ON CONFLICT (destination, id) DO NOTHING\
      """;

  /** Those of which nothing is held go; the others are due. */
  private static final String RESUME_KEYS =
      """
      UPDATE <held key> AS k
         SET attempts = 0, next_at = clock_timestamp(), reason = ''
        FROM unnest(CAST(? AS smallint[]), CAST(? AS text[])) AS g (lane, hold_key)
       WHERE k.destination = ? AND k.lane = g.lane AND k.hold_key = g.hold_key\
      """;

  private static final String FREE_KEYS =
      """
      DELETE FROM <held key> AS k
       USING unnest(CAST(? AS smallint[]), CAST(? AS text[])) AS g (lane, hold_key)
       WHERE k.destination = ? AND k.lane = g.lane AND k.hold_key = g.hold_key
         AND NOT EXISTS (SELECT FROM <held> AS h
                          WHERE h.destination = k.destination AND h.lane = k.lane
                            AND h.hold_key = k.hold_key)
      RETURNING k.hold_key\
      """;

  private final String fence;
  private final String move;
  private final String keepKeys;
  private final String holdKeys;
  private final String deleteDelivered;
  private final String keepDelivered;
  private final String bury;
  private final String resumeKeys;
  private final String freeKeys;

  HoldSql(String schema) {
    this(schema, FENCE);
  }

  /** With another fence: tests show that without it the statements do harm. */
  HoldSql(String schema, String fence) {
    TablesSql tables = new TablesSql(schema);
    this.fence = tables.fill(fence);
    this.move = tables.fill(MOVE);
    this.keepKeys = tables.fill(KEEP_KEYS);
    this.holdKeys = tables.fill(HOLD_KEYS);
    this.deleteDelivered = tables.fill(DELETE_DELIVERED);
    this.keepDelivered = tables.fill(KEEP_DELIVERED);
    this.bury = tables.fill(BURY);
    this.resumeKeys = tables.fill(RESUME_KEYS);
    this.freeKeys = tables.fill(FREE_KEYS);
  }

  /** Whether all of these lanes are this relay's, until the transaction ends. */
  boolean fence(Connection connection, short destination, Set<LaneClaim> claims)
      throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(fence)) {
      AckSql.bindFence(select, destination, claims);
      Set<Integer> mine = new HashSet<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          mine.add(row.getInt(1));
        }
      }
      return claims.stream().allMatch(claim -> mine.contains(claim.lane));
    }
  }

  /** Messages of keys that are held go there; {@link #keepKeys} or {@link #holdKeys} follows. */
  void move(Connection connection, short destination, Collection<LaneMessage> messages)
      throws SQLException {
    try (PreparedStatement update = prepare(connection, move)) {
      bindMessages(connection, update, messages);
      update.setShort(4, destination);
      update.executeUpdate();
    }
  }

  void keepKeys(Connection connection, short destination, Collection<LaneMessage> messages)
      throws SQLException {
    try (PreparedStatement insert = prepare(connection, keepKeys)) {
      insert.setShort(1, destination);
      insert.setArray(
          2,
          connection.createArrayOf(
              "smallint", messages.stream().map(one -> (short) one.lane.lane).toArray()));
      insert.setArray(
          3,
          connection.createArrayOf("text", messages.stream().map(LaneMessage::holdKey).toArray()));
      insert.setArray(
          4, connection.createArrayOf("bigint", messages.stream().map(one -> one.id).toArray()));
      insert.executeUpdate();
    }
  }

  /**
   * What is to become of a key.
   *
   * @param pauseMillis null to park it
   */
  record KeyState(
      LaneClaim lane, String holdKey, int attempts, @Nullable Long pauseMillis, String reason) {}

  void holdKeys(Connection connection, short destination, List<KeyState> keys) throws SQLException {
    try (PreparedStatement insert = prepare(connection, holdKeys)) {
      insert.setShort(1, destination);
      insert.setArray(
          2,
          connection.createArrayOf(
              "smallint", keys.stream().map(one -> (short) one.lane().lane).toArray()));
      insert.setArray(
          3, connection.createArrayOf("text", keys.stream().map(KeyState::holdKey).toArray()));
      insert.setArray(
          4, connection.createArrayOf("integer", keys.stream().map(KeyState::attempts).toArray()));
      insert.setArray(
          5,
          connection.createArrayOf("bigint", keys.stream().map(KeyState::pauseMillis).toArray()));
      insert.setArray(
          6, connection.createArrayOf("text", keys.stream().map(KeyState::reason).toArray()));
      insert.executeUpdate();
    }
  }

  /**
   * Messages that were held and are delivered.
   *
   * @param keep whether they are to be among the published messages
   */
  void takeDelivered(
      Connection connection, short destination, boolean keep, Collection<LaneMessage> messages)
      throws SQLException {
    try (PreparedStatement delete = prepare(connection, keep ? keepDelivered : deleteDelivered)) {
      bindMessages(connection, delete, messages);
      delete.setShort(4, destination);
      boolean ignored = delete.execute();
    }
  }

  /** A message that is given up. */
  record Dead(LaneMessage message, String holdKey, int attempts, String reason) {}

  void bury(Connection connection, short destination, List<Dead> dead) throws SQLException {
    try (PreparedStatement update = prepare(connection, bury)) {
      update.setArray(
          1,
          connection.createArrayOf(
              "smallint", dead.stream().map(one -> (short) one.message().lane.lane).toArray()));
      update.setArray(
          2,
          connection.createArrayOf("bigint", dead.stream().map(one -> one.message().id).toArray()));
      update.setArray(
          3, connection.createArrayOf("text", dead.stream().map(Dead::holdKey).toArray()));
      update.setArray(
          4, connection.createArrayOf("integer", dead.stream().map(Dead::attempts).toArray()));
      update.setArray(
          5, connection.createArrayOf("text", dead.stream().map(Dead::reason).toArray()));
      update.setShort(6, destination);
      update.executeUpdate();
    }
  }

  /** Keys whose first messages are gone; returns those that are not held any more. */
  Set<String> resume(Connection connection, short destination, Map<String, LaneClaim> keys)
      throws SQLException {
    try (PreparedStatement update = prepare(connection, resumeKeys)) {
      bindKeys(connection, update, destination, keys);
      update.executeUpdate();
    }
    Set<String> freed = new HashSet<>();
    try (PreparedStatement delete = prepare(connection, freeKeys)) {
      bindKeys(connection, delete, destination, keys);
      try (ResultSet row = delete.executeQuery()) {
        while (row.next()) {
          freed.add(row.getString(1));
        }
      }
    }
    return freed;
  }

  private static void bindKeys(
      Connection connection,
      PreparedStatement update,
      short destination,
      Map<String, LaneClaim> keys)
      throws SQLException {
    List<Short> lanes = new ArrayList<>();
    keys.values().forEach(claim -> lanes.add((short) claim.lane));
    update.setArray(1, connection.createArrayOf("smallint", lanes.toArray()));
    update.setArray(2, connection.createArrayOf("text", keys.keySet().toArray()));
    update.setShort(3, destination);
  }

  private static PreparedStatement prepare(Connection connection, String sql) throws SQLException {
    PreparedStatement prepared = connection.prepareStatement(sql);
    PgDriver.planEachTime(prepared);
    return prepared;
  }

  private static void bindMessages(
      Connection connection, PreparedStatement update, Collection<LaneMessage> messages)
      throws SQLException {
    update.setArray(
        1,
        connection.createArrayOf(
            "smallint", messages.stream().map(one -> (short) one.lane.lane).toArray()));
    update.setArray(
        2, connection.createArrayOf("bigint", messages.stream().map(one -> one.id).toArray()));
    update.setArray(
        3, connection.createArrayOf("text", messages.stream().map(HoldSql::holdKeyOf).toArray()));
  }

  /** Under which it is held, or is to be. */
  private static String holdKeyOf(LaneMessage message) {
    LaneQueue queue = message.queue;
    return queue == null ? message.holdKey() : queue.holdKey;
  }
}
