package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The statements by which a claim keeps to what was said of its queue and kinds. The rows of limits
 * are locked first; what is free is reckoned by a statement of its own, which then sees all that
 * was claimed before. Slots hold by the jobs that have them, so none is ever given back, or lost.
 */
class LimitSql {
  private static final String READ =
      """
      SELECT c.scope, c.name, c.paused_at IS NOT NULL,
             c.max_running IS NOT NULL OR c.rate_count IS NOT NULL
        FROM <control> AS c
       WHERE c.paused_at IS NOT NULL OR c.max_running IS NOT NULL OR c.rate_count IS NOT NULL\
      """;

  private static final String GIVEN =
      """
      given AS MATERIALIZED (
        SELECT g.* FROM unnest(CAST(? AS text[]), CAST(? AS text[])) AS g(scope, name)),
      mine AS MATERIALIZED (
        SELECT c.scope, c.name, c.max_running, c.rate_count, c.rate_burst,
               least(c.rate_burst,
                     c.rate_tokens
                     + greatest(0, extract(epoch FROM clock_timestamp() - c.rate_at)) * 1000000
                       * c.rate_count / c.rate_micros) AS tokens,
               CAST(c.rate_micros AS double precision) / c.rate_count AS micros_per_token
          FROM given JOIN <control> AS c ON c.scope = given.scope AND c.name = given.name)
      """;

  /** Binds idle milliseconds, scopes, names. One that another claim holds is not waited for. */
  private static final String LOCK =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true)),
      given AS MATERIALIZED (
        SELECT g.*
          FROM bounds, unnest(CAST(? AS text[]), CAST(? AS text[])) AS g(scope, name)),
      locked AS MATERIALIZED (
        SELECT c.name
          FROM given JOIN <control> AS c ON c.scope = given.scope AND c.name = given.name
           FOR NO KEY UPDATE OF c SKIP LOCKED)
      SELECT (SELECT count(*) FROM locked)
               = (SELECT count(*)
                    FROM given JOIN <control> AS c ON c.scope = given.scope AND c.name = given.name)\
      """;

  /**
   * Binds scopes, names. Slots whose claim is over are removed on the way, and a rate that was
   * reckoned by a clock which was put back since goes on from now.
   */
  private static final String FIND_ROOM =
      "WITH "
          + GIVEN
          + """
      , void AS (
        DELETE FROM <slot> AS s USING given
         WHERE s.scope = given.scope AND s.name = given.name
           AND NOT EXISTS (SELECT FROM <job> AS j
                            WHERE j.id = s.job_id AND j.claimant = s.claimant
                              AND j.claim_number = s.claim_number
                           OFFSET 0)),
      put_back AS (
        UPDATE <control> AS c SET rate_at = clock_timestamp()
          FROM given
         WHERE c.scope = given.scope AND c.name = given.name AND c.rate_at > clock_timestamp())
      SELECT min(least(m.max_running - (
                         SELECT count(*) FROM <slot> AS s
                          WHERE s.scope = m.scope AND s.name = m.name
                            AND EXISTS (SELECT FROM <job> AS j
                                         WHERE j.id = s.job_id AND j.claimant = s.claimant
                                           AND j.claim_number = s.claim_number
                                        OFFSET 0)),
                       floor(m.tokens))),
             max(CASE WHEN m.tokens < 1 THEN (1 - m.tokens) * m.micros_per_token END)
        FROM mine AS m\
      """;

  /** Binds scopes, names, claimant, number, ids, count. */
  private static final String TAKE =
      "WITH "
          + GIVEN
          + """
      , held AS (
        INSERT INTO <slot> AS s (scope, name, job_id, claimant, claim_number)
        SELECT m.scope, m.name, j.id, CAST(? AS uuid), CAST(? AS bigint)
          FROM mine AS m, unnest(CAST(? AS bigint[])) AS j(id)
         WHERE m.max_running IS NOT NULL
        ON CONFLICT (scope, name, job_id) DO UPDATE
          SET claimant = excluded.claimant, claim_number = excluded.claim_number)
      UPDATE <control> AS c
         SET rate_tokens = m.tokens - ?, rate_at = clock_timestamp()
        FROM mine AS m
       WHERE c.scope = m.scope AND c.name = m.name AND m.rate_count IS NOT NULL\
      """;

  /**
   * What limits a claim.
   *
   * @param scope queue or kind
   */
  record Limit(String scope, String name) {
    static Limit ofQueue(String name) {
      return new Limit("queue", name);
    }

    static Limit ofKind(String name) {
      return new Limit("kind", name);
    }
  }

  /**
   * What may be claimed.
   *
   * @param jobs none or more
   * @param untilNext how long until the rate allows another one, zero if it is not the rate
   */
  record Room(int jobs, Duration untilNext) {}

  private final String read;
  private final String lock;
  private final String findRoom;
  private final String take;

  LimitSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.read = tables.fill(READ);
    this.lock = tables.fill(LOCK);
    this.findRoom = tables.fill(FIND_ROOM);
    this.take = tables.fill(TAKE);
  }

  /** What holds now. */
  Board read(Connection connection) throws SQLException {
    Set<Limit> paused = new HashSet<>();
    Set<Limit> limited = new HashSet<>();
    try (PreparedStatement select = connection.prepareStatement(read);
        ResultSet row = select.executeQuery()) {
      while (row.next()) {
        Limit limit = new Limit(row.getString(1), row.getString(2));
        if (row.getBoolean(3)) {
          paused.add(limit);
        }
        if (row.getBoolean(4)) {
          limited.add(limit);
        }
      }
    }
    return new Board(paused, limited);
  }

  /** Whether this transaction has all the limits to itself; the rest only if so. */
  boolean lock(Connection connection, List<Limit> limits, Duration idle) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(lock)) {
      select.setString(1, Long.toString(idle.toMillis()));
      bind(connection, select, 2, limits);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        return row.getBoolean(1);
      }
    }
  }

  Room findRoom(Connection connection, List<Limit> limits, int most) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(findRoom)) {
      PgDriver.planEachTime(select);
      bind(connection, select, 1, limits);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        double free = row.getDouble(1);
        int jobs = row.wasNull() ? most : (int) Math.max(0, Math.min(most, free));
        return new Room(jobs, Duration.ofNanos((long) (row.getDouble(2) * 1_000)));
      }
    }
  }

  void take(Connection connection, List<Limit> limits, Fence fence, List<Long> jobs)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(take)) {
      PgDriver.planEachTime(insert);
      int next = bind(connection, insert, 1, limits);
      next = fence.bind(insert, next);
      insert.setArray(next++, connection.createArrayOf("bigint", jobs.toArray()));
      insert.setInt(next, jobs.size());
      insert.executeUpdate();
    }
  }

  private static int bind(
      Connection connection, PreparedStatement statement, int index, List<Limit> limits)
      throws SQLException {
    statement.setArray(
        index, connection.createArrayOf("text", limits.stream().map(Limit::scope).toArray()));
    statement.setArray(
        index + 1, connection.createArrayOf("text", limits.stream().map(Limit::name).toArray()));
    return index + 2;
  }
}
