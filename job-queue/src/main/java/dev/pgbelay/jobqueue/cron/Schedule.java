package dev.pgbelay.jobqueue.cron;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.internal.Names;
import java.time.Duration;

/**
 * A job and when it is enqueued, again and again. Immutable, and as safe for several threads as its
 * job's payload is.
 *
 * <p>Each job has the headers {@value #NAME_HEADER} and {@value #MOMENT_HEADER}: the moment that
 * the schedule meant, in ISO-8601, UTC.
 *
 * @param name 1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first
 * @param times the moments
 * @param job what is enqueued; with queue, priority, attempts and up to 30 headers, without time
 * @param missed what becomes of moments that nobody saw; {@link MissedFires#ONCE} unless said
 * @param grace how late a moment may be before {@link MissedFires#SKIP} skips it, 1 second to 1
 *     day; 1 minute unless said
 */
public record Schedule(
    String name, CronTimes times, NewJob<?> job, MissedFires missed, Duration grace) {
  /** The header with the schedule's name. */
  public static final String NAME_HEADER = "pgbelay-schedule";

  /** The header with the moment that was meant. */
  public static final String MOMENT_HEADER = "pgbelay-schedule-moment";

  /**
   * @throws PgBelayException naming the option, its value and its range
   */
  public Schedule {
    Names.require("schedule", name);
    OptionRange.require("grace", grace, Duration.ofSeconds(1), Duration.ofDays(1));
    OptionRange.require("the number of headers", job.headers().size(), 0, 30);
    if (!job.equals(storable(job))) {
      throw new PgBelayException(
          "the job of schedule '"
              + name
              + "' has a time or another option that schedules do not keep: they keep payload,"
              + " queue, priority, attempts and headers");
    }
  }

  /** As much of it as the table of schedules has columns for. */
  private static <P> NewJob<P> storable(NewJob<P> job) {
    NewJob<P> kept =
        job.kind()
            .job(job.payload())
            .withQueue(job.queue())
            .withPriority(job.priority())
            .withMaxAttempts(job.maxAttempts());
    for (var header : job.headers().entrySet()) {
      kept = kept.withHeader(header.getKey(), header.getValue());
    }
    return kept;
  }

  /** A schedule with defaults. */
  public static Schedule of(String name, CronTimes times, NewJob<?> job) {
    return new Schedule(name, times, job, MissedFires.ONCE, Duration.ofMinutes(1));
  }

  /** This one with another way to treat moments that nobody saw. */
  public Schedule withMissed(MissedFires policy) {
    return new Schedule(name, times, job, policy, grace);
  }

  /** This one with another grace. */
  public Schedule withGrace(Duration time) {
    return new Schedule(name, times, job, missed, time);
  }

  byte[] payload() {
    return encode(job);
  }

  private static <P> byte[] encode(NewJob<P> job) {
    return job.kind().codec().encode(job.payload());
  }
}
