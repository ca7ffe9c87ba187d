package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.jobqueue.KeySql.Given;
import dev.pgbelay.jobqueue.KeySql.SlotKey;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Gives free slots of partition keys to jobs: to those that have just arrived, and, a page of keys
 * at each look, to those whose key was left free without anybody to hand it to.
 */
final class KeyAdmission implements AutoCloseable {
  private static final int PAGE = 500;

  private final TxOptions giving;
  private final Transactions transactions;
  private final KeySql sql;
  private final Runnable admitted;
  private final BackgroundLoop loop;

  /** Used within passes only. */
  private @Nullable SlotKey sweptUpTo;

  KeyAdmission(
      String name,
      MissingTables missing,
      Transactions transactions,
      KeySql sql,
      Duration lease,
      Duration pollInterval,
      Runnable admitted,
      @Nullable MeterRegistry registry) {
    this.giving = Upkeep.stoppedAtMost(lease, "jobqueue-keys").build();
    this.transactions = transactions;
    this.sql = sql;
    this.admitted = admitted;
    this.loop =
        BackgroundLoop.builder("jobs-" + name + "-keys", missing.toldOnce(this::pass))
            .idlePause(pollInterval, pollInterval)
            .meterRegistry(registry)
            .build();
  }

  void start() {
    loop.start();
  }

  void wakeUp() {
    loop.wakeUp();
  }

  /** Everything that has arrived, on the calling thread. */
  void admitNow() throws Exception {
    Pass pass;
    do {
      pass = loop.runOnce();
    } while (pass.work() > 0);
  }

  private record Page(int arrived, int ready) {}

  private Pass pass() throws SQLException {
    Page page = transactions.run(giving, tx -> give(tx.connection()));
    if (page.ready() > 0) {
      admitted.run();
    }
    return page.arrived() > 0 ? Pass.worked(page.arrived()) : Pass.idle();
  }

  /** Another process that does it at the moment does it for all. */
  private Page give(Connection connection) throws SQLException {
    if (!sql.look(connection) || !sql.lock(connection)) {
      return new Page(0, 0);
    }
    Given arrived = sql.admit(connection, PAGE);
    if (arrived.looked() == PAGE) {
      return new Page(PAGE, arrived.ready());
    }
    Given swept = sql.sweep(connection, sweptUpTo, PAGE);
    sweptUpTo = swept.last();
    return new Page(arrived.looked(), arrived.ready() + swept.ready());
  }

  @Override
  public void close() {
    loop.close();
  }
}
