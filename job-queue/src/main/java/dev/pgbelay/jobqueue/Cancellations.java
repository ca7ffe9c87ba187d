package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Looks, once in a poll interval however seldom the queues are looked at, for what somebody has
 * said meanwhile: jobs to be cancelled, of which those that run here are told, and pauses.
 */
final class Cancellations implements AutoCloseable {
  private final TxOptions looking;
  private final Transactions transactions;
  private final CancelSql sql;
  private final Board.Reader boards;
  private final Consumer<Map<Long, String>> tell;
  private final BackgroundLoop loop;

  Cancellations(
      String name,
      MissingTables missing,
      Transactions transactions,
      CancelSql sql,
      Board.Reader boards,
      Duration lease,
      Duration pollInterval,
      Consumer<Map<Long, String>> tell,
      @Nullable MeterRegistry registry) {
    this.looking = Upkeep.stoppedAtMost(lease, "jobqueue-cancel").build();
    this.transactions = transactions;
    this.sql = sql;
    this.boards = boards;
    this.tell = tell;
    this.loop =
        BackgroundLoop.builder("jobs-" + name + "-cancel", missing.toldOnce(this::pass))
            .idlePause(pollInterval, pollInterval)
            .meterRegistry(registry)
            .build();
  }

  void start() {
    loop.start();
  }

  private Pass pass() throws SQLException {
    boards.current();
    Map<Long, String> reasons = transactions.run(looking, tx -> sql.list(tx.connection()));
    if (!reasons.isEmpty()) {
      tell.accept(reasons);
      transactions.execute(looking, tx -> sql.apply(tx.connection()));
    }
    return Pass.idle();
  }

  @Override
  public void close() {
    loop.close();
  }
}
