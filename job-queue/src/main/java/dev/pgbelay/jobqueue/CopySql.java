package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Optional;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;

/**
 * COPY of jobs that differ in their payload only. It returns nothing, so ids and the clock are read
 * before.
 */
class CopySql {
  /**
   * No ids where COPY is not for this role: it is refused under row security, and ids drawn by name
   * need a grant on their sequence. Binds the table twice, number of ids.
   */
  private static final String DRAW =
      """
      WITH job AS MATERIALIZED (
        SELECT CAST(? AS regclass) AS oid, CAST(pg_get_serial_sequence(?, 'id') AS regclass) AS ids)
      SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint),
             CASE WHEN has_sequence_privilege(job.ids, 'USAGE') AND NOT row_security_active(job.oid)
                  THEN ARRAY(SELECT nextval(job.ids) FROM generate_series(1, CAST(? AS integer)))
             END
        FROM job\
      """;

  /**
   * Every column without a default that is constant: others would keep COPY from adding in bulk.
   */
  private static final String COPY =
      """
      COPY <job> (id, queue, kind, state, place, enqueued_at, max_attempts, priority, headers, payload)
        FROM STDIN (FORMAT binary)\
      """;

  private final String copy;
  private final String jobTable;

  CopySql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.copy = tables.fill(COPY);
    this.jobTable = tables.fill("<job>");
  }

  /** What is read before: ids, which ascend, and the moment of all, in microseconds. */
  static final class Drawn {
    private final long[] ids;
    private final long micros;

    private Drawn(long[] ids, long micros) {
      this.ids = ids;
      this.micros = micros;
    }

    long[] ids() {
      return ids;
    }

    long micros() {
      return micros;
    }
  }

  /** Empty where the jobs must go another way; nothing was drawn then. */
  Optional<Drawn> draw(Connection connection, int jobs) throws SQLException {
    if (!(connection instanceof PGConnection) && !connection.isWrapperFor(PGConnection.class)) {
      return Optional.empty();
    }
    try (PreparedStatement select = connection.prepareStatement(DRAW)) {
      select.setString(1, jobTable);
      select.setString(2, jobTable);
      select.setInt(3, jobs);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        if (row.getArray(2) == null) {
          return Optional.empty();
        }
        Long[] ids = (Long[]) row.getArray(2).getArray();
        return Optional.of(
            new Drawn(Arrays.stream(ids).mapToLong(Long::longValue).toArray(), row.getLong(1)));
      }
    }
  }

  /**
   * As many jobs as ids were drawn, due at once. The connection's statement before it drew them.
   */
  void enqueue(Connection connection, NewJob<?> like, byte[][] payloads, Drawn drawn)
      throws SQLException {
    CopyIn stream = PgDriver.unwrap(connection).getCopyAPI().copyIn(copy);
    try {
      CopyRows rows = new CopyRows(stream, like, drawn.micros());
      for (int i = 0; i < payloads.length; i++) {
        rows.add(drawn.ids()[i], payloads[i]);
      }
      rows.end();
    } catch (SQLException | RuntimeException | Error e) {
      abandon(stream, e);
      throw e;
    }
  }

  /** Ends it with an error on the server; its transaction must be rolled back. */
  private static void abandon(CopyIn stream, Throwable cause) {
    try {
      if (stream.isActive()) {
        stream.cancelCopy();
      }
    } catch (SQLException e) {
      cause.addSuppressed(e);
    }
  }
}
