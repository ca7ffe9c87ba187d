package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PollPace;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a worker consists of, put together from its options. */
final class WorkerParts {
  private static final Logger LOG = LoggerFactory.getLogger(WorkerParts.class);

  final Registration registration;
  final Settler settler;
  final HandOver handOver;
  final Upkeep upkeep;
  final KeyAdmission keys;
  final WorkerAlarm alarm;
  final AttemptThreads threads;
  final List<Work> queues;

  /** Set once, when the worker is to end. */
  final AtomicBoolean stopping = new AtomicBoolean();

  private final WorkMeters meters;
  private final Activity activity;
  private final Cancellations cancellations;
  private final Leftovers leftovers;

  /**
   * @param watching who is told of what happens, besides those that the options name
   */
  WorkerParts(WorkerOptions options, List<WorkMeters> watching) {
    String name = options.name();
    MissingTables missing = new MissingTables(name, options.schema());
    SettleSql settleSql =
        options.settleSql() == null
            ? new SettleSql(options.schema(), options.lease())
            : options.settleSql();
    this.activity =
        new Activity(name, missing, options.transactions(), options.schema(), options.registry());
    this.meters = meters(options, activity, watching);
    this.alarm = new WorkerAlarm(options.wakeUps());
    this.threads = new AttemptThreads(name, options.threadFactory(), options.registry());
    this.registration = new Registration(options, new WorkerSql(options.schema()), meters);
    this.settler =
        new Settler(
            name, options.transactions(), settleSql, options.node(), meters, options.registry());
    this.handOver =
        new HandOver(
            name,
            options.schema(),
            options.transactions(),
            registration,
            settler,
            options.registry());
    this.upkeep =
        new Upkeep(
            name,
            missing,
            options.transactions(),
            options.schema(),
            options.retention(),
            options.lease(),
            options.pollInterval(),
            alarm::broughtBack,
            meters,
            options.registry());
    this.keys =
        new KeyAdmission(
            name,
            missing,
            options.transactions(),
            new KeySql(options.schema()),
            options.lease(),
            options.pollInterval(),
            alarm::broughtBack,
            options.registry());
    LimitSql limitSql = new LimitSql(options.schema());
    Board.Reader boards =
        new Board.Reader(options.transactions(), limitSql, options.pollInterval());
    this.cancellations =
        new Cancellations(
            name,
            missing,
            options.transactions(),
            new CancelSql(options.schema()),
            boards,
            options.lease(),
            options.pollInterval(),
            threads::cancel,
            options.registry());
    this.leftovers =
        new Leftovers(
            name,
            missing,
            options.transactions(),
            new UniqueSql(options.schema()),
            settleSql.reports(),
            options.retention().ofFinished(),
            options.lease(),
            options.registry());
    this.queues = new ArrayList<>();
    Claims.Statements statements =
        new Claims.Statements(
            new ClaimSql(options.schema()), new LimitedClaimSql(options.schema()));
    Payloads payloads = new Payloads(options.transactions(), new PayloadSql(options.schema()));
    Set<String> kinds = options.handlings().keySet();
    for (Map.Entry<String, Integer> queue : options.queues().entrySet()) {
      Work work =
          new Work(
              "jobs-" + name + "-claim-" + (queues.size() + 1),
              missing,
              queue.getKey(),
              queue.getValue(),
              new Lane.Lanes(queue.getKey(), kinds, options.permits()),
              boards,
              new PollPace(options.pollInterval(), options.wakeUps()),
              new Claims(queue.getKey(), options, statements, registration),
              settler,
              meters,
              options.registry());
      queues.add(work);
      alarm.wakes(queue.getKey(), work::wakeUp);
      for (int i = 1; i <= queue.getValue(); i++) {
        threads.add(
            new AttemptRunner(
                work,
                options.handlings(),
                registration,
                settleSql,
                payloads,
                settler,
                meters,
                stopping));
      }
    }
    alarm.wakesForKeys(keys::wakeUp);
  }

  private static WorkMeters meters(
      WorkerOptions options, Activity activity, List<WorkMeters> watching) {
    List<WorkMeters> all = new ArrayList<>(watching);
    all.add(activity);
    if (options.registry() != null) {
      all.add(new WorkMeters.OfMicrometer(options.registry(), options.name()));
    }
    options.listeners().forEach(listener -> all.add(new EventMeters(listener)));
    return all.size() == 1 ? activity : new AllMeters(all);
  }

  /** All but the hand-over, which begins when somebody may hand over. */
  void start() {
    settler.start();
    upkeep.start();
    activity.start();
    keys.start();
    cancellations.start();
    leftovers.start();
    queues.forEach(work -> meters.watch(work.queue(), work));
    queues.forEach(Work::start);
    threads.start();
  }

  /** Once the queues fetch no more, and the threads have ended or will not. */
  void close() {
    threads.close();
    handOver.close();
    upkeep.close();
    keys.close();
    cancellations.close();
    leftovers.close();
    settler.close();
    activity.close();
    meters.unwatch();
  }

  /**
   * At last. Leaves the row to expire if results could not be written, or if a transaction is open
   * that has handed a job over.
   */
  void signOff(String name) {
    if (settler.pending() == 0 && handOver.pending() == 0) {
      try {
        registration.end();
      } catch (RuntimeException | SQLException e) {
        LOG.info("worker '{}' could not sign off; its row expires by itself", name, e);
      }
    }
    registration.close();
  }
}
