package dev.pgbelay.benchmarks.witness;

import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.SplittableRandom;
import javax.sql.DataSource;

/** One client's transactions for a while, each on a connection from the pool. */
final class BankContestant implements Contestant {
  /** For each of the repeats that the command line allows: rounds are short, and many. */
  private static final long NANOS_PER_REPEAT = 1_000_000;

  private final String name;
  private final DataSource dataSource;
  private final DataSource unobserved;
  private final int accounts;
  private final long nanos;
  private final SplittableRandom random = new SplittableRandom(20261120);

  BankContestant(
      String name, DataSource dataSource, DataSource unobserved, BenchSettings settings) {
    this.name = name;
    this.dataSource = dataSource;
    this.unobserved = unobserved;
    this.accounts = (int) Math.min(settings.rows(), Integer.MAX_VALUE);
    this.nanos = settings.repeats() * NANOS_PER_REPEAT;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    Work before = history();
    long done = 0;
    long sum = 0;
    long start = System.nanoTime();
    do {
      int delta = random.nextInt(-5000, 5001);
      transaction(delta);
      sum += delta;
      done++;
    } while (System.nanoTime() < start + nanos);
    double seconds = (System.nanoTime() - start) / 1e9;
    Work after = history();
    return List.of(
        new Measurement(
            "transactions-per-second",
            done / seconds,
            "transactions/s",
            new Work(after.rows() - before.rows(), after.checksum() - before.checksum()),
            new Work(done, sum)));
  }

  private void transaction(int delta) throws SQLException {
    int account = 1 + random.nextInt(accounts);
    int teller = 1 + random.nextInt(100);
    int branch = 1 + random.nextInt(10);
    try (Connection connection = dataSource.getConnection()) {
      connection.setAutoCommit(false);
      update(connection, BankSql.UPDATE_ACCOUNT, delta, account);
      try (PreparedStatement read = connection.prepareStatement(BankSql.READ_ACCOUNT)) {
        read.setInt(1, account);
        try (ResultSet row = read.executeQuery()) {
          row.next();
        }
      }
      update(connection, BankSql.UPDATE_TELLER, delta, teller);
      update(connection, BankSql.UPDATE_BRANCH, delta, branch);
      update(connection, BankSql.INSERT_HISTORY, teller, branch, account, delta);
      connection.commit();
    }
  }

  private static void update(Connection connection, String sql, int... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) {
        statement.setInt(i + 1, values[i]);
      }
      statement.executeUpdate();
    }
  }

  private Work history() throws SQLException {
    try (Connection connection = unobserved.getConnection();
        PreparedStatement count = connection.prepareStatement(BankSql.COUNT_HISTORY);
        ResultSet row = count.executeQuery()) {
      row.next();
      return new Work(row.getLong(1), row.getLong(2));
    }
  }
}
