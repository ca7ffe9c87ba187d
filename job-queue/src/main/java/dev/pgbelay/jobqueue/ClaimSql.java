package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.StoredHeaders;
import dev.pgbelay.jobqueue.LowWaterMark.Spot;
import dev.pgbelay.jobqueue.internal.StoredTexts;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The statements that take jobs.
 *
 * <p>A claim locks its worker's row {@code FOR KEY SHARE}: the row cannot be fenced while a claim
 * is under way, and renewals pass. The row locks of the chosen jobs stand in a materialised CTE, so
 * that the limit is applied once. What is locked stays where it is, so the update goes straight to
 * the rows, whatever the planner thinks of their number.
 *
 * <p>Payloads that are large stay in the database until their handler begins: what is fetched ahead
 * is bounded in bytes by that, too. Their length is known without unpacking them.
 */
class ClaimSql {
  /**
   * Binds idle milliseconds, claimant, number, queue, place, id, kinds, and what the limit does.
   */
  static final String DUE =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true)),
      me AS MATERIALIZED (
        SELECT w.claimant
          FROM <worker> AS w, bounds
         WHERE w.claimant = ? AND w.claim_floor < ?
           AND w.fenced_at IS NULL AND w.expires_at > clock_timestamp()
           FOR KEY SHARE OF w),
      due AS MATERIALIZED (
        SELECT j.ctid AS at
          FROM <job> AS j
         WHERE j.queue = ? AND j.run_at IS NULL AND (j.place, j.id) > (?, ?)
           AND j.state = 'ready'
           AND j.kind = ANY (CAST(? AS text[]))
           AND EXISTS (SELECT FROM me)
         ORDER BY j.place, j.id
         LIMIT <limit>
           FOR NO KEY UPDATE OF j SKIP LOCKED)""";

  /** What a worker is given of a job; a payload that is large stays where it is. */
  private static final String GIVEN =
      """
      j.id, j.place, j.kind, j.attempt, j.max_attempts, j.key_slot IS NOT NULL AS keyed,
                j.deadline_ms, j.tags, j.failures[cardinality(j.failures)] AS failure, j.headers,
                CASE WHEN octet_length(j.payload) <= 4096 THEN j.payload END AS payload\
      """;

  /** Binds claimant, number. */
  static final String TAKE =
      """
      UPDATE <job> AS j
         SET state = 'running', claimant = ?, claim_number = ?, attempt = j.attempt + 1
       WHERE j.ctid = ANY (ARRAY(SELECT at FROM due))
      RETURNING \
      """
          + GIVEN;

  /** The limit is bound, between what the two parts bind. */
  private static final String CLAIM = DUE.replace("<limit>", "?") + "\n" + TAKE;

  /** Binds claimant; claimant, number. Waits for a claim that is still under way. */
  private static final String RAISE_CLAIM_FLOOR =
      """
      WITH me AS MATERIALIZED (
        SELECT w.claimant FROM <worker> AS w WHERE w.claimant = ? FOR UPDATE)
      UPDATE <worker> AS w
         SET claim_floor = greatest(w.claim_floor, ?)
        FROM me
       WHERE w.claimant = me.claimant\
      """;

  /** Binds queue, place, id, claimant, number. */
  private static final String FIND_CLAIMED =
      """
      SELECT \
      """
          + GIVEN
          + """

        FROM <job> AS j
       WHERE j.queue = ? AND j.run_at IS NULL AND (j.place, j.id) > (?, ?)
         AND j.claimant = ? AND j.claim_number = ?\
      """;

  private final String claim;
  private final String raiseClaimFloor;
  private final String findClaimed;

  ClaimSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.claim = tables.fill(CLAIM);
    this.raiseClaimFloor = tables.fill(RAISE_CLAIM_FLOOR);
    this.findClaimed = tables.fill(FIND_CLAIMED);
  }

  /** Jobs of one queue, in the order of their places; none if the worker may not claim. */
  List<ClaimedJob> claim(
      Connection connection,
      Fence fence,
      String queue,
      Spot behind,
      Set<String> kinds,
      int limit,
      Duration idle)
      throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(claim)) {
      bind(update, fence, queue, behind, kinds, limit, idle);
      update.execute();
      return read(update, queue, fence);
    }
  }

  /** The same in one round trip, in a transaction of its own. */
  Commit<List<ClaimedJob>> claimAlone(
      Transactions transactions,
      TxOptions options,
      Fence fence,
      String queue,
      Spot behind,
      Set<String> kinds,
      int limit,
      Duration idle)
      throws SQLException {
    return transactions.commitStatement(
        options,
        claim,
        update -> bind(update, fence, queue, behind, kinds, limit, idle),
        update -> read(update, queue, fence));
  }

  /** What the server says of a claim that it really makes; for tests. */
  String explainClaim(
      Connection connection, Fence fence, String queue, Spot behind, Set<String> kinds, int limit)
      throws SQLException {
    try (PreparedStatement update =
        connection.prepareStatement("EXPLAIN (ANALYZE, BUFFERS) " + claim)) {
      bind(update, fence, queue, behind, kinds, limit, Duration.ofSeconds(30));
      StringBuilder plan = new StringBuilder();
      try (ResultSet row = update.executeQuery()) {
        while (row.next()) {
          plan.append(row.getString(1)).append('\n');
        }
      }
      return plan.toString();
    }
  }

  private static void bind(
      PreparedStatement update,
      Fence fence,
      String queue,
      Spot behind,
      Set<String> kinds,
      int limit,
      Duration idle)
      throws SQLException {
    PgDriver.planEachTime(update);
    int next = bindDue(update, 1, fence, queue, behind, kinds, idle);
    update.setInt(next++, limit);
    fence.bind(update, next);
  }

  /** What {@link #DUE} binds; returns the next index. */
  static int bindDue(
      PreparedStatement update,
      int index,
      Fence fence,
      String queue,
      Spot behind,
      Set<String> kinds,
      Duration idle)
      throws SQLException {
    update.setString(index, Long.toString(idle.toMillis()));
    int next = fence.bind(update, index + 1);
    update.setString(next++, queue);
    update.setLong(next++, behind.place());
    update.setLong(next++, behind.id());
    update.setArray(next++, update.getConnection().createArrayOf("text", kinds.toArray()));
    return next;
  }

  /**
   * What a claim has taken whose answer was lost. After this it takes nothing any more, also if it
   * has not begun yet. Reads the queue from where the claim began.
   */
  List<ClaimedJob> recover(Connection connection, Fence fence, String queue, Spot behind)
      throws SQLException {
    raiseClaimFloor(connection, fence);
    return findClaimed(connection, fence, queue, behind);
  }

  /** Forbids all claims with numbers up to this one; waits for one that is under way. */
  void raiseClaimFloor(Connection connection, Fence fence) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(raiseClaimFloor)) {
      update.setObject(1, fence.claimant());
      update.setLong(2, fence.number());
      update.executeUpdate();
    }
  }

  /** The jobs of this very claim; reads the queue from the spot on. */
  List<ClaimedJob> findClaimed(Connection connection, Fence fence, String queue, Spot behind)
      throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(findClaimed)) {
      PgDriver.planEachTime(select);
      select.setString(1, queue);
      select.setLong(2, behind.place());
      select.setLong(3, behind.id());
      fence.bind(select, 4);
      select.execute();
      return read(select, queue, fence);
    }
  }

  private static Optional<Duration> deadline(ResultSet row, int column) throws SQLException {
    int millis = row.getInt(column);
    return millis == 0 ? Optional.empty() : Optional.of(Duration.ofMillis(millis));
  }

  /** What {@link #TAKE} returns, in the order of the queue. */
  static List<ClaimedJob> read(PreparedStatement statement, String queue, Fence fence)
      throws SQLException {
    List<ClaimedJob> jobs = new ArrayList<>();
    try (ResultSet row = statement.getResultSet()) {
      while (row.next()) {
        jobs.add(
            new ClaimedJob(
                row.getLong(1),
                row.getLong(2),
                queue,
                row.getString(3),
                row.getInt(4),
                row.getInt(5),
                row.getBoolean(6),
                deadline(row, 7),
                StoredTexts.of(row, 8),
                Optional.ofNullable(row.getString(9)).map(StoredTexts::failure),
                StoredHeaders.read(StoredTexts.of(row, 10)),
                row.getBytes(11),
                fence));
      }
    }
    jobs.sort(Comparator.comparingLong(ClaimedJob::place).thenComparingLong(ClaimedJob::id));
    return jobs;
  }
}
