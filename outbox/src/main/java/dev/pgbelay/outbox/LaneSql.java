package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.Fence;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.UUID;

/** The statements about who delivers which lane. */
final class LaneSql {

  private static final String MAKE =
      """
      INSERT INTO <lane> (destination, lane)
      SELECT CAST(? AS smallint), n FROM generate_series(0, 31) AS n
      ON CONFLICT (destination, lane) DO NOTHING\
      """;

  private static final String COUNT_RELAYS =
      """
      SELECT count(*), coalesce(bool_or(claimant = ?), false),
             EXISTS (SELECT FROM <lane> AS l
                      WHERE l.destination = ? AND l.claimant = ?
                        AND l.lane <> ALL (CAST(? AS smallint[])))
        FROM <relay>
       WHERE CAST(? AS smallint) = ANY (destinations) AND expires_at > clock_timestamp()\
      """;

  /**
   * All who take or release lanes of a destination queue here, in one order. What is read behind
   * it, by the next statement, is what holds.
   */
  private static final String LOCK =
      "SELECT lane FROM <lane> WHERE destination = ? ORDER BY lane FOR NO KEY UPDATE";

  private static final String TAKE =
      """
      WITH me AS MATERIALIZED (SELECT claimant FROM <relay> WHERE claimant = ? FOR KEY SHARE)
      UPDATE <lane> AS l
         SET claimant = me.claimant, claim_number = ?, claimed_at = clock_timestamp()
        FROM me
       WHERE l.destination = ?
         AND l.lane = ANY (ARRAY(
               SELECT f.lane FROM <lane> AS f
                WHERE f.destination = ?
                  AND NOT EXISTS (SELECT FROM <relay> AS r WHERE r.claimant = f.claimant)
                ORDER BY f.lane
                LIMIT ?))
      RETURNING l.lane\
      """;

  private static final String RELEASE =
      """
      UPDATE <lane>
         SET claimant = NULL, claim_number = NULL, claimed_at = NULL
       WHERE destination = ? AND claimant = ? AND lane = ANY (CAST(? AS smallint[]))\
      """;

  private static final String RELEASE_OTHERS =
      """
      UPDATE <lane>
         SET claimant = NULL, claim_number = NULL, claimed_at = NULL
       WHERE destination = ? AND claimant = ? AND lane <> ALL (CAST(? AS smallint[]))\
      """;

  private final String make;
  private final String countRelays;
  private final String lock;
  private final String take;
  private final String release;
  private final String releaseOthers;

  LaneSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.make = tables.fill(MAKE);
    this.countRelays = tables.fill(COUNT_RELAYS);
    this.lock = tables.fill(LOCK);
    this.take = tables.fill(TAKE);
    this.release = tables.fill(RELEASE);
    this.releaseOthers = tables.fill(RELEASE_OTHERS);
  }

  void make(Connection connection, short destination) throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(make)) {
      insert.setShort(1, destination);
      insert.executeUpdate();
    }
  }

  /**
   * Who shares a destination.
   *
   * @param relays how many are alive
   * @param registered whether the one that asks is among them
   * @param hasOthers whether it has lanes that it does not know of
   */
  record Sharing(int relays, boolean registered, boolean hasOthers) {}

  Sharing countRelays(
      Connection connection, UUID claimant, short destination, Collection<Integer> known)
      throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(countRelays)) {
      select.setObject(1, claimant);
      select.setShort(2, destination);
      select.setObject(3, claimant);
      select.setArray(4, connection.createArrayOf("smallint", known.toArray()));
      select.setShort(5, destination);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        return new Sharing(row.getInt(1), row.getBoolean(2), row.getBoolean(3));
      }
    }
  }

  /** Up to so many lanes that nobody has; none if the relay was retired. */
  List<Integer> take(Connection connection, Fence fence, short destination, int most)
      throws SQLException {
    lock(connection, destination);
    List<Integer> taken = new ArrayList<>();
    try (PreparedStatement update = connection.prepareStatement(take)) {
      int next = fence.bind(update, 1);
      update.setShort(next++, destination);
      update.setShort(next++, destination);
      update.setInt(next, most);
      try (ResultSet row = update.executeQuery()) {
        while (row.next()) {
          taken.add(row.getInt(1));
        }
      }
    }
    return taken;
  }

  void release(Connection connection, UUID claimant, short destination, Collection<Integer> lanes)
      throws SQLException {
    release(connection, release, claimant, destination, lanes);
  }

  /** All that the relay has but these. */
  void releaseOthers(
      Connection connection, UUID claimant, short destination, Collection<Integer> known)
      throws SQLException {
    release(connection, releaseOthers, claimant, destination, known);
  }

  private void release(
      Connection connection,
      String sql,
      UUID claimant,
      short destination,
      Collection<Integer> lanes)
      throws SQLException {
    lock(connection, destination);
    try (PreparedStatement update = connection.prepareStatement(sql)) {
      update.setShort(1, destination);
      update.setObject(2, claimant);
      update.setArray(3, connection.createArrayOf("smallint", lanes.toArray()));
      update.executeUpdate();
    }
  }

  private void lock(Connection connection, short destination) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(lock)) {
      select.setShort(1, destination);
      select.executeQuery().close();
    }
  }
}
