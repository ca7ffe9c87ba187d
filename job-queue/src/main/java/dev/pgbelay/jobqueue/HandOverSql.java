package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** The statements about jobs that are enqueued as claimed by a worker of this process. */
final class HandOverSql {
  /**
   * Binds what an enqueue binds, then number, claimant, number. Adds nothing where the worker is
   * not known, as in another database. Its row is not locked: a job that is committed after the
   * worker was given up is found by the rescue.
   */
  private static final String ENQUEUE_CLAIMED =
      """
      INSERT INTO <job> (queue, kind, state, place, attempt, max_attempts, priority, headers, payload,
                         claimant, claim_number)
      SELECT ?, ?, 'running',
             CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) - 1000000 * CAST(? AS bigint),
             1, ?, ?, CAST(? AS text[]), ?, w.claimant, ?
        FROM <worker> AS w
       WHERE w.claimant = ? AND w.claim_floor < ?
         AND w.fenced_at IS NULL AND w.expires_at > clock_timestamp()
      RETURNING id, place, CAST(pg_current_xact_id() AS text),
                xmin <> CAST(pg_current_xact_id() AS xid)\
      """;

  /** Binds ids, transaction ids. Must come before the look at the jobs, not in one statement. */
  private static final String LIST_ENDED =
      """
      SELECT g.id
        FROM unnest(CAST(? AS bigint[]), CAST(? AS text[])) AS g(id, xid)
       WHERE pg_xact_status(CAST(g.xid AS xid8)) IS DISTINCT FROM 'in progress'\
      """;

  /** Binds ids. */
  private static final String FIND_CLAIMED =
      """
      SELECT j.id, j.claimant, j.claim_number
        FROM <job> AS j
       WHERE j.id = ANY (CAST(? AS bigint[])) AND j.claimant IS NOT NULL\
      """;

  /** Binds the table. Transactions that have written jobs, or are about to. */
  private static final String LIST_WRITERS =
      """
      SELECT l.virtualtransaction
        FROM pg_locks AS l
       WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'RowExclusiveLock'
         AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
         AND l.relation = CAST(? AS regclass)\
      """;

  private final String enqueueClaimed;
  private final String jobTable;
  private final String findClaimed;

  HandOverSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.enqueueClaimed = tables.fill(ENQUEUE_CLAIMED);
    this.findClaimed = tables.fill(FIND_CLAIMED);
    this.jobTable = tables.fill("<job>");
  }

  /**
   * A job that was added as claimed.
   *
   * @param transaction whose end decides about it
   * @param inSavepoint whether it can be taken back while that is committed
   */
  record Added(long id, long place, String transaction, boolean inSavepoint) {}

  /** Null if the worker is not known to this database, or not to be alive. */
  @Nullable Added enqueue(Connection connection, Fence fence, NewJob<?> job, byte[] payload)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(enqueueClaimed)) {
      bind(insert, fence, job, payload);
      insert.execute();
      return read(insert).orElse(null);
    }
  }

  /** The same in one round trip, in a transaction of its own. */
  Commit<Optional<Added>> enqueueAlone(
      Transactions transactions, TxOptions options, Fence fence, NewJob<?> job, byte[] payload)
      throws SQLException {
    return transactions.commitStatement(
        options, enqueueClaimed, insert -> bind(insert, fence, job, payload), HandOverSql::read);
  }

  private static void bind(PreparedStatement insert, Fence fence, NewJob<?> job, byte[] payload)
      throws SQLException {
    EnqueueSql.bind(insert, job, payload);
    insert.setLong(8, fence.number());
    insert.setObject(9, fence.claimant());
    insert.setLong(10, fence.number());
  }

  private static Optional<Added> read(PreparedStatement insert) throws SQLException {
    try (ResultSet row = insert.getResultSet()) {
      return row.next()
          ? Optional.of(
              new Added(row.getLong(1), row.getLong(2), row.getString(3), row.getBoolean(4)))
          : Optional.empty();
    }
  }

  /** Those whose transactions are over, in whatever way. */
  static List<Long> listEnded(Connection connection, Map<Long, String> transactions)
      throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(LIST_ENDED)) {
      select.setArray(
          1, connection.createArrayOf("bigint", transactions.keySet().toArray(Long[]::new)));
      select.setArray(
          2, connection.createArrayOf("text", transactions.values().toArray(String[]::new)));
      List<Long> ended = new ArrayList<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          ended.add(row.getLong(1));
        }
      }
      return ended;
    }
  }

  /** Under which claims those jobs are that are there and claimed. */
  Map<Long, Fence> findClaimed(Connection connection, Collection<Long> ids) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(findClaimed)) {
      PgDriver.planEachTime(select);
      select.setArray(1, connection.createArrayOf("bigint", ids.toArray(Long[]::new)));
      Map<Long, Fence> claimed = new HashMap<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          claimed.put(row.getLong(1), new Fence(row.getObject(2, UUID.class), row.getLong(3)));
        }
      }
      return claimed;
    }
  }

  /** Which transactions have the table of jobs locked for writing. */
  Set<String> listWriters(Connection connection) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(LIST_WRITERS)) {
      select.setString(1, jobTable);
      Set<String> writers = new HashSet<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          writers.add(row.getString(1));
        }
      }
      return writers;
    }
  }
}
