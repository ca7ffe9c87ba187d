package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.jobqueue.KeySql.Given;
import dev.pgbelay.jobqueue.KeySql.SlotKey;
import dev.pgbelay.jobqueue.KeySql.Waiting;
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

  /** What is promoted, or committed late, by less than this is seen by every look. */
  private static final long OVERLAP_MICROS = 10_000_000;

  private final TxOptions giving;
  private final Transactions transactions;
  private final KeySql sql;
  private final Runnable admitted;
  private final BackgroundLoop loop;

  /** Used within passes only, as what follows. */
  private @Nullable SlotKey sweptUpTo;

  private FullLooks looks = new FullLooks();
  private FullLooks sweeps = new FullLooks();

  /** What arrived with an earlier place was admitted, as far as it could be seen. */
  private long admittedUpTo = KeySql.FRONT;

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
      looks = new FullLooks(); // tests put jobs back in time
      sweeps = new FullLooks();
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

  /**
   * Another process that does it at the moment does it for all. While an old snapshot keeps those
   * that were admitted, a look begins shortly before the last one; what arrives with an earlier
   * place is found by a look at everything, and not overtaken until then.
   */
  private Page give(Connection connection) throws SQLException {
    long start = System.nanoTime();
    boolean full = looks.isDueOrCheap(start);
    boolean sweeping = sweeps.isDueOrCheap(start);
    long from = full ? KeySql.FRONT : admittedUpTo;
    Waiting waiting = sql.look(connection, from, sweeping);
    long looked = System.nanoTime() - start;
    if (full) {
      looks.took(looked);
    }
    if (sweeping && !waiting.blocked()) {
      sweeps.took(looked);
    }
    if (!waiting.arrived() && !waiting.blocked()) {
      admittedUpTo = waiting.nowMicros() - OVERLAP_MICROS;
      return new Page(0, 0);
    }
    if (!sql.lock(connection)) {
      return new Page(0, 0);
    }
    Given arrived = sql.admit(connection, from, PAGE);
    if (arrived.looked() == PAGE) {
      return new Page(PAGE, arrived.ready());
    }
    admittedUpTo = waiting.nowMicros() - OVERLAP_MICROS;
    int freed = sweeping ? sweep(connection) : 0;
    return new Page(arrived.looked(), arrived.ready() + freed);
  }

  private int sweep(Connection connection) throws SQLException {
    long start = System.nanoTime();
    Given swept = sql.sweep(connection, sweptUpTo, PAGE);
    sweptUpTo = swept.last();
    sweeps.took(System.nanoTime() - start);
    return swept.ready();
  }

  @Override
  public void close() {
    loop.close();
  }
}
