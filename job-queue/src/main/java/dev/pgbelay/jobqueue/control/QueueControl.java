package dev.pgbelay.jobqueue.control;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.control.Setting.Scope;
import dev.pgbelay.jobqueue.internal.Names;
import java.util.List;
import org.jooq.DSLContext;

/**
 * Pauses and limits queues and kinds, for all workers of all processes.
 *
 * <p><b>Guarantee.</b> A worker looks at what was said before each of its claims, and what it knows
 * is not older than its poll interval. So a pause or a limit that is committed is kept by all after
 * that; what was claimed before it runs on. A limit is never exceeded by jobs whose claim is valid,
 * however workers die: what counts is the jobs themselves. A handler that was given up may still
 * run beside its successor; what it writes about its job is refused.
 *
 * <p>Works in the caller's transaction and never ends it; waits for claims of that queue or kind
 * that are under way, if there is a limit. Safe for several threads.
 */
public final class QueueControl {
  private final ControlSql sql;

  private QueueControl(ControlSql sql) {
    this.sql = sql;
  }

  /** Of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static QueueControl create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Of another schema. */
  public static QueueControl inSchema(String schema) {
    return new QueueControl(new ControlSql(schema));
  }

  /**
   * No job of the queue is begun after a poll interval; those that wait in a worker go back. None
   * is lost, and no attempt is counted. A queue that is paused keeps the moment it was paused
   * first.
   *
   * @param reason up to 1,000 characters, for those who look
   */
  public void pauseQueue(Tx tx, String queue, String reason) {
    sql.pause(tx.dsl(), Scope.QUEUE, Names.require("queue", queue), fit(reason));
  }

  /** Ends {@link #pauseQueue}; nothing if there was none. */
  public void resumeQueue(Tx tx, String queue) {
    sql.resume(tx.dsl(), Scope.QUEUE, Names.require("queue", queue));
  }

  /** {@link #pauseQueue} for the jobs of a kind, in all queues. */
  public void pauseKind(Tx tx, JobKind<?> kind, String reason) {
    sql.pause(tx.dsl(), Scope.KIND, kind.name(), fit(reason));
  }

  /** Ends {@link #pauseKind}; nothing if there was none. */
  public void resumeKind(Tx tx, JobKind<?> kind) {
    sql.resume(tx.dsl(), Scope.KIND, kind.name());
  }

  /**
   * Limits a queue, instead of what was said before. What runs already when a queue is limited for
   * the first time is not counted.
   */
  public void limitQueue(Tx tx, String queue, Limits limits) {
    sql.limit(tx.dsl(), Scope.QUEUE, Names.require("queue", queue), limits);
  }

  /**
   * Limits a kind in all queues, as {@link #limitQueue}. Where many jobs of a limited kind stand in
   * front of others, each look at the whole queue walks over them: give such kinds a queue.
   *
   * @throws PgBelayException if the limits have one per key
   */
  public void limitKind(Tx tx, JobKind<?> kind, Limits limits) {
    if (limits.perKey().isPresent()) {
      throw new PgBelayException(
          kind + " cannot have a limit per key: keys belong to queues, use limitQueue");
    }
    sql.limit(tx.dsl(), Scope.KIND, kind.name(), limits);
  }

  /** All that was said; one statement. */
  public List<Setting> list(DSLContext dsl) {
    return sql.list(dsl);
  }

  private static String fit(String reason) {
    OptionRange.require("the length of the reason", reason.length(), 0, 1_000);
    return reason.replace('\0', ' ');
  }
}
