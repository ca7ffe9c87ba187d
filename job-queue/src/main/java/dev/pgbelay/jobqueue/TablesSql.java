package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Refusal;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The tables' quoted names, for the places {@code <job>}, {@code <worker>} and so on. */
final class TablesSql {
  /** What is said of a statement that the database refused. */
  static final Refusal REFUSED = Refusal.ofModule("jobqueue", "job queue");

  /** In a list of failures; the same whatever the session's settings. */
  private static final String NOW_AS_TEXT =
      """
      to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')\
      """;

  private final String schema;

  TablesSql(String schema) {
    this.schema = schema;
  }

  /** The statement with the names in their places. */
  String fill(String sql) {
    return sql.replace("<job>", name("job"))
        .replace("<worker>", name("job_worker"))
        .replace("<finished>", name("job_finished"))
        .replace("<kept>", name("job_finished_kept"))
        .replace("<activity>", name("job_activity"))
        .replace("<dead>", name("job_dead"))
        .replace("<unique>", name("job_unique"))
        .replace("<control>", name("job_control"))
        .replace("<slot>", name("job_slot"))
        .replace("<cancel>", name("job_cancel"))
        .replace("<report>", name("job_report"))
        .replace("<now as text>", NOW_AS_TEXT);
  }

  private String name(String table) {
    return DSL.using(SQLDialect.POSTGRES).render(DSL.table(DSL.name(schema, table)));
  }
}
