package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;

/** The statements about workers: they are kept alive, and fenced when they are not heard of. */
class WorkerSql {
  private static final String REGISTER =
      """
      INSERT INTO <worker> (claimant, node, expires_at, queues, kinds)
      VALUES (?, ?, clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond',
              CAST(? AS text[]), CAST(? AS text[]))
      ON CONFLICT (claimant) DO NOTHING\
      """;

  private static final String RENEW =
      """
      UPDATE <worker>
         SET expires_at = clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond',
             refused_kinds = CAST(? AS text[])
       WHERE claimant = ANY (CAST(? AS uuid[])) AND fenced_at IS NULL
      RETURNING claimant\
      """;

  private static final String UNREGISTER =
      """
      DELETE FROM <worker> AS w
       WHERE w.claimant = ?
         AND NOT EXISTS (SELECT FROM <job> AS j WHERE j.claimant = w.claimant)\
      """;

  /** One whose claim is under way is passed over, and found the next time. */
  private static final String FENCE_EXPIRED =
      """
      UPDATE <worker> AS w
         SET fenced_at = clock_timestamp()
       WHERE w.claimant = ANY (ARRAY(
               SELECT e.claimant FROM <worker> AS e
                WHERE e.fenced_at IS NULL AND e.expires_at < clock_timestamp()
                  FOR UPDATE SKIP LOCKED))\
      """;

  /** One that is not expired; for the test kit. */
  private static final String FENCE_ONE =
      """
      UPDATE <worker>
         SET fenced_at = clock_timestamp(), expires_at = clock_timestamp()
       WHERE claimant = ? AND fenced_at IS NULL\
      """;

  /**
   * Jobs that run for nobody, as after a row of this table was deleted by hand. Reads all jobs: a
   * claim has no index to change, and so there is none to find it by.
   */
  private static final String FENCE_UNKNOWN =
      """
      INSERT INTO <worker> (claimant, node, expires_at, fenced_at)
      SELECT DISTINCT j.claimant, 'unknown', clock_timestamp(), clock_timestamp()
        FROM <job> AS j
       WHERE j.claimant IS NOT NULL
         AND NOT EXISTS (SELECT FROM <worker> AS w WHERE w.claimant = j.claimant)
      ON CONFLICT (claimant) DO NOTHING\
      """;

  private static final String LIST_FENCED =
      "SELECT claimant FROM <worker> WHERE fenced_at IS NOT NULL ORDER BY fenced_at";

  private static final String REMOVE_FENCED =
      """
      DELETE FROM <worker> AS w
       WHERE w.claimant = ? AND w.fenced_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM <job> AS j WHERE j.claimant = w.claimant)\
      """;

  private final String register;
  private final String renew;
  private final String unregister;
  private final String fenceExpired;
  private final String fenceOne;
  private final String fenceUnknown;
  private final String listFenced;
  private final String removeFenced;

  WorkerSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.register = tables.fill(REGISTER);
    this.renew = tables.fill(RENEW);
    this.unregister = tables.fill(UNREGISTER);
    this.fenceExpired = tables.fill(FENCE_EXPIRED);
    this.fenceOne = tables.fill(FENCE_ONE);
    this.fenceUnknown = tables.fill(FENCE_UNKNOWN);
    this.listFenced = tables.fill(LIST_FENCED);
    this.removeFenced = tables.fill(REMOVE_FENCED);
  }

  /** May be sent twice. */
  void register(
      Connection connection,
      UUID claimant,
      String node,
      Duration lease,
      Set<String> queues,
      Set<String> kinds)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(register)) {
      insert.setObject(1, claimant);
      insert.setString(2, node);
      insert.setLong(3, lease.toMillis());
      insert.setArray(4, connection.createArrayOf("text", queues.stream().sorted().toArray()));
      insert.setArray(5, connection.createArrayOf("text", kinds.stream().sorted().toArray()));
      insert.executeUpdate();
    }
  }

  /**
   * @param refusedKinds which the worker's permits do not admit just now
   */
  LeaseKeepAlive.Renewed renew(
      Connection connection, List<Fence> workers, Duration lease, List<String> refusedKinds)
      throws SQLException {
    Set<UUID> found = new HashSet<>();
    try (PreparedStatement update = connection.prepareStatement(renew)) {
      update.setQueryTimeout((int) Math.max(1, lease.toSeconds() / 3));
      update.setLong(1, lease.toMillis());
      update.setArray(2, connection.createArrayOf("text", refusedKinds.toArray()));
      update.setArray(
          3, connection.createArrayOf("uuid", workers.stream().map(Fence::claimant).toArray()));
      try (ResultSet row = update.executeQuery()) {
        while (row.next()) {
          found.add(row.getObject(1, UUID.class));
        }
      }
    }
    Set<Fence> renewed = new HashSet<>();
    Set<Fence> lost = new HashSet<>();
    for (Fence worker : workers) {
      (found.contains(worker.claimant()) ? renewed : lost).add(worker);
    }
    return new LeaseKeepAlive.Renewed(renewed, lost);
  }

  /** Only if no job is left under it; otherwise it expires, and they are rescued. */
  void unregister(Connection connection, UUID claimant) throws SQLException {
    executeFor(connection, unregister, claimant);
  }

  int fenceExpired(Connection connection) throws SQLException {
    return execute(connection, fenceExpired);
  }

  int fenceUnknown(Connection connection) throws SQLException {
    return execute(connection, fenceUnknown);
  }

  void fence(Connection connection, UUID claimant) throws SQLException {
    executeFor(connection, fenceOne, claimant);
  }

  List<UUID> fenced(Connection connection) throws SQLException {
    List<UUID> claimants = new ArrayList<>();
    try (PreparedStatement select = connection.prepareStatement(listFenced);
        ResultSet row = select.executeQuery()) {
      while (row.next()) {
        claimants.add(row.getObject(1, UUID.class));
      }
    }
    return claimants;
  }

  void removeFenced(Connection connection, UUID claimant) throws SQLException {
    executeFor(connection, removeFenced, claimant);
  }

  private static int execute(Connection connection, String statement) throws SQLException {
    try (PreparedStatement prepared = connection.prepareStatement(statement)) {
      PgDriver.planEachTime(prepared);
      return prepared.executeUpdate();
    }
  }

  private static void executeFor(Connection connection, String statement, UUID claimant)
      throws SQLException {
    try (PreparedStatement prepared = connection.prepareStatement(statement)) {
      PgDriver.planEachTime(prepared);
      prepared.setObject(1, claimant);
      prepared.executeUpdate();
    }
  }
}
