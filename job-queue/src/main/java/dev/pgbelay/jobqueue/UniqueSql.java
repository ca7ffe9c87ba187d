package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The statements on unique keys. A key is taken by inserting it, which waits for whoever is just
 * inserting the same one. Where it is there, its row is locked first, and judged by a statement of
 * its own: a statement that waited for a lock still sees the jobs as they were before.
 */
class UniqueSql {
  /**
   * A key of a kind, with what is wanted of it.
   *
   * @param id of its job, null if it is to be drawn when the key is taken
   */
  record Wanted(String kind, String key, UniqueScope scope, @Nullable Long id) {}

  /** Where a key is looked up. */
  record Name(String kind, String key) {}

  /**
   * Whose a key is.
   *
   * @param taken whether it was taken just now, and the job is still to be added
   */
  record Owner(long jobId, boolean taken) {}

  /** How a walk of the expired keys went on; null at the end. */
  record Purged(int looked, int removed, @Nullable Name last) {}

  private static final String GIVEN =
      """
      given AS MATERIALIZED (
        SELECT g.*
          FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]),
                      CAST(? AS bigint[]))
                 WITH ORDINALITY AS g(kind, key, while_job, micros, id, n))""";

  /** Binds the table of the ids, and how many. */
  private static final String DRAW_IDS =
      """
      SELECT array_agg(nextval(ids.sequence))
        FROM (SELECT CAST(pg_get_serial_sequence(?, 'id') AS regclass) AS sequence OFFSET 0) AS ids,
             generate_series(1, ?)\
      """;

  /** Binds the five arrays, sorted by kind and key, then the table of the ids. */
  private static final String TAKE =
      "WITH "
          + GIVEN
          + """

      INSERT INTO <unique> (kind, key, job_id, while_job, expires_at)
      SELECT given.kind, given.key,
             coalesce(given.id, nextval(pg_get_serial_sequence(?, 'id'))), given.while_job,
             clock_timestamp() + given.micros * interval '1 microsecond'
        FROM given
       ORDER BY given.n
      ON CONFLICT (kind, key) DO NOTHING
      RETURNING kind, key, job_id, true\
      """;

  /** Binds the five arrays. */
  private static final String LOCK =
      "WITH "
          + GIVEN
          + """

      SELECT u.kind, u.key, u.job_id, false
        FROM given JOIN <unique> AS u ON u.kind = given.kind AND u.key = given.key
       ORDER BY given.n
         FOR UPDATE OF u\
      """;

  /**
   * Of keys that are locked: whose they are, or that they are taken over. A job that has its key
   * while it waits is kept from being claimed until this transaction ends. Binds the five arrays,
   * then the table of the ids.
   */
  private static final String JUDGE =
      "WITH "
          + GIVEN
          + """
      ,
      held AS MATERIALIZED (
        SELECT u.kind, u.key, u.job_id, u.while_job, u.expires_at
          FROM given JOIN <unique> AS u ON u.kind = given.kind AND u.key = given.key),
      waiting AS MATERIALIZED (
        SELECT j.id
          FROM <job> AS j
         WHERE j.id = ANY (ARRAY(SELECT h.job_id FROM held AS h WHERE h.while_job = 'waiting'))
           AND j.state <> 'running'
           FOR SHARE OF j),
      valid AS MATERIALIZED (
        SELECT h.kind, h.key, h.job_id
          FROM held AS h
         WHERE h.expires_at > clock_timestamp()
            OR h.job_id IN (SELECT w.id FROM waiting AS w)
            OR (h.while_job = 'unfinished'
                AND EXISTS (SELECT FROM <job> AS j WHERE j.id = h.job_id OFFSET 0))),
      taken AS (
        UPDATE <unique> AS u
           SET job_id = coalesce(given.id, nextval(pg_get_serial_sequence(?, 'id'))),
               while_job = given.while_job,
               expires_at = clock_timestamp() + given.micros * interval '1 microsecond'
          FROM given
         WHERE u.kind = given.kind AND u.key = given.key
           AND NOT EXISTS (SELECT FROM valid AS v WHERE v.kind = u.kind AND v.key = u.key)
        RETURNING u.kind, u.key, u.job_id)
      SELECT kind, key, job_id, false FROM valid
      UNION ALL
      SELECT kind, key, job_id, true FROM taken\
      """;

  /**
   * Binds the last kind and key seen, limit. A key that was taken over since it was read has
   * another job, and stays.
   */
  private static final String PURGE =
      """
      WITH page AS MATERIALIZED (
        SELECT u.kind, u.key, u.job_id, u.while_job, u.expires_at
          FROM <unique> AS u
         WHERE (u.kind, u.key) > (?, ?)
         ORDER BY u.kind, u.key
         LIMIT ?),
      void AS MATERIALIZED (
        SELECT p.kind, p.key, p.job_id
          FROM page AS p
         WHERE (p.expires_at IS NULL OR p.expires_at <= clock_timestamp())
           AND (p.while_job = 'nothing'
                OR NOT EXISTS (SELECT FROM <job> AS j WHERE j.id = p.job_id OFFSET 0))),
      held AS MATERIALIZED (
        SELECT u.kind, u.key
          FROM void AS v
               JOIN <unique> AS u ON u.kind = v.kind AND u.key = v.key AND u.job_id = v.job_id
           FOR UPDATE OF u SKIP LOCKED),
      gone AS (
        DELETE FROM <unique> AS u USING held AS h
         WHERE u.kind = h.kind AND u.key = h.key
        RETURNING u.kind)
      SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM gone),
             (SELECT p.kind FROM page AS p ORDER BY p.kind DESC, p.key DESC LIMIT 1),
             (SELECT p.key FROM page AS p ORDER BY p.kind DESC, p.key DESC LIMIT 1)\
      """;

  private final String drawIds;
  private final String take;
  private final String lock;
  private final String judge;
  private final String purge;
  private final String jobTable;

  UniqueSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.drawIds = tables.fill(DRAW_IDS);
    this.take = tables.fill(TAKE);
    this.lock = tables.fill(LOCK);
    this.judge = tables.fill(JUDGE);
    this.purge = tables.fill(PURGE);
    this.jobTable = tables.fill("<job>");
  }

  /** Ids of jobs that are still to be added, ascending. */
  List<Long> drawIds(Connection connection, int count) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(drawIds)) {
      select.setString(1, jobTable);
      select.setInt(2, count);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        Long[] ids = (Long[]) row.getArray(1).getArray();
        Arrays.sort(ids);
        return List.of(ids);
      }
    }
  }

  /** Takes keys that nobody has. The list is sorted, so that two such lists do not deadlock. */
  Map<Name, Owner> take(Connection connection, List<Wanted> wanted) throws SQLException {
    return run(connection, take, wanted, true);
  }

  /** Locks keys that somebody has; those that are gone meanwhile are left out. */
  Map<Name, Owner> lock(Connection connection, List<Wanted> wanted) throws SQLException {
    return run(connection, lock, wanted, false);
  }

  /** Says of locked keys whose they are, or takes them over. */
  Map<Name, Owner> judge(Connection connection, List<Wanted> wanted) throws SQLException {
    return run(connection, judge, wanted, true);
  }

  private Map<Name, Owner> run(
      Connection connection, String sql, List<Wanted> wanted, boolean drawsIds)
      throws SQLException {
    Object[] kinds = wanted.stream().map(Wanted::kind).toArray();
    Object[] keys = wanted.stream().map(Wanted::key).toArray();
    Object[] whiles =
        wanted.stream()
            .map(
                one ->
                    switch (one.scope().holds()) {
                      case WAITING -> "waiting";
                      case UNFINISHED -> "unfinished";
                      case NOTHING -> "nothing";
                    })
            .toArray();
    @Nullable Object[] micros =
        wanted.stream()
            .map(one -> one.scope().period().map(time -> time.toNanos() / 1_000).orElse(null))
            .toArray();
    @Nullable Object[] ids = wanted.stream().map(Wanted::id).toArray();
    Map<Name, Owner> owners = new HashMap<>();
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setArray(1, connection.createArrayOf("text", kinds));
      statement.setArray(2, connection.createArrayOf("text", keys));
      statement.setArray(3, connection.createArrayOf("text", whiles));
      statement.setArray(4, connection.createArrayOf("bigint", micros));
      statement.setArray(5, connection.createArrayOf("bigint", ids));
      if (drawsIds) {
        statement.setString(6, jobTable);
      }
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          owners.put(
              new Name(row.getString(1), row.getString(2)),
              new Owner(row.getLong(3), row.getBoolean(4)));
        }
      }
    }
    return owners;
  }

  /** Removes a page of keys that nobody has any more. */
  Purged purge(Connection connection, @Nullable Name after, int limit) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(purge)) {
      delete.setString(1, after == null ? "" : after.kind());
      delete.setString(2, after == null ? "" : after.key());
      delete.setInt(3, limit);
      try (ResultSet row = delete.executeQuery()) {
        row.next();
        int looked = row.getInt(1);
        return new Purged(
            looked,
            row.getInt(2),
            looked < limit ? null : new Name(row.getString(3), row.getString(4)));
      }
    }
  }
}
