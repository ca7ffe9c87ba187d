package dev.pgbelay.examples;

import static org.jooq.impl.DSL.coalesce;
import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.sum;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.health.Health;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobContext;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import dev.pgbelay.jobqueue.cron.CronTimes;
import dev.pgbelay.jobqueue.cron.MissedFires;
import dev.pgbelay.jobqueue.cron.Schedule;
import dev.pgbelay.jobqueue.cron.ScheduleRunner;
import dev.pgbelay.jobqueue.cron.ScheduleState;
import dev.pgbelay.jobqueue.cron.Schedules;
import dev.pgbelay.jobqueue.health.QueueMonitor;
import dev.pgbelay.jobqueue.testing.ManualWorker;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.time.Duration;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * A report every night, by a service that runs as three processes. With a timer in each of them it
 * is made three times; with a schedule in the database it is made once, and also once after a night
 * in which no process was there.
 */
public final class NightlyReport {
  private static final int PROCESSES = 3;
  private static final Table<Record> SALE = table(name("sale"));
  private static final Table<Record> REPORT = table(name("report"));
  private static final Field<String> MOMENT = field(name("moment"), SQLDataType.VARCHAR(40));
  private static final Field<Long> CENTS = field(name("cents"), SQLDataType.BIGINT);
  private static final JobKind<String> NIGHTLY = JobKind.text("nightly-report");

  private final DataSource dataSource;
  private final Transactions transactions;
  private final DSLContext dsl;
  private final JobQueue jobs = JobQueue.create();
  private final Schedules schedules = Schedules.create();

  NightlyReport(DataSource dataSource) {
    this.dataSource = dataSource;
    this.transactions = Transactions.of(dataSource);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  public static void main(String[] args) throws Exception {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new NightlyReport(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) throws Exception {
    dsl.createTable(SALE).column(CENTS, SQLDataType.BIGINT.nullable(false)).execute();
    dsl.createTable(REPORT)
        .column(MOMENT, SQLDataType.VARCHAR(40).nullable(false))
        .column(CENTS, SQLDataType.BIGINT.nullable(false))
        .constraint(constraint("report_pk").primaryKey(MOMENT))
        .execute();
    dsl.insertInto(SALE, CENTS).values(1_250L).values(750L).execute();
    SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();

    AtomicInteger reports = new AtomicInteger();
    inEveryProcess(reports::incrementAndGet);
    out.println("naive: " + reports + " reports of one night by " + PROCESSES + " processes");

    inEveryProcess(this::announce);
    nobodyWasThereAtNight();
    inEveryProcess(this::fireOnce);
    try (ManualWorker worker = ManualWorker.of(worker())) {
      worker.drain();
    }
    ScheduleState state = schedules.find(dsl, "nightly-report").orElseThrow();
    LocalTime next = state.nextFire().orElseThrow().atZone(ZoneId.of(state.zone())).toLocalTime();
    out.println(
        "safe:  "
            + dsl.fetchCount(REPORT)
            + " report of "
            + dsl.fetchValue(DSL.select(sum(CENTS)).from(REPORT))
            + " cents, the next one at "
            + next
            + " in "
            + state.zone());
    out.println("watch: " + health().status());
  }

  /** A service starts the monitor, and asks for its health in a probe. */
  private Health health() throws Exception {
    // tag::monitor[]
    QueueMonitor monitor =
        QueueMonitor.builder(transactions)
            .standstill("default", Duration.ofHours(2)) // its jobs take long
            .expect(NIGHTLY, Duration.ofHours(26))
            .build();
    // end::monitor[]
    monitor.look();
    return monitor.health();
  }

  /** What a process does when it starts. */
  private Schedules.Put announce() {
    // tag::schedule[]
    Schedule nightly =
        Schedule.of(
                "nightly-report",
                CronTimes.of("30 2 * * *", ZoneId.of("Europe/Berlin")),
                NIGHTLY.job("sales"))
            .withMissed(MissedFires.ONCE);
    return transactions.run(tx -> schedules.put(tx, nightly));
    // end::schedule[]
  }

  /** A service calls {@code start()} instead; here a night must pass in no time. */
  private int fireOnce() throws Exception {
    // tag::runner[]
    ScheduleRunner runner = ScheduleRunner.builder(transactions, jobs).build();
    // end::runner[]
    return runner.runDue();
  }

  private JobWorkerBuilder worker() {
    return JobWorker.builder(transactions, dataSource).handle(NIGHTLY, this::report);
  }

  // tag::handler[]
  JobOutcome report(JobContext context, String what) {
    String moment = context.headers().get(Schedule.MOMENT_HEADER); // the night that is meant
    transactions.execute(
        tx -> {
          tx.dsl()
              .insertInto(REPORT, MOMENT, CENTS)
              .select(DSL.select(DSL.val(moment), coalesce(sum(CENTS), 0).cast(CENTS)).from(SALE))
              .execute();
          context.complete(tx); // with the report, or not at all
        });
    return JobOutcome.done();
  }

  // end::handler[]

  /** The schedule's next moment, two nights ago. */
  private void nobodyWasThereAtNight() {
    Field<OffsetDateTime> nextFire = field(name("next_fire"), SQLDataType.TIMESTAMPWITHTIMEZONE);
    Field<OffsetDateTime> lookAt = field(name("look_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
    dsl.update(table(name("pgbelay", "job_schedule")))
        .set(nextFire, nextFire.minus(2))
        .set(lookAt, lookAt.minus(2))
        .execute();
  }

  private static <T> void inEveryProcess(Callable<T> work) throws Exception {
    ExecutorService processes = Executors.newFixedThreadPool(PROCESSES);
    try {
      for (var result : processes.invokeAll(List.of(work, work, work))) {
        result.get();
      }
    } finally {
      processes.shutdown();
    }
  }
}
