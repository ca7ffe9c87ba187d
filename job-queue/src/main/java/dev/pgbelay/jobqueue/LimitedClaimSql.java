package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.jobqueue.LimitSql.Limit;
import dev.pgbelay.jobqueue.LowWaterMark.Spot;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/**
 * A claim that keeps to what was said of its queue and kinds: three statements that travel as one
 * message, a transaction of their own. The rows of the limits are locked first; what is free is
 * reckoned by a statement of its own, which then sees all that was claimed before. What the one
 * before has found out reaches the next one by settings of the transaction.
 *
 * <p>Slots hold by the jobs that have them, so none is ever given back, or lost. There is a row per
 * claim. What its jobs were at most is a number in it; the jobs are looked at only where that is
 * too many.
 */
class LimitedClaimSql {
  private static final String GIVEN =
      """
      given AS MATERIALIZED (
        SELECT g.* FROM unnest(CAST(? AS text[]), CAST(? AS text[])) AS g(scope, name))""";

  private static final String TOKENS =
      """
      least(c.rate_burst,
                     c.rate_tokens
                     + greatest(0, extract(epoch FROM clock_timestamp() - c.rate_at)) * 1000000
                       * c.rate_count / c.rate_micros)""";

  /** Binds scopes, names. One that another claim holds is not waited for. */
  private static final String LOCK =
      "WITH "
          + GIVEN
          + """
      ,
      locked AS MATERIALIZED (
        SELECT c.name
          FROM given JOIN <control> AS c ON c.scope = given.scope AND c.name = given.name
           FOR NO KEY UPDATE OF c SKIP LOCKED)
      SELECT set_config(
        'pgbelay.limits_locked',
        CASE WHEN (SELECT count(*) FROM locked)
                    = (SELECT count(*)
                         FROM given JOIN <control> AS c
                           ON c.scope = given.scope AND c.name = given.name)
             THEN 'yes' ELSE 'no' END,
        true)\
      """;

  /**
   * Binds scopes, names, how many are wanted for free threads, how many in all, and the same with
   * one ahead at least. What is fetched ahead leaves half of the slots to free threads, and has
   * nothing of a rate.
   */
  private static final String FIND_ROOM =
      "WITH "
          + GIVEN
          + """
      ,
      asked AS MATERIALIZED (
        SELECT CAST(? AS integer) AS now, CAST(? AS integer) AS most, CAST(? AS integer) AS tried,
               current_setting('pgbelay.limits_locked') = 'yes' AS locked),
      mine AS MATERIALIZED (
        SELECT c.scope, c.name, c.max_running, c.rate_count,
      """
          + TOKENS
          + """
       AS tokens,
               CAST(c.rate_micros AS double precision) / c.rate_count AS micros_per_token,
               (SELECT coalesce(sum(s.jobs), 0) FROM <slot> AS s
                 WHERE s.scope = c.scope AND s.name = c.name) AS at_most
          FROM asked, given JOIN <control> AS c ON c.scope = given.scope AND c.name = given.name
         WHERE asked.locked),
      seen AS MATERIALIZED (
        SELECT s.scope, s.name, s.claimant, s.claim_number, s.jobs,
               ARRAY(SELECT j.id FROM <job> AS j
                      WHERE j.id = ANY (s.job_ids)
                        AND j.claimant = s.claimant AND j.claim_number = s.claim_number) AS ids
          FROM asked, mine AS m JOIN <slot> AS s ON s.scope = m.scope AND s.name = m.name
         WHERE m.max_running - m.at_most - m.max_running / 2 < asked.tried),
      void AS (
        DELETE FROM <slot> AS s USING seen AS v
         WHERE s.scope = v.scope AND s.name = v.name
           AND s.claimant = v.claimant AND s.claim_number = v.claim_number
           AND cardinality(v.ids) = 0),
      shrunk AS (
        UPDATE <slot> AS s SET jobs = cardinality(v.ids), job_ids = v.ids
          FROM seen AS v
         WHERE s.scope = v.scope AND s.name = v.name
           AND s.claimant = v.claimant AND s.claim_number = v.claim_number
           AND cardinality(v.ids) BETWEEN 1 AND v.jobs / 2),
      free AS MATERIALIZED (
        SELECT m.max_running, m.rate_count, m.tokens, m.micros_per_token,
               m.max_running
                 - coalesce((SELECT sum(cardinality(v.ids)) FROM seen AS v
                              WHERE v.scope = m.scope AND v.name = m.name), m.at_most) AS slots
          FROM mine AS m),
      room AS MATERIALIZED (
        SELECT CAST(greatest(0, coalesce(min(least(
                 CASE WHEN f.max_running IS NOT NULL
                      THEN greatest(least(f.slots, asked.now),
                                    least(asked.tried, f.slots - f.max_running / 2)) END,
                 CASE WHEN f.rate_count IS NOT NULL
                      THEN least(asked.now, floor(f.tokens)) END)), max(asked.tried))) AS integer)
                 AS jobs,
               max(CASE WHEN f.tokens < 1 THEN (1 - f.tokens) * f.micros_per_token END) AS micros
          FROM asked LEFT JOIN free AS f ON true)
      SELECT asked.locked, room.jobs, room.micros,
             set_config('pgbelay.claim_room',
                        CASE WHEN asked.locked THEN CAST(least(room.jobs, asked.most) AS text)
                             ELSE '0' END, true)
        FROM asked, room\
      """;

  /**
   * Binds what {@link ClaimSql#DUE} and {@link ClaimSql#TAKE} do, scopes, names, claimant, number.
   * A rate that was reckoned by a clock which was put back since goes on from now.
   */
  private static final String CLAIM =
      ClaimSql.DUE.replace("<limit>", "CAST(current_setting('pgbelay.claim_room') AS integer)")
          + ",\nclaimed AS MATERIALIZED (\n"
          + ClaimSql.TAKE
          + "),\n"
          + GIVEN
          + """
      ,
      taken AS MATERIALIZED (
        SELECT array_agg(t.id) AS ids, count(*) AS jobs FROM claimed AS t),
      held AS (
        INSERT INTO <slot> AS s (scope, name, claimant, claim_number, jobs, job_ids)
        SELECT c.scope, c.name, CAST(? AS uuid), CAST(? AS bigint), taken.jobs, taken.ids
          FROM taken, given JOIN <control> AS c ON c.scope = given.scope AND c.name = given.name
         WHERE c.max_running IS NOT NULL AND taken.jobs > 0),
      spent AS (
        UPDATE <control> AS c
           SET rate_tokens =
      """
          + TOKENS
          + """
       - taken.jobs, rate_at = clock_timestamp()
          FROM given, taken
         WHERE c.scope = given.scope AND c.name = given.name AND c.rate_count IS NOT NULL
           AND (taken.jobs > 0 OR c.rate_at > clock_timestamp()))
      SELECT * FROM claimed\
      """;

  /**
   * What may be claimed.
   *
   * @param locked false if another claim had a limit to itself
   * @param jobs none or more
   * @param wide whether more may be claimed than there are free threads for
   * @param untilNext how long until the rate allows another one, zero if it is not the rate
   */
  record Room(boolean locked, int jobs, boolean wide, Duration untilNext) {}

  /** What was claimed, and what might have been. */
  record Claimed(Room room, List<ClaimedJob> jobs) {}

  /**
   * How many are wanted.
   *
   * @param now for free threads
   * @param most in all, with what is to be fetched ahead of them
   */
  record Wanted(int now, int most) {}

  private final String claim;

  LimitedClaimSql(String schema) {
    this.claim = new TablesSql(schema).fill(LOCK + ";\n" + FIND_ROOM + ";\n" + CLAIM);
  }

  /** Jobs of one queue, in the order of their places, no more than the limits leave. */
  Commit<Claimed> claim(
      Transactions transactions,
      TxOptions options,
      Fence fence,
      List<Limit> limits,
      String queue,
      Spot behind,
      Set<String> kinds,
      Wanted wanted,
      Duration idle)
      throws SQLException {
    return transactions.commitStatement(
        options,
        claim,
        statement -> {
          PgDriver.planEachTime(statement);
          int next = bind(statement, 1, limits);
          next = bind(statement, next, limits);
          statement.setInt(next++, wanted.now());
          statement.setInt(next++, wanted.most());
          statement.setInt(next++, Math.max(wanted.most(), wanted.now() + 1));
          next = ClaimSql.bindDue(statement, next, fence, queue, behind, kinds, idle);
          next = fence.bind(statement, next);
          next = bind(statement, next, limits);
          fence.bind(statement, next);
        },
        statement -> {
          statement.getMoreResults(); // of the lock
          Room room = room(statement, wanted);
          statement.getMoreResults();
          return new Claimed(room, ClaimSql.read(statement, queue, fence));
        });
  }

  private static Room room(PreparedStatement statement, Wanted wanted) throws SQLException {
    try (ResultSet row = statement.getResultSet()) {
      row.next();
      int jobs = row.getInt(2);
      return new Room(
          row.getBoolean(1),
          row.getBoolean(1) ? Math.min(jobs, wanted.most()) : 0,
          row.getBoolean(1) && jobs > wanted.now(),
          Duration.ofNanos((long) (row.getDouble(3) * 1_000)));
    }
  }

  private static int bind(PreparedStatement statement, int index, List<Limit> limits)
      throws SQLException {
    Connection connection = statement.getConnection();
    statement.setArray(
        index, connection.createArrayOf("text", limits.stream().map(Limit::scope).toArray()));
    statement.setArray(
        index + 1, connection.createArrayOf("text", limits.stream().map(Limit::name).toArray()));
    return index + 2;
  }
}
