package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Removes what jobs leave behind, a page at a time: unique keys that are nobody's, reports of jobs
 * that ended long ago. Any number may do it at once.
 */
final class Leftovers implements AutoCloseable {
  private static final int PAGE = 1_000;

  private final TxOptions removing;
  private final Transactions transactions;
  private final UniqueSql unique;
  private final ReportSql reports;
  private final int days;
  private final BackgroundLoop loop;

  // Used within passes only.
  private UniqueSql.@Nullable Name lastKey;
  private long lastReport;

  Leftovers(
      String name,
      MissingTables missing,
      Transactions transactions,
      UniqueSql unique,
      ReportSql reports,
      int days,
      Duration lease,
      @Nullable MeterRegistry registry) {
    this.removing = Upkeep.stoppedAtMost(lease, "jobqueue-leftovers").build();
    this.transactions = transactions;
    this.unique = unique;
    this.reports = reports;
    this.days = days;
    this.loop =
        BackgroundLoop.builder("jobs-" + name + "-leftovers", missing.toldOnce(this::pass))
            .idlePause(Duration.ofMinutes(1), Duration.ofMinutes(1))
            .meterRegistry(registry)
            .build();
  }

  void start() {
    loop.start();
  }

  Pass pass() throws SQLException {
    UniqueSql.Purged purged =
        transactions.run(removing, tx -> unique.purge(tx.connection(), lastKey, PAGE));
    lastKey = purged.last();
    long from = lastReport;
    lastReport = transactions.run(removing, tx -> reports.purge(tx.connection(), from, PAGE, days));
    return lastKey == null && lastReport == 0 ? Pass.idle() : Pass.worked(PAGE);
  }

  @Override
  public void close() {
    loop.close();
  }
}
