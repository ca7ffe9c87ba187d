package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;

/** The statements about relays themselves: they are kept alive, and removed when they are not. */
final class RelaySql {
  private static final String FIND_DESTINATIONS =
      "SELECT name, id FROM <destination> WHERE name = ANY (CAST(? AS text[]))";

  private static final String REGISTER =
      """
      INSERT INTO <relay> (claimant, node, expires_at, destinations)
      VALUES (?, ?, clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond',
              CAST(? AS smallint[]))
      ON CONFLICT (claimant) DO NOTHING\
      """;

  private static final String READ_DATABASE = "SELECT current_database()";

  private static final String NAME_DESTINATIONS =
      "UPDATE <relay> SET destinations = CAST(? AS smallint[]) WHERE claimant = ?";

  private static final String RENEW =
      """
      UPDATE <relay>
         SET expires_at = clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond',
             paused = CAST(? AS smallint[]),
             refused = CAST(? AS smallint[]),
             delivered_to = CAST(? AS smallint[]),
             delivered_at = ARRAY(
               SELECT clock_timestamp() - age.millis * interval '1 millisecond'
                 FROM unnest(CAST(? AS bigint[])) WITH ORDINALITY AS age (millis, n)
                ORDER BY age.n)
       WHERE claimant = ANY (CAST(? AS uuid[]))
      RETURNING claimant\
      """;

  private static final String REMOVE = "DELETE FROM <relay> WHERE claimant = ?";

  /** One that is just writing is passed over, and found the next time. */
  private static final String RETIRE_EXPIRED =
      """
      DELETE FROM <relay> AS r
       WHERE r.claimant = ANY (ARRAY(
               SELECT e.claimant FROM <relay> AS e
                WHERE e.expires_at < clock_timestamp()
                  FOR UPDATE SKIP LOCKED))\
      """;

  private final String findDestinations;
  private final String register;
  private final String nameDestinations;
  private final String renew;
  private final String remove;
  private final String retireExpired;

  RelaySql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.findDestinations = tables.fill(FIND_DESTINATIONS);
    this.register = tables.fill(REGISTER);
    this.nameDestinations = tables.fill(NAME_DESTINATIONS);
    this.renew = tables.fill(RENEW);
    this.remove = tables.fill(REMOVE);
    this.retireExpired = tables.fill(RETIRE_EXPIRED);
  }

  /** Numbers of the destinations that are known to the routes. */
  Map<String, Short> destinations(Connection connection, Collection<String> names)
      throws SQLException {
    Map<String, Short> found = new HashMap<>();
    try (PreparedStatement select = connection.prepareStatement(findDestinations)) {
      select.setArray(1, connection.createArrayOf("text", names.toArray()));
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          found.put(row.getString(1), row.getShort(2));
        }
      }
    }
    return found;
  }

  /** May be sent twice. */
  void register(
      Connection connection, UUID claimant, String node, Duration lease, Short[] destinations)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(register)) {
      insert.setObject(1, claimant);
      insert.setString(2, node);
      insert.setLong(3, lease.toMillis());
      insert.setArray(4, connection.createArrayOf("smallint", destinations));
      insert.executeUpdate();
    }
  }

  /** Which one this is. */
  String database(Connection connection) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(READ_DATABASE);
        ResultSet row = select.executeQuery()) {
      row.next();
      return row.getString(1);
    }
  }

  void nameDestinations(Connection connection, UUID claimant, Short[] destinations)
      throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(nameDestinations)) {
      update.setArray(1, connection.createArrayOf("smallint", destinations));
      update.setObject(2, claimant);
      update.executeUpdate();
    }
  }

  LeaseKeepAlive.Renewed renew(
      Connection connection, List<Fence> relays, Duration lease, List<RelayState> states)
      throws SQLException {
    Set<UUID> found = new HashSet<>();
    try (PreparedStatement update = connection.prepareStatement(renew)) {
      update.setQueryTimeout((int) Math.max(1, lease.toSeconds() / 3));
      update.setLong(1, lease.toMillis());
      update.setArray(2, numbers(connection, states, RelayState::paused));
      update.setArray(3, numbers(connection, states, RelayState::refused));
      update.setArray(4, numbers(connection, states, state -> state.sinceDelivered() != null));
      update.setArray(
          5,
          connection.createArrayOf(
              "bigint",
              states.stream()
                  .map(RelayState::sinceDelivered)
                  .filter(Objects::nonNull)
                  .map(Duration::toMillis)
                  .toArray()));
      update.setArray(
          6, connection.createArrayOf("uuid", relays.stream().map(Fence::claimant).toArray()));
      try (ResultSet row = update.executeQuery()) {
        while (row.next()) {
          found.add(row.getObject(1, UUID.class));
        }
      }
    }
    Set<Fence> renewed = new HashSet<>();
    Set<Fence> lost = new HashSet<>();
    for (Fence relay : relays) {
      (found.contains(relay.claimant()) ? renewed : lost).add(relay);
    }
    return new LeaseKeepAlive.Renewed(renewed, lost);
  }

  private static Array numbers(
      Connection connection, List<RelayState> states, Predicate<RelayState> which)
      throws SQLException {
    return connection.createArrayOf(
        "smallint", states.stream().filter(which).map(RelayState::destination).toArray());
  }

  /** From here on nothing that was begun under it changes anything; waits for what is under way. */
  void remove(Connection connection, UUID claimant) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(remove)) {
      delete.setObject(1, claimant);
      delete.executeUpdate();
    }
  }

  int retireExpired(Connection connection) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(retireExpired)) {
      return delete.executeUpdate();
    }
  }
}
