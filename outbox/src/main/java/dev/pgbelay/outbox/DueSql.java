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
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The statements that read which keys are held, and what of them is due. */
final class DueSql {
  private static final String LIST_KEYS =
      """
      SELECT k.lane, k.hold_key FROM <held key> AS k
       WHERE k.destination = ? AND k.lane = ANY (CAST(? AS smallint[]))
         AND k.hold_key LIKE 'k:%'\
      """;

  /** How many keys one statement brings. */
  static final int MOST_KEYS = 200;

  /** The first message alone where it has failed before: those behind it wait for it. */
  private static final String LIST_DUE =
      """
      SELECT h.*, k.lane AS of_lane, k.hold_key, k.attempts
        FROM (SELECT * FROM <held key> AS k
               WHERE k.destination = ? AND k.next_at <= statement_timestamp()
                 AND k.lane = ANY (CAST(? AS smallint[]))
                 AND k.hold_key <> ALL (CAST(? AS text[]))
               ORDER BY k.next_at
               LIMIT <keys>) AS k
        LEFT JOIN LATERAL (
             SELECT \
      """
          + LookSql.COLUMNS.formatted("h")
          + """

               FROM <held> AS h
              WHERE h.destination = k.destination AND h.lane = k.lane AND h.hold_key = k.hold_key
              ORDER BY h.id
              LIMIT CASE WHEN k.attempts > 0 THEN 1 ELSE CAST(? AS integer) END) AS h ON true
       ORDER BY k.next_at, k.hold_key, h.id\
      """;

  private static final String UNTIL_DUE =
      """
      SELECT CAST(extract(epoch FROM min(k.next_at) - clock_timestamp()) * 1000 AS bigint)
        FROM <held key> AS k
       WHERE k.destination = ? AND k.next_at IS NOT NULL
         AND k.lane = ANY (CAST(? AS smallint[])) AND k.hold_key <> ALL (CAST(? AS text[]))\
      """;

  private final String listKeys;
  private final String listDue;
  private final String untilDue;

  DueSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.listKeys = tables.fill(LIST_KEYS);
    this.listDue = tables.fill(LIST_DUE.replace("<keys>", Integer.toString(MOST_KEYS)));
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

  /** A key whose pause is over, with its first messages; none where they are gone. */
  record Due(LaneClaim lane, String holdKey, List<LaneMessage> messages) {}

  List<Due> due(
      Transactions transactions,
      TxOptions options,
      short destination,
      List<LaneClaim> claims,
      List<String> here,
      int mostOfKey)
      throws SQLException {
    var commit =
        transactions.commitStatement(
            options,
            listDue,
            select -> {
              PgDriver.planEachTime(select);
              bindLook(select, destination, claims, here);
              select.setInt(4, mostOfKey);
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
