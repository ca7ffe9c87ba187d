package dev.pgbelay.jobqueue.cron;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.NewJob;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Enqueues the jobs of schedules when they are due. Run one in each process that you like: whoever
 * moves a schedule's next moment on enqueues its job in the same transaction, so each moment is
 * fired once, whatever the number of processes and whichever of them dies. A schedule that cannot
 * be fired, because its row was spoilt or its job is refused, is noted in its row, counted, and
 * tried again every minute; the others go on.
 *
 * <p>Owns one thread, a daemon, and runs short transactions of its own. What is due is decided by
 * the database's clock; when that is put back, what was fired is not fired again. Safe for several
 * threads; started once, stopped once.
 */
public final class ScheduleRunner implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ScheduleRunner.class);
  private static final TxOptions LOOK =
      TxOptions.builder().path("jobqueue-schedule").readOnly(true).build();
  private static final TxOptions FIRE =
      TxOptions.builder()
          .path("jobqueue-schedule")
          .setting("idle_in_transaction_session_timeout", "30s")
          .build();
  private static final int PAGE = 100;
  private static final int LONGEST_FAILURE = 1_000;

  /** Nothing that is wrong with a schedule. */
  private static final Set<FailureKind> OF_THE_DATABASE =
      EnumSet.of(
          FailureKind.CONNECTION_LOST,
          FailureKind.CANNOT_CONNECT,
          FailureKind.POOL_EXHAUSTED,
          FailureKind.OUTCOME_UNKNOWN);

  private final Transactions transactions;
  private final JobQueue jobs;
  private final FiringSql sql;
  private final ScheduleEvents events;
  private final BackgroundLoop loop;

  private ScheduleRunner(Builder builder) {
    this.transactions = builder.transactions;
    this.jobs = builder.jobs;
    this.sql = new FiringSql(builder.jobs.schema());
    this.events =
        builder.registry == null
            ? ScheduleEvents.NONE
            : new ScheduleEvents.OfMicrometer(builder.registry);
    this.loop =
        BackgroundLoop.builder("jobs-" + builder.name + "-schedule", this::pass)
            .idlePause(builder.pollInterval, builder.pollInterval)
            .failurePause(Duration.ofMillis(200), Duration.ofSeconds(10))
            .meterRegistry(builder.registry)
            .build();
  }

  /**
   * Begins the definition.
   *
   * @param jobs enqueues, so its limits hold and its workers are woken; the schedules are those of
   *     its schema
   */
  public static Builder builder(Transactions transactions, JobQueue jobs) {
    return new Builder(transactions, jobs);
  }

  /**
   * Starts the thread; asks no database.
   *
   * @throws PgBelayException if it was started or stopped before
   */
  public void start() {
    loop.start();
  }

  /** Lets the schedule end that is being fired, and stops. */
  @Override
  public void close() {
    loop.close();
  }

  /**
   * Fires what is due, on the calling thread, for tests and for services that keep time themselves.
   *
   * @return how many schedules were due
   * @throws RuntimeException what the database threw, as jOOQ's {@code DataAccessException} or as
   *     what {@link Transactions} makes of it; a schedule that fails throws nothing
   */
  public int runDue() {
    int all = 0;
    Pass pass;
    do {
      try {
        pass = loop.runOnce();
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new PgBelayException("the schedules could not be run", e); // a pass throws none
      }
      all += pass.work();
    } while (pass.work() > 0);
    return all;
  }

  private Pass pass() {
    List<FiringSql.Due> due = transactions.run(LOOK, tx -> sql.due(tx.dsl(), PAGE));
    int moved = 0;
    for (FiringSql.Due one : due) {
      if (loop.isStopping()) {
        break;
      }
      try {
        moved += fire(one) ? 1 : 0;
      } catch (RuntimeException e) {
        if (OF_THE_DATABASE.contains(Failures.classify(e))) {
          throw e;
        }
        moved += failed(one, e);
      }
    }
    if (moved > 0) {
      return Pass.worked(moved);
    }
    if (!due.isEmpty()) {
      return Pass.idle(); // others are about them
    }
    return transactions
        .run(LOOK, tx -> sql.untilNext(tx.dsl()))
        .map(Pass::idle)
        .orElseGet(Pass::idle);
  }

  /** Whether it was done here. */
  private boolean fire(FiringSql.Due due) {
    CronTimes times = CronTimes.of(due.cron(), ZoneId.of(due.zone()));
    Firing firing = Firing.of(times, due.nextFire(), due.now(), due.missed(), due.grace());
    List<NewJob<byte[]>> enqueued =
        firing.moments().stream().map(moment -> job(due.template(), moment)).toList();
    boolean mine =
        transactions.run(
            FIRE,
            tx -> {
              boolean moved = sql.moveOn(tx.dsl(), due, firing);
              if (moved && !enqueued.isEmpty()) {
                jobs.enqueueAll(tx, enqueued);
              }
              return moved;
            });
    if (mine) {
      events.fired(due.template().name(), enqueued.size(), firing.missed());
      if (firing.missed() > 0) {
        LOG.warn(
            "schedule '{}': {} moments up to {} got no job of their own ({})",
            due.template().name(),
            firing.missed(),
            due.now(),
            due.missed());
      }
    }
    return mine;
  }

  static NewJob<byte[]> job(ScheduleSql.Template template, Instant moment) {
    NewJob<byte[]> job =
        JobKind.bytes(template.kind())
            .job(template.payload())
            .withQueue(template.queue())
            .withPriority(Duration.ofSeconds(template.priority()))
            .withMaxAttempts(template.maxAttempts())
            .withRunAt(moment);
    for (Map.Entry<String, String> header : template.headers().entrySet()) {
      job = job.withHeader(header.getKey(), header.getValue());
    }
    return job.withHeader(Schedule.NAME_HEADER, template.name())
        .withHeader(Schedule.MOMENT_HEADER, moment.toString());
  }

  /** 1 if that was noted, and the schedule waits a minute. */
  private int failed(FiringSql.Due due, RuntimeException failure) {
    String name = due.template().name();
    events.failed(name);
    LOG.error("schedule '{}' could not be fired; next try in a minute", name, failure);
    String text = String.valueOf(failure.getMessage()).replace('\0', ' ');
    String kept = text.length() > LONGEST_FAILURE ? text.substring(0, LONGEST_FAILURE) : text;
    return transactions.run(FIRE, tx -> sql.noteFailure(tx.dsl(), due, kept));
  }

  /** Options of a {@link ScheduleRunner}. Not thread-safe. */
  public static final class Builder {
    private final Transactions transactions;
    private final JobQueue jobs;
    private String name = "default";
    private Duration pollInterval = Duration.ofSeconds(1);
    private @Nullable MeterRegistry registry;

    private Builder(Transactions transactions, JobQueue jobs) {
      this.transactions = transactions;
      this.jobs = jobs;
    }

    /** Of the thread and its metrics; needed where a process has several. */
    public Builder name(String ofRunner) {
      this.name = OptionName.require(ofRunner, 32);
      return this;
    }

    /**
     * How soon a schedule is seen that was added or moved meanwhile: 10 ms to 1 minute, 1 s unless
     * said. What is known is fired at its moment.
     */
    public Builder pollInterval(Duration interval) {
      OptionRange.require("pollInterval", interval, Duration.ofMillis(10), Duration.ofMinutes(1));
      this.pollInterval = interval;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public ScheduleRunner build() {
      return new ScheduleRunner(this);
    }
  }
}
