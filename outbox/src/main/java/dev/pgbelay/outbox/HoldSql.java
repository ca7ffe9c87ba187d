package dev.pgbelay.outbox;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The statements about keys that are held. Those that write are all sent in one transaction behind
 * {@link #fence}, whose lock lasts until its commit.
 */
final class HoldSql {
  private static final String FENCE = AckSql.FENCE + "\nSELECT lane FROM mine";

  private static final String LIST_KEYS =
      """
      SELECT k.lane, k.hold_key FROM <held key> AS k
       WHERE k.destination = ? AND k.lane = ANY (CAST(? AS smallint[]))
         AND k.hold_key LIKE 'k:%'\
      """;

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

  /** A key that somebody has freed meanwhile is held anew, and due at once. */
  private static final String KEEP_KEYS =
      """
      INSERT INTO <held key> AS k (destination, lane, hold_key, attempts, next_at, reason)
      SELECT CAST(? AS smallint), g.lane, g.hold_key, 0, clock_timestamp(), ''
        FROM (SELECT DISTINCT lane, hold_key
                FROM unnest(CAST(? AS smallint[]), CAST(? AS text[])) AS u (lane, hold_key)) AS g
      ON CONFLICT (destination, lane, hold_key) DO UPDATE SET attempts = k.attempts\
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

  /** The first message alone where it has failed before: those behind it wait for it. */
  private static final String LIST_DUE =
      """
      SELECT h.*, k.lane AS of_lane, k.hold_key, k.attempts
        FROM (SELECT * FROM <held key> AS k
               WHERE k.destination = ? AND k.next_at <= statement_timestamp()
                 AND k.lane = ANY (CAST(? AS smallint[]))
                 AND k.hold_key <> ALL (CAST(? AS text[]))
               ORDER BY k.next_at
               LIMIT 200) AS k
        LEFT JOIN LATERAL (
             SELECT \
      """
          + LookSql.COLUMNS.formatted("h")
          + """

               FROM <held> AS h
              WHERE h.destination = k.destination AND h.lane = k.lane AND h.hold_key = k.hold_key
              ORDER BY h.id
              LIMIT CASE WHEN k.attempts > 0 THEN 1 ELSE 100 END) AS h ON true
       ORDER BY k.next_at, k.hold_key, h.id\
      """;

  private static final String UNTIL_DUE =
      """
      SELECT CAST(extract(epoch FROM min(k.next_at) - clock_timestamp()) * 1000 AS bigint)
        FROM <held key> AS k
       WHERE k.destination = ? AND k.next_at IS NOT NULL
         AND k.lane = ANY (CAST(? AS smallint[])) AND k.hold_key <> ALL (CAST(? AS text[]))\
      """;

  private final String fence;
  private final String listKeys;
  private final String move;
  private final String keepKeys;
  private final String holdKeys;
  private final String deleteDelivered;
  private final String bury;
  private final String resumeKeys;
  private final String freeKeys;
  private final String listDue;
  private final String untilDue;

  HoldSql(String schema) {
    this(schema, FENCE);
  }

  /** With another fence: tests show that without it the statements do harm. */
  HoldSql(String schema, String fence) {
    TablesSql tables = new TablesSql(schema);
    this.fence = tables.fill(fence);
    this.listKeys = tables.fill(LIST_KEYS);
    this.move = tables.fill(MOVE);
    this.keepKeys = tables.fill(KEEP_KEYS);
    this.holdKeys = tables.fill(HOLD_KEYS);
    this.deleteDelivered = tables.fill(DELETE_DELIVERED);
    this.bury = tables.fill(BURY);
    this.resumeKeys = tables.fill(RESUME_KEYS);
    this.freeKeys = tables.fill(FREE_KEYS);
    this.listDue = tables.fill(LIST_DUE);
    this.untilDue = tables.fill(UNTIL_DUE);
  }

  /** Keys of these lanes that are held. */
  Map<String, LaneClaim> keys(Connection connection, short destination, List<LaneClaim> claims)
      throws SQLException {
    Map<Integer, LaneClaim> byNumber = byNumber(claims);
    Map<String, LaneClaim> keys = new HashMap<>();
    try (PreparedStatement select = connection.prepareStatement(listKeys)) {
      select.setShort(1, destination);
      select.setArray(2, lanes(connection, claims));
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          LaneClaim claim = byNumber.get(row.getInt(1));
          if (claim != null) {
            keys.put(row.getString(2), claim);
          }
        }
      }
    }
    return keys;
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

  void deleteDelivered(Connection connection, short destination, Collection<LaneMessage> messages)
      throws SQLException {
    try (PreparedStatement delete = prepare(connection, deleteDelivered)) {
      bindMessages(connection, delete, messages);
      delete.setShort(4, destination);
      delete.executeUpdate();
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

  /** A key whose pause is over, with its first messages; none where they are gone. */
  record Due(LaneClaim lane, String holdKey, List<LaneMessage> messages) {}

  List<Due> due(
      Transactions transactions,
      TxOptions options,
      short destination,
      List<LaneClaim> claims,
      List<String> here)
      throws SQLException {
    var commit =
        transactions.commitStatement(
            options,
            listDue,
            select -> {
              PgDriver.planEachTime(select);
              bindLook(select, destination, claims, here);
            },
            select -> readDue(select, claims));
    List<Due> found = commit.value();
    CommitPosition position = commit.position().orElse(null);
    found.forEach(key -> key.messages().forEach(message -> message.position = position));
    return found;
  }

  private static List<Due> readDue(PreparedStatement select, List<LaneClaim> claims)
      throws SQLException {
    Map<Integer, LaneClaim> byNumber = byNumber(claims);
    Map<String, Due> keys = new LinkedHashMap<>();
    try (ResultSet row = select.getResultSet()) {
      while (row.next()) {
        LaneClaim claim = byNumber.get(row.getInt(11));
        if (claim == null) {
          continue;
        }
        String holdKey = row.getString(12);
        Due key =
            keys.computeIfAbsent(holdKey, absent -> new Due(claim, holdKey, new ArrayList<>()));
        long id = row.getLong(2);
        if (id != 0) {
          LaneMessage message =
              new LaneMessage(claim, id, null, LookSql.content(row), row.getBytes(10));
          message.attempt = key.messages().isEmpty() ? row.getInt(13) + 1 : 1;
          key.messages().add(message);
        }
      }
    }
    return List.copyOf(keys.values());
  }

  /** Milliseconds until the next key is due; null if none ever is. */
  @Nullable Long untilDue(
      Transactions transactions,
      TxOptions options,
      short destination,
      List<LaneClaim> claims,
      List<String> here)
      throws SQLException {
    return transactions.runStatement(
        options,
        untilDue,
        select -> bindLook(select, destination, claims, here),
        select -> {
          try (ResultSet row = select.getResultSet()) {
            row.next();
            return row.getObject(1, Long.class);
          }
        });
  }

  private static void bindLook(
      PreparedStatement select, short destination, List<LaneClaim> claims, List<String> here)
      throws SQLException {
    select.setShort(1, destination);
    select.setArray(2, lanes(select.getConnection(), claims));
    select.setArray(3, select.getConnection().createArrayOf("text", here.toArray()));
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

  private static java.sql.Array lanes(Connection connection, List<LaneClaim> claims)
      throws SQLException {
    return connection.createArrayOf(
        "smallint", claims.stream().map(one -> (short) one.lane).toArray());
  }

  private static Map<Integer, LaneClaim> byNumber(List<LaneClaim> claims) {
    Map<Integer, LaneClaim> byNumber = new HashMap<>();
    claims.forEach(claim -> byNumber.put(claim.lane, claim));
    return byNumber;
  }
}
