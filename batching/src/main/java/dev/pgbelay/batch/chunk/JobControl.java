package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.schema.SchemaInstaller;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * Looks at a {@link ChunkedJob} and steers it, from any process: all of it is the job's row in the
 * table {@code chunk_job}. A running job heeds a change at its next chunk, or within its poll
 * interval while it waits; a change itself waits for the chunk that is being committed.
 *
 * <p>Every method is one short transaction of its own, which gives up after a minute. Safe for
 * several threads.
 */
public final class JobControl {
  private static final String PATH = "batch-chunk-control";
  private static final TxOptions CHANGE =
      TxOptions.builder()
          .path(PATH)
          .deadline(Duration.ofMinutes(1))
          .lockTimeout(Duration.ofMinutes(1))
          .build();

  private final Transactions transactions;
  private final JobSql sql;

  private JobControl(Transactions transactions, JobSql sql) {
    this.transactions = transactions;
    this.sql = sql;
  }

  /** For the job of that name, in the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static JobControl of(Transactions transactions, String job) {
    return of(transactions, SchemaInstaller.DEFAULT_SCHEMA, job);
  }

  /** For the job of that name in the table that lies in {@code schema}. */
  public static JobControl of(Transactions transactions, String schema, String job) {
    return new JobControl(transactions, new JobSql(schema, job));
  }

  /** What is wanted of a job, or has become of it. */
  public enum State {
    /** To be worked on, by whoever runs it. */
    ACTIVE,
    /** A runner keeps its claim and waits. */
    PAUSED,
    /** Runners stop, and no run takes it up again before {@link JobControl#restart()}. */
    CANCELLED,
    /** The walk has reached the end. */
    DONE
  }

  /** What a change did. */
  public enum Outcome {
    CHANGED,
    /** The job was in that state already, or has ended, so that nothing can change. */
    UNCHANGED,
    UNKNOWN_JOB
  }

  /**
   * How far a job is.
   *
   * @param running whether a runner holds a live claim
   * @param rowsDone rows that the work changed, as it reported
   * @param rowsWalked rows that the walk has passed
   * @param rowsEstimated what the planner expected at the start; an estimate
   * @param chunkRows the size of the next chunk
   * @param throttledBy why the runner waits just now
   * @param elapsed since the start, pauses included
   * @param working the time spent in chunks
   */
  public record Status(
      String job,
      State state,
      boolean running,
      long rowsDone,
      long rowsWalked,
      Optional<Long> rowsEstimated,
      long chunksDone,
      int chunkRows,
      Optional<String> throttledBy,
      Optional<Duration> throttledFor,
      Duration elapsed,
      Duration working,
      Instant startedAt,
      Instant updatedAt) {

    /** Rows walked per second since the start, pauses included. */
    public double rowsPerSecond() {
      double seconds = elapsed.toNanos() / 1e9;
      return seconds <= 0 ? 0 : rowsWalked / seconds;
    }

    /** For a progress bar: 0 to 1; empty while nothing is known. Below 1 until the end. */
    public Optional<Double> fraction() {
      if (state == State.DONE) {
        return Optional.of(1.0);
      }
      return rowsEstimated
          .filter(rows -> rows > 0)
          .map(rows -> Math.min(0.99, rowsWalked / (double) rows));
    }

    /** The time that is left at the rate so far; empty while nothing is known. */
    public Optional<Duration> remaining() {
      if (state == State.DONE) {
        return Optional.of(Duration.ZERO);
      }
      double rate = rowsPerSecond();
      return rowsEstimated
          .filter(rows -> rate > 0)
          .map(rows -> Duration.ofMillis((long) (Math.max(0, rows - rowsWalked) / rate * 1000)));
    }
  }

  /** Empty if no job of this name was ever run. */
  public Optional<Status> status() {
    return transactions.run(
        TxOptions.builder().path(PATH).readOnly(true).deadline(Duration.ofSeconds(20)).build(),
        tx -> sql.read(tx.dsl()));
  }

  /** The runner finishes its chunk, keeps its claim and waits. */
  public Outcome pause() {
    return change(State.PAUSED);
  }

  /** Ends a pause. */
  public Outcome resume() {
    return change(State.ACTIVE);
  }

  /** The runner finishes its chunk and stops. What was done stays done. */
  public Outcome cancel() {
    return change(State.CANCELLED);
  }

  /**
   * Lets the next run of a job that is cancelled or done begin at the start. What was done stays
   * done: an INSERT or a function that is not prepared for it does it again.
   *
   * @return {@code UNCHANGED} if the job has not ended, or a runner still holds it
   */
  public Outcome restart() {
    return transactions.run(
        CHANGE, tx -> outcome(sql.restartEnded(tx.dsl()), sql.read(tx.dsl()).isPresent()));
  }

  /**
   * Deletes the job's row, so that the name starts from the beginning; refused while it runs.
   *
   * @return {@code UNCHANGED} if a runner holds the job
   */
  public Outcome forget() {
    return transactions.run(
        CHANGE, tx -> outcome(sql.forget(tx.dsl()), sql.read(tx.dsl()).isPresent()));
  }

  private Outcome change(State to) {
    return transactions.run(
        CHANGE,
        tx -> outcome(sql.changeState(tx.dsl(), to.name()), sql.read(tx.dsl()).isPresent()));
  }

  private static Outcome outcome(boolean changed, boolean known) {
    if (changed) {
      return Outcome.CHANGED;
    }
    return known ? Outcome.UNCHANGED : Outcome.UNKNOWN_JOB;
  }
}
