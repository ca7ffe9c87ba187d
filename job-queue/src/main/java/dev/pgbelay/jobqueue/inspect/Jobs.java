package dev.pgbelay.jobqueue.inspect;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.internal.IdCursor;
import java.util.Optional;
import org.jooq.DSLContext;

/**
 * Finds jobs. Each call is one statement and opens no transaction; inside of one, give {@code
 * tx.dsl()}, and it sees what the transaction has enqueued. Owns no threads. Safe for several
 * threads.
 */
public final class Jobs {
  private static final int MOST = 1_000;

  private final InspectSql sql;
  private final FinishedSql finished;

  private Jobs(String schema) {
    this.sql = new InspectSql(schema);
    this.finished = new FinishedSql(schema);
  }

  /** Those of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static Jobs create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those of another schema. */
  public static Jobs inSchema(String schema) {
    return new Jobs(schema);
  }

  /**
   * A job wherever it is: waiting, running, a dead letter, or finished for as long as the record of
   * that is kept.
   */
  public Optional<JobInfo> find(DSLContext dsl, long id) {
    return sql.find(dsl, id);
  }

  /** The first page of {@link #list(DSLContext, JobFilter, String, int)}. */
  public JobPage<JobInfo> list(DSLContext dsl, JobFilter filter, int limit) {
    return list(dsl, filter, IdCursor.FIRST, limit);
  }

  /**
   * A page of the jobs that are not finished, by ascending id; of dead letters instead, where the
   * filter names that state. Looks at no more than 10,000 jobs, so a page can hold fewer than
   * {@code limit} and not be the last.
   *
   * @param after {@link JobPage#next} of the page before
   * @param limit 1 to 1,000
   * @throws PgBelayException if the limit is out of its range, the filter wants finished jobs, or
   *     {@code after} is of no page
   */
  public JobPage<JobInfo> list(DSLContext dsl, JobFilter filter, String after, int limit) {
    return list(dsl, filter, IdCursor.read(after), limit);
  }

  private JobPage<JobInfo> list(DSLContext dsl, JobFilter filter, long after, int limit) {
    OptionRange.require("limit", limit, 1, MOST);
    filter.requireUnfinishedOrDead();
    return sql.list(dsl, filter, after, limit);
  }

  /** The first page of {@link #listFinished(DSLContext, JobFilter, String, int)}. */
  public JobPage<JobInfo> listFinished(DSLContext dsl, JobFilter filter, int limit) {
    return listFinished(dsl, filter, Optional.empty(), limit);
  }

  /**
   * A page of the jobs that were done, discarded or cancelled, as long as the record of that is
   * kept. The days come from today backwards, and in a day the records in the order in which they
   * were written, the latest first; jobs that ended at nearly the same time may be the other way
   * round. Records that are kept for longer than their day come last, in no order; one that is
   * moved there between two pages can come twice. Looks at no more than 100 blocks, which are some
   * 10,000 records, so a page can hold fewer than {@code limit} and not be the last.
   *
   * @param after {@link JobPage#next} of the page before
   * @param limit 1 to 1,000
   * @throws PgBelayException if the limit is out of its range, the filter wants jobs that are not
   *     finished, or {@code after} is of no page
   */
  public JobPage<JobInfo> listFinished(DSLContext dsl, JobFilter filter, String after, int limit) {
    return listFinished(dsl, filter, Optional.of(after), limit);
  }

  private JobPage<JobInfo> listFinished(
      DSLContext dsl, JobFilter filter, Optional<String> after, int limit) {
    OptionRange.require("limit", limit, 1, MOST);
    filter.requireFinished();
    return finished.list(dsl, filter, after, limit);
  }
}
