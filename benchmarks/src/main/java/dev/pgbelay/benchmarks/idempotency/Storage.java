package dev.pgbelay.benchmarks.idempotency;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/**
 * What keys take on the disk, and how fast old ones are deleted from beside as many young ones.
 *
 * @param size tells the table's bytes with its indexes
 * @param age adds as many rows again, which are older than answers are kept
 * @param old counts the rows that are
 */
record Storage(DataSource pool, String size, String age, String old, Purge purge) {
  /** Deletes what is older than answers are kept. */
  interface Purge {
    void run() throws Exception;
  }

  static Storage ofKeys(DataSource pool, Purge purge) {
    return new Storage(pool, GuardSql.SIZE_OF_KEYS, GuardSql.AGE_KEYS, GuardSql.OLD_KEYS, purge);
  }

  static Storage ofPayments(DataSource pool, Purge purge) {
    return new Storage(
        pool, GuardSql.SIZE_OF_PAYMENTS, GuardSql.AGE_PAYMENTS, GuardSql.OLD_PAYMENTS, purge);
  }

  /** As one writes it. */
  static Storage byHand(DataSource pool) {
    return new Storage(
        pool,
        GuardSql.SIZE_BY_HAND,
        GuardSql.AGE_BY_HAND,
        GuardSql.OLD_BY_HAND,
        () -> run(pool, GuardSql.PURGE_BY_HAND));
  }

  long bytes() throws SQLException {
    return number(size);
  }

  /** How many rows were deleted in a second. */
  double purgedPerSecond() throws Exception {
    run(pool, age);
    long rows = number(old);
    long start = System.nanoTime();
    purge.run();
    double seconds = (System.nanoTime() - start) / 1e9;
    if (number(old) != 0) {
      throw new IllegalStateException("old rows were left");
    }
    return rows / seconds;
  }

  private long number(String sql) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }

  private static void run(DataSource pool, String sql) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }
}
