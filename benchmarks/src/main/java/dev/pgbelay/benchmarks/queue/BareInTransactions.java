package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.core.Transactions;
import java.nio.charset.StandardCharsets;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import javax.sql.DataSource;

/** The hand-written table, written to in transactions that the library begins and commits. */
final class BareInTransactions implements QueueWay {
  private final HandWrittenQueue bare;
  private final Transactions transactions;

  BareInTransactions(DataSource pool) {
    this.bare = new HandWrittenQueue(pool, 4, 500);
    this.transactions = Transactions.of(pool);
  }

  @Override
  public void reset() throws SQLException {
    bare.reset();
  }

  @Override
  public void enqueue(List<String> payloads) throws SQLException {
    bare.enqueue(payloads);
  }

  @Override
  public void enqueueOne(String payload) throws SQLException {
    transactions.<Integer, SQLException>run(
        tx -> {
          try (PreparedStatement insert = tx.connection().prepareStatement(QueueSql.ENQUEUE_ONE)) {
            insert.setBytes(1, payload.getBytes(StandardCharsets.UTF_8));
            return insert.executeUpdate();
          }
        });
  }

  @Override
  public Workers work(Ran ran) {
    return bare.work(ran);
  }

  @Override
  public long left() throws SQLException {
    return bare.left();
  }
}
