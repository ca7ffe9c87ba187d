package dev.pgbelay.outbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;

/**
 * The locks of keys whose order is strict, as parts of the statements that append.
 *
 * <p>A transaction takes them by ascending number, so that no two wait for each other. The highest
 * that it has is in a setting of the transaction, which goes back with a rollback to a savepoint as
 * the locks do, and ends with the transaction, whoever opened it.
 */
final class StrictSql {
  /** Binds the locks by ascending number, and whether those below the highest are held. */
  static final String ASKED =
      """
      asked AS MATERIALIZED (
        SELECT g.locks, g.highest, (g.held OR g.locks[1] >= g.highest) IS NOT FALSE AS allowed
          FROM (SELECT CAST(? AS bigint[]) AS locks, CAST(? AS boolean) AS held,
                       CAST(nullif(current_setting('pgbelay.outbox_lock', true), '') AS bigint)
                         AS highest) AS g)\
      """;

  /** All locks are taken, one after the other, before the one row of {@code locked} is there. */
  static final String LOCKED =
      """
      ,
      waited AS MATERIALIZED (
        SELECT one.lock, CAST(pg_advisory_xact_lock(one.lock) AS text) AS done
          FROM asked CROSS JOIN LATERAL unnest(asked.locks) AS one(lock)
         WHERE <may>),
      locked AS MATERIALIZED (
        SELECT count(waited.done) AS locks,
               CASE WHEN count(*) > 0
                    THEN set_config('pgbelay.outbox_lock',
                                    CAST(greatest(max(waited.lock), (SELECT highest FROM asked))
                                      AS text), true) END AS highest
          FROM waited)\
      """;

  /** Those of the locks that this transaction has. */
  private static final String HELD =
      """
      SELECT (CAST(l.classid AS bigint) << 32) | CAST(l.objid AS bigint)
        FROM pg_catalog.pg_locks AS l
       WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
         AND l.pid = pg_backend_pid()
         AND (CAST(l.classid AS bigint) << 32) | CAST(l.objid AS bigint) = ANY (CAST(? AS bigint[]))\
      """;

  private StrictSql() {}

  /** Binds what {@link #ASKED} asks for; the place behind it. */
  static int bind(
      Connection connection,
      PreparedStatement append,
      int first,
      Collection<Long> locks,
      boolean held)
      throws SQLException {
    append.setArray(first, connection.createArrayOf("bigint", locks.toArray()));
    append.setBoolean(first + 1, held);
    return first + 2;
  }

  static Set<Long> held(Connection connection, Collection<Long> locks) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(HELD)) {
      select.setArray(1, connection.createArrayOf("bigint", locks.toArray()));
      Set<Long> held = new HashSet<>();
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          held.add(row.getLong(1));
        }
      }
      return held;
    }
  }
}
