package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.jobqueue.Settlement.Fate;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The statements that write about claimed jobs. Each has the fence in itself, and returns the jobs
 * that it did not find under it, with whether they exist at all.
 */
class SettleSql {
  /** What every statement of this class has about the rows it changes. */
  static final String FENCE = "AND j.claimant = ? AND j.claim_number = <number>";

  /** The element that belongs to a job, of an array beside the ascending array of ids. */
  private static final String BESIDE =
      "(CAST((SELECT <array> FROM given) AS <type>[]))[width_bucket(j.id, (SELECT ids FROM given))]";

  /** The two are joined only if one is missing, which is nearly never so. */
  private static final String NOT_FOUND =
      """
      SELECT given.id, EXISTS (SELECT FROM <job> AS j WHERE j.id = given.id)
        FROM given
       WHERE (SELECT count(*) FROM changed) < (SELECT count(*) FROM given)
         AND NOT EXISTS (SELECT FROM changed WHERE changed.id = given.id)\
      """;

  /**
   * Binds idle milliseconds, ids in ascending order, numbers, reasons, claimant, outcome. There may
   * be no reasons. The ids are one array of keys and not joined: that takes a third of the time.
   */
  private static final String FINISH =
      """
      WITH given AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true),
               clock_timestamp() AS now, CAST(? AS bigint[]) AS ids, CAST(? AS bigint[]) AS numbers,
               CAST(? AS text[]) AS reasons),
      changed AS (
        DELETE FROM <job> AS j
         WHERE j.id = ANY (CAST((SELECT ids FROM given) AS bigint[])) <fence>
        RETURNING j.id, j.attempt, j.queue, j.kind, <reason> AS reason<slot columns>),
      kept AS (
        INSERT INTO <finished> (id, finished_at, finished_day, attempt, outcome, queue, kind, reason)
        SELECT id, (SELECT now FROM given),
               (SELECT CAST(floor(extract(epoch FROM now) / 86400) AS integer) FROM given),
               attempt, ?, queue, kind, reason
          FROM changed)<handoff>
      SELECT one.id, EXISTS (SELECT FROM <job> AS j WHERE j.id = one.id)
        FROM given, unnest(given.ids) AS one(id)
       WHERE (SELECT count(*) FROM changed) < cardinality(given.ids)
         AND NOT EXISTS (SELECT FROM changed WHERE changed.id = one.id)\
      """;

  /** Binds idle milliseconds, ids, numbers, reasons, node, claimant. */
  private static final String BURY =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true)),
      given AS MATERIALIZED (
        SELECT g.*
          FROM bounds, unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS text[]))
                         AS g(id, number, reason)),
      node AS MATERIALIZED (SELECT CAST(? AS text) AS name),
      changed AS (
        DELETE FROM <job> AS j USING given
         WHERE j.id = given.id <fence>
        RETURNING j.*, given.reason),
      kept AS (
        INSERT INTO <dead> (id, enqueued_at, attempt, max_attempts, priority, queue, kind, reason,
                          deadline_ms, partition_key, tags, headers, failures, payload)
        SELECT id, enqueued_at, attempt, max_attempts, priority, queue, kind, reason,
               deadline_ms, partition_key, tags, headers,
               failures[greatest(1, cardinality(failures) - 6):]
                 || format('attempt %s, %s, %s: %s', attempt, clock_timestamp(), node.name, reason),
               payload
          FROM changed, node)<handoff>
      """
          + NOT_FOUND;

  /**
   * Binds idle milliseconds, ids, numbers, delays in microseconds, whether the attempt counts,
   * reasons, node, claimant.
   */
  private static final String PUT_BACK =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true)),
      given AS MATERIALIZED (
        SELECT g.*, clock_timestamp() + g.delay * interval '1 microsecond' AS due
          FROM bounds,
               unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]),
                      CAST(? AS boolean[]), CAST(? AS text[]))
                 AS g(id, number, delay, counts, reason)),
      node AS MATERIALIZED (SELECT CAST(? AS text) AS name),
      changed AS (
        UPDATE <job> AS j
           SET state = CASE WHEN given.delay > 0 THEN 'scheduled' ELSE 'ready' END,
               run_at = CASE WHEN given.delay > 0 THEN given.due END,
               place = CASE WHEN given.delay IS NULL THEN j.place
                            ELSE CAST(extract(epoch FROM given.due) * 1000000 AS bigint)
                                 - 1000000 * CAST(j.priority AS bigint) END,
               attempt = j.attempt - CASE WHEN given.counts THEN 0 ELSE 1 END,
               claimant = NULL, claim_number = NULL,
               failures = CASE WHEN given.reason IS NULL THEN j.failures ELSE
                 j.failures[greatest(1, cardinality(j.failures) - 6):]
                 || format('attempt %s, %s, %s: %s', j.attempt, clock_timestamp(), node.name,
                           given.reason) END<slot kept>
          FROM given, node<slot before>
         WHERE j.id = given.id <fence>
        RETURNING j.id<slot left>)<handoff>
      """
          + NOT_FOUND;

  /** Of two claims of one job the later one is the last. */
  private static final Comparator<Settlement> BY_ID =
      Comparator.comparingLong(Settlement::id).thenComparingLong(one -> one.fence().number());

  /** Where a key has a limit of several there is no order to keep: what waits leaves its slot. */
  private static final String SLOT_KEPT =
      ", key_slot = CASE WHEN given.delay > 0 AND slot.key_limit > 1 THEN NULL ELSE j.key_slot END";

  private static final String SLOT_BEFORE =
      """
      , LATERAL (
            SELECT b.key_slot, coalesce(c.key_limit, 1) AS key_limit
              FROM <job> AS b
                   LEFT JOIN <control> AS c ON c.scope = 'queue' AND c.name = b.queue
             WHERE b.id = given.id) AS slot""";

  private static final String SLOT_LEFT =
      """
      , j.queue, j.partition_key,
                  CASE WHEN j.key_slot IS NULL THEN slot.key_slot END AS key_slot""";

  /** Fails on purpose, and with it the transaction: the text is no number. Binds a text. */
  private static final String ABORT_TRANSACTION = "SELECT CAST(CAST(? AS text) AS bigint)";

  /** The statements for jobs without a partition key, and for those with one. */
  private record Statements(String finish, String bury, String putBack) {}

  private final ReportSql reports;
  private final Statements plain;
  private final Statements keyed;
  private final Duration idle;

  /**
   * @param idle how long a client that stopped may keep its transaction, and with it the jobs that
   *     it has written about, from others
   */
  SettleSql(String schema, Duration idle) {
    this(schema, idle, FENCE);
  }

  /** With another fence: tests show that without it the statements do harm. */
  SettleSql(String schema, Duration idle, String fence) {
    this.idle = idle;
    this.reports = new ReportSql(schema, idle);
    TablesSql tables = new TablesSql(schema);
    String joined = fence.replace("<number>", "given.number");
    String finish =
        FINISH
            .replace("<fence>", fence.replace("<number>", beside("numbers", "bigint")))
            .replace("<reason>", beside("reasons", "text"));
    String bury = BURY.replace("<fence>", joined);
    String putBack = PUT_BACK.replace("<fence>", joined);
    this.plain = new Statements(plain(tables, finish), plain(tables, bury), plain(tables, putBack));
    this.keyed = new Statements(keyed(tables, finish), keyed(tables, bury), keyed(tables, putBack));
  }

  private static String beside(String array, String type) {
    return BESIDE.replace("<array>", array).replace("<type>", type);
  }

  private static String plain(TablesSql tables, String sql) {
    return tables.fill(sql.replaceAll("<(slot (columns|kept|before|left)|handoff)>", ""));
  }

  /** The slot that a job leaves goes to the next of its key by the same statement. */
  private static String keyed(TablesSql tables, String sql) {
    return tables.fill(
        sql.replace("<slot columns>", ", j.partition_key, j.key_slot")
            .replace("<slot kept>", SLOT_KEPT)
            .replace("<slot before>", SLOT_BEFORE)
            .replace("<slot left>", SLOT_LEFT)
            .replace("<handoff>", ",\n" + KeySql.HANDOFF.replace("<left>", "changed")));
  }

  private Statements of(List<Settlement> settlements) {
    return settlements.get(0).keyed() ? keyed : plain;
  }

  /** What handlers write meanwhile. */
  ReportSql reports() {
    return reports;
  }

  /**
   * Writes what became of jobs of one claimant that share a fate, and of which all or none have a
   * partition key.
   *
   * @return those that were not under their fence any more, and whether they still exist
   */
  Map<Long, Boolean> settle(
      Connection connection, Fate fate, UUID claimant, String node, List<Settlement> settlements)
      throws SQLException {
    return switch (fate) {
      case DONE, DISCARDED, CANCELLED -> finish(connection, fate, claimant, settlements);
      case DEAD -> bury(connection, claimant, node, settlements);
      case RETRIED, SNOOZED, HANDED_BACK -> putBack(connection, fate, claimant, node, settlements);
    };
  }

  private Map<Long, Boolean> finish(
      Connection connection, Fate fate, UUID claimant, List<Settlement> unordered)
      throws SQLException {
    List<Settlement> settlements = unordered.stream().sorted(BY_ID).toList();
    try (PreparedStatement delete = connection.prepareStatement(of(settlements).finish())) {
      int next = bindKeys(connection, delete, settlements);
      delete.setArray(next++, connection.createArrayOf("text", reasons(settlements)));
      delete.setObject(next++, claimant);
      delete.setString(next, fate.tag());
      return notFound(delete);
    }
  }

  private Map<Long, Boolean> bury(
      Connection connection, UUID claimant, String node, List<Settlement> settlements)
      throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(of(settlements).bury())) {
      int next = bindKeys(connection, delete, settlements);
      delete.setArray(next++, connection.createArrayOf("text", reasons(settlements)));
      delete.setString(next++, node);
      delete.setObject(next, claimant);
      return notFound(delete);
    }
  }

  private Map<Long, Boolean> putBack(
      Connection connection, Fate fate, UUID claimant, String node, List<Settlement> settlements)
      throws SQLException {
    @Nullable Object[] delays =
        settlements.stream()
            .map(Settlement::delay)
            .map(delay -> delay == null ? null : micros(delay))
            .toArray();
    @Nullable Object[] counts = settlements.stream().map(one -> fate == Fate.RETRIED).toArray();
    try (PreparedStatement update = connection.prepareStatement(of(settlements).putBack())) {
      int next = bindKeys(connection, update, settlements);
      update.setArray(next++, connection.createArrayOf("bigint", delays));
      update.setArray(next++, connection.createArrayOf("boolean", counts));
      update.setArray(next++, connection.createArrayOf("text", reasons(settlements)));
      update.setString(next++, node);
      update.setObject(next, claimant);
      return notFound(update);
    }
  }

  private static Long micros(Duration delay) {
    return delay.toNanos() / 1_000;
  }

  /** None where none of them has one. */
  private static @Nullable String[] reasons(List<Settlement> settlements) {
    if (settlements.stream().allMatch(one -> one.reason() == null)) {
      return new String[0];
    }
    return settlements.stream().map(Settlement::reason).toArray(String[]::new);
  }

  private int bindKeys(
      Connection connection, PreparedStatement statement, List<Settlement> settlements)
      throws SQLException {
    PgDriver.planEachTime(statement);
    // Arrays of Long, not of Object: the driver sends them in binary.
    Long[] ids = settlements.stream().map(Settlement::id).toArray(Long[]::new);
    Long[] numbers = settlements.stream().map(one -> one.fence().number()).toArray(Long[]::new);
    statement.setString(1, Long.toString(idle.toMillis()));
    statement.setArray(2, connection.createArrayOf("bigint", ids));
    statement.setArray(3, connection.createArrayOf("bigint", numbers));
    return 4;
  }

  private static Map<Long, Boolean> notFound(PreparedStatement statement) throws SQLException {
    Map<Long, Boolean> notFound = new HashMap<>();
    try (ResultSet row = statement.executeQuery()) {
      while (row.next()) {
        notFound.put(row.getLong(1), row.getBoolean(2));
      }
    }
    return notFound;
  }

  /** Finishes one job in the handler's own transaction; whether it was under its fence. */
  boolean complete(Connection connection, ClaimedJob job, Settlement.Slots slots)
      throws SQLException {
    Settlement done = Settlement.of(job, Fate.DONE, slots);
    return finish(connection, Fate.DONE, job.fence().claimant(), List.of(done)).isEmpty();
  }

  /** Makes PostgreSQL refuse the transaction's commit. */
  static void abortTransaction(Connection connection, long id) {
    try (PreparedStatement failing = connection.prepareStatement(ABORT_TRANSACTION)) {
      failing.setString(1, "job " + id + " is not this worker's any more");
      failing.execute();
    } catch (SQLException expected) {
      // 22P02, and the transaction is aborted; or it could not be sent, and cannot be committed.
      return;
    }
  }
}
