package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The payloads of claimed jobs, also those that a claim has left in the database. */
record Payloads(Transactions transactions, PayloadSql sql) {
  /**
   * As it was enqueued; empty if the job is gone, which only another holder can have brought about.
   *
   * @throws PgBelayException if it could not be read
   */
  Optional<byte[]> of(ClaimedJob job) {
    byte @Nullable [] payload = job.payload();
    if (payload != null) {
      return Optional.of(payload);
    }
    try {
      return sql.read(transactions, job.id());
    } catch (Exception e) {
      throw new PgBelayException("its payload could not be fetched: " + e, e);
    }
  }
}
