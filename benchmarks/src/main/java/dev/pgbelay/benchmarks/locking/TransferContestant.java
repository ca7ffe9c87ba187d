package dev.pgbelay.benchmarks.locking;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import javax.sql.DataSource;

/** Moves money; none may be lost or made. */
record TransferContestant(String name, DataSource pool, long transfers, Transfer transfer)
    implements Contestant {
  private static final long START = 1_000;

  @Override
  public List<Measurement> measure(String part) throws Exception {
    create();
    int accounts = part.equals("pairs") ? 2 : 3;
    long before = number(TransferSql.DEADLOCKS, 2);
    Transfers.Outcome outcome = Transfers.run(transfer, accounts, transfers);
    long deadlocks = number(TransferSql.DEADLOCKS, 2) - before;
    Work did = new Work(outcome.done(), number(TransferSql.TOTAL, 1));
    Work expected = new Work(transfers, START * Transfers.ACCOUNTS);
    double rate = outcome.done() / (outcome.nanos() / 1e9);
    return List.of(
        new Measurement(part + "/transfers-per-second", rate, "transfers/s", did, expected),
        new Measurement(part + "/longest", outcome.longest() / 1e6, "ms", did, expected),
        new Measurement(part + "/deadlocks", (double) deadlocks, "in all", did, expected));
  }

  private void create() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(TransferSql.CREATE.formatted(Transfers.ACCOUNTS));
    }
  }

  private long number(String sql, int column) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(column);
    }
  }
}
