package dev.pgbelay.reconcile.retention;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.repair.RepairProcess;
import org.postgresql.ds.PGSimpleDataSource;

/** A process that deletes what is old, and ends before the statement it is told. */
final class RetentionProcess {
  private RetentionProcess() {}

  public static void main(String[] args) {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(args[0]);
    Retention.builder(
            Transactions.of(RepairProcess.endingBefore(database, Integer.parseInt(args[1]))))
        .build()
        .run();
  }
}
