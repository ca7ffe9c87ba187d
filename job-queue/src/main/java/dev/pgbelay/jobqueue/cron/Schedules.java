package dev.pgbelay.jobqueue.cron;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobQueue;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jooq.DSLContext;

/**
 * The schedules in the table: put there when a service starts, looked at, paused. They are fired by
 * a {@link ScheduleRunner}.
 *
 * <p>Works in the caller's transaction and never ends it. Owns no threads. Safe for several
 * threads.
 */
public final class Schedules {
  private final String schema;
  private final ScheduleSql sql;

  private Schedules(String schema) {
    this.schema = schema;
    this.sql = new ScheduleSql(schema);
  }

  /** Those of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static Schedules create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those of another schema. */
  public static Schedules inSchema(String schema) {
    return new Schedules(schema);
  }

  /** What became of {@link #put}. */
  public enum Put {
    /** It is new. */
    ADDED,
    /** One of that name said something else. */
    CHANGED,
    /** It was there already, and nothing was written. */
    UNCHANGED
  }

  /** What became of a call about one schedule. */
  public enum Outcome {
    /** It was done. */
    DONE,
    /** It was so already. */
    UNCHANGED,
    /** There is none of that name. */
    NOT_FOUND
  }

  /**
   * Adds a schedule, or changes the one of its name; call it whenever the service starts. The next
   * moment is reckoned from the database's clock; it stays as it is where expression and zone do. A
   * paused one stays paused. The job's payload is encoded now, and is the same in all jobs.
   *
   * @throws PgBelayException if it never fires
   */
  public Put put(Tx tx, Schedule schedule) {
    Instant now = sql.now(tx.dsl());
    Optional<Instant> next = schedule.times().nextAfter(now);
    if (next.isEmpty()) {
      throw new PgBelayException(
          "schedule '"
              + schedule.name()
              + "' never fires: cron "
              + schedule.times()
              + " means no moment after "
              + now);
    }
    return sql.put(tx.dsl(), schedule, next.get())
        .map(revision -> revision == 1 ? Put.ADDED : Put.CHANGED)
        .orElse(Put.UNCHANGED);
  }

  /** Takes a schedule away; jobs that it has enqueued stay. */
  public Outcome remove(Tx tx, String name) {
    return sql.remove(tx.dsl(), name) == 1 ? Outcome.DONE : Outcome.NOT_FOUND;
  }

  /** Fires no more, in all processes, from the commit on. */
  public Outcome pause(Tx tx, String name) {
    if (sql.pause(tx.dsl(), name) == 1) {
      return Outcome.DONE;
    }
    return sql.find(tx.dsl(), name).isPresent() ? Outcome.UNCHANGED : Outcome.NOT_FOUND;
  }

  /** Fires again from now on; what lay within the pause is not made up for, and not missed. */
  public Outcome resume(Tx tx, String name) {
    Optional<ScheduleSql.Locked> locked = sql.lock(tx.dsl(), name);
    if (locked.isEmpty()) {
      return Outcome.NOT_FOUND;
    }
    if (!locked.get().paused()) {
      return Outcome.UNCHANGED;
    }
    CronTimes times = CronTimes.of(locked.get().cron(), ZoneId.of(locked.get().zone()));
    sql.resume(tx.dsl(), name, times.nextAfter(sql.now(tx.dsl())).orElse(null));
    return Outcome.DONE;
  }

  /**
   * What became of {@link #fireNow}.
   *
   * @param outcome whether there is such a schedule
   * @param jobId of the job that was enqueued
   */
  public record Fired(Outcome outcome, OptionalLong jobId) {}

  /**
   * Enqueues the schedule's job now, whatever its times say, also if it is paused; its next moment
   * stays as it is.
   *
   * @throws PgBelayException if the queue is of another schema
   */
  public Fired fireNow(Tx tx, JobQueue jobs, String name) {
    if (!jobs.schema().equals(schema)) {
      throw new PgBelayException(
          "schedule '"
              + name
              + "' is in schema "
              + schema
              + ", and the job queue is of schema "
              + jobs.schema()
              + ": give one of the same schema");
    }
    return sql.findJob(tx.dsl(), name)
        .map(
            asked ->
                new Fired(
                    Outcome.DONE,
                    OptionalLong.of(
                        jobs.enqueue(tx, ScheduleRunner.job(asked.template(), asked.now())))))
        .orElse(new Fired(Outcome.NOT_FOUND, OptionalLong.empty()));
  }

  /** One schedule; one statement. */
  public Optional<ScheduleState> find(DSLContext dsl, String name) {
    return sql.find(dsl, name);
  }

  /** All schedules by name; one statement. */
  public List<ScheduleState> list(DSLContext dsl) {
    return sql.list(dsl);
  }
}
