package dev.pgbelay.jobqueue.inspect;

import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import java.util.Optional;
import org.jooq.DSLContext;

/**
 * Finds jobs. Each call is one statement and opens no transaction; inside of one, give {@code
 * tx.dsl()}, and it sees what the transaction has enqueued. Owns no threads. Safe for several
 * threads.
 */
public final class Jobs {
  private final InspectSql sql;

  private Jobs(InspectSql sql) {
    this.sql = sql;
  }

  /** Those of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static Jobs create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those of another schema. */
  public static Jobs inSchema(String schema) {
    return new Jobs(new InspectSql(schema));
  }

  /**
   * A job wherever it is: waiting, running, a dead letter, or finished for as long as the record of
   * that is kept.
   */
  public Optional<JobInfo> find(DSLContext dsl, long id) {
    return sql.find(dsl, id);
  }

  /**
   * A page of the jobs that are not finished, by ascending id. Looks at no more than 10,000 jobs,
   * so a page can hold fewer than {@code limit} and not be the last.
   *
   * @param after {@link JobPage#next} of the page before; 0 for the first
   * @param limit 1 to 1,000
   * @throws dev.pgbelay.core.PgBelayException if the limit is out of its range
   */
  public JobPage list(DSLContext dsl, JobFilter filter, long after, int limit) {
    OptionRange.require("limit", limit, 1, 1_000);
    return sql.list(dsl, filter, after, limit);
  }
}
