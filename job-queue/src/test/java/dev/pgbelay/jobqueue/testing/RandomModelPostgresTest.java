package dev.pgbelay.jobqueue.testing;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobContext;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobQueue.Change;
import dev.pgbelay.jobqueue.JobQueue.Enqueued;
import dev.pgbelay.jobqueue.JobQueue.Enqueued.Outcome;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.RetryPolicy;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.deadletter.DeadLetters;
import dev.pgbelay.jobqueue.testing.ReferenceQueue.Job;
import dev.pgbelay.jobqueue.testing.ReferenceQueue.Ready;
import dev.pgbelay.jobqueue.testing.ReferenceQueue.State;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Enqueues of all sorts, changes, limits, pauses, work and deaths of workers in a random order:
 * after each step every job is where {@link ReferenceQueue} has it, and the same jobs have run,
 * those of a key in order.
 */
class RandomModelPostgresTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int STEPS = FULL ? 500 : 150;
  private static final int SEEDS = FULL ? 50 : 4;
  private static final Duration PAUSE = Duration.ofMinutes(30L * ReferenceQueue.PAUSE);
  private static final List<String> QUEUES = List.of("one", "two");
  private static final List<JobKind<String>> KINDS =
      List.of(JobKind.text("mail"), JobKind.text("report"));

  /** Done, in the handler's transaction, discarded, no retry, snoozed, at once, failed. */
  private static final String LETTERS = "DDDDCXNSZFFT";

  private static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  private Transactions transactions = Transactions.of(postgres.dataSource());
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final JobQueue queue = JobQueue.create();
  private final QueueControl control = QueueControl.create();
  private final DeadLetters letters = DeadLetters.create();
  private final List<Integer> ran = new ArrayList<>();
  private final Map<Integer, Integer> runs = new HashMap<>();
  private final Map<Integer, NewJob<String>> enqueued = new HashMap<>();
  private ReferenceQueue model = new ReferenceQueue();
  private Random random = new Random();
  private boolean limited;

  private void empty() {
    dsl.execute(
        "truncate pgbelay.job, pgbelay.job_dead, pgbelay.job_finished, pgbelay.job_unique,"
            + " pgbelay.job_control, pgbelay.job_slot, pgbelay.job_cancel, pgbelay.job_worker");
  }

  private JobOutcome handle(JobContext context, String payload) throws Exception {
    String[] parts = payload.split(":", 3);
    int number = Integer.parseInt(parts[0]);
    ran.add(number);
    return switch (ReferenceQueue.letter(parts[1], runs.merge(number, 1, Integer::sum) - 1)) {
      case 'C' -> {
        transactions.execute(context::complete);
        yield JobOutcome.done();
      }
      case 'X' -> JobOutcome.discard("pointless");
      case 'N' -> throw new UnsupportedOperationException("no retry");
      case 'S' -> JobOutcome.snooze(PAUSE);
      case 'Z' -> JobOutcome.snooze(Duration.ZERO);
      case 'F' -> JobOutcome.retryLater(PAUSE, "later");
      case 'T' -> throw new IllegalStateException("thrown");
      default -> JobOutcome.done();
    };
  }

  private <T> T any(List<T> all) {
    return all.get(random.nextInt(all.size()));
  }

  /** Half an hour and some hours, so that no advance of whole hours ends where it ends. */
  private int someTime() {
    return 2 * random.nextInt(4) + 1;
  }

  private static Duration halfHours(int count) {
    return Duration.ofMinutes(30L * count);
  }

  /** A job for both, and with how much delay. */
  private record Both(Job job, NewJob<String> actual, int delay) {}

  private Both newJob() {
    String ofQueue = any(QUEUES);
    JobKind<String> kind = any(KINDS);
    String key = random.nextInt(3) == 0 ? "" : "k" + random.nextInt(3);
    StringBuilder script = new StringBuilder();
    for (int i = random.nextInt(4); i >= 0; i--) {
      script.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
    }
    script.append('D');
    int maxAttempts = 1 + random.nextInt(3);
    int priority = random.nextInt(4) == 0 ? 2 * (random.nextInt(7) - 3) : 0;
    int delay = random.nextInt(3) == 0 ? someTime() : 0;
    int number = enqueued.size() + 1;
    Job job = new Job(number, ofQueue, kind.name(), key, maxAttempts, priority, script.toString());
    String more = random.nextInt(20) == 0 ? "x".repeat(10_000) : "";
    NewJob<String> actual =
        kind.job(number + ":" + script + ":" + more)
            .withQueue(ofQueue)
            .withMaxAttempts(maxAttempts)
            .withPriority(halfHours(priority))
            .withDelay(halfHours(delay));
    if (!key.isEmpty()) {
      actual = actual.withPartitionKey(key);
    }
    if (random.nextInt(3) == 0) {
      UniqueScope scope =
          switch (random.nextInt(5)) {
            case 0 -> UniqueScope.forPeriod(Duration.ofDays(300));
            case 1 -> UniqueScope.whileWaiting().andFor(Duration.ofDays(300));
            case 2, 3 -> UniqueScope.whileWaiting();
            default -> UniqueScope.whileUnfinished();
          };
      actual = actual.withUniqueKey("u" + random.nextInt(12), scope);
    }
    enqueued.put(number, actual);
    return new Both(job, actual, delay);
  }

  /** In the order of a single list; tells the ids that are expected to be others'. */
  private void enqueue() {
    List<Both> some = new ArrayList<>();
    for (int i = random.nextInt(6); i >= 0; i--) {
      some.add(newJob());
    }
    List<NewJob<String>> actual = some.stream().map(Both::actual).toList();
    if (random.nextInt(8) == 0) {
      try {
        transactions.execute(
            tx -> {
              queue.offerAll(tx, actual);
              throw new IllegalStateException("rolled back");
            });
      } catch (IllegalStateException e) {
        return;
      }
    }
    boolean alone = some.size() == 1 && random.nextBoolean();
    List<Enqueued> found =
        alone
            ? List.of(new Enqueued(queue.enqueue(transactions, actual.get(0)), Outcome.INSERTED))
            : transactions.run(tx -> queue.offerAll(tx, actual));
    Set<String> arriving = new HashSet<>();
    for (int i = 0; i < some.size(); i++) {
      NewJob<String> given = some.get(i).actual();
      Optional<Job> owner =
          given.unique().flatMap(unique -> model.owner(given.kind().name(), unique.key()));
      if (owner.isPresent()) {
        assertThat(found.get(i).id()).isEqualTo(owner.get().id);
        assertThat(alone || found.get(i).outcome() == Outcome.EXISTING).isTrue();
        continue;
      }
      assertThat(found.get(i).outcome()).isEqualTo(Outcome.INSERTED);
      Job job = some.get(i).job();
      job.id = found.get(i).id();
      boolean follows =
          some.get(i).delay() == 0
              && !job.key.isEmpty()
              && !arriving.add(job.queue + "/" + job.key);
      model.add(job, some.get(i).delay(), follows);
      given
          .unique()
          .ifPresent(
              unique -> {
                UniqueScope scope = unique.scope();
                model.take(unique.key(), scope.holds(), scope.period().isPresent(), job);
              });
    }
  }

  private void change(boolean done, Change actual) {
    assertThat(actual).isEqualTo(done ? Change.DONE : Change.NOT_FOUND);
  }

  private interface Control {
    void apply(Tx tx);
  }

  private void control(Control change) {
    transactions.execute(change::apply);
  }

  private void setControls() {
    String name = any(QUEUES);
    JobKind<String> kind = any(KINDS);
    switch (random.nextInt(8)) {
      case 0 -> {
        model.pausedQueues.add(name);
        control(tx -> control.pauseQueue(tx, name, "test"));
      }
      case 1 -> {
        model.pausedKinds.add(kind.name());
        control(tx -> control.pauseKind(tx, kind, "test"));
      }
      case 2 -> {
        limited = true;
        control(tx -> control.limitQueue(tx, name, limits()));
      }
      case 3 -> {
        limited = true;
        control(tx -> control.limitKind(tx, kind, limits()));
      }
      case 4 -> {
        limited = false;
        control(
            tx -> {
              QUEUES.forEach(one -> control.limitQueue(tx, one, Limits.none()));
              KINDS.forEach(one -> control.limitKind(tx, one, Limits.none()));
            });
      }
      default -> {
        model.pausedQueues.clear();
        model.pausedKinds.clear();
        control(
            tx -> {
              QUEUES.forEach(one -> control.resumeQueue(tx, one));
              KINDS.forEach(one -> control.resumeKind(tx, one));
            });
      }
    }
  }

  private Limits limits() {
    return random.nextBoolean() ? Limits.none() : Limits.none().withRunning(1 + random.nextInt(3));
  }

  private void step(ManualWorker worker) {
    Job some = model.jobs.isEmpty() ? null : any(model.jobs);
    switch (random.nextInt(12)) {
      case 0, 1, 2, 3 -> enqueue();
      case 4 -> {
        if (some != null) {
          boolean asked = random.nextBoolean();
          change(
              model.cancel(some),
              transactions.run(
                  tx ->
                      asked
                          ? queue.cancel(tx, some.id, "test")
                          : queue.cancelWaiting(tx, some.id, "test")));
        }
      }
      case 5 -> {
        if (some != null) {
          int fromNow = random.nextBoolean() ? someTime() : -someTime();
          Instant at = Instant.now().plus(halfHours(fromNow));
          change(
              model.reschedule(some, fromNow),
              transactions.run(tx -> queue.reschedule(tx, some.id, at)));
        }
      }
      case 6 -> redrive();
      case 7 -> setControls();
      case 8 -> {
        int hours = 1 + random.nextInt(4);
        model.advance(2 * hours);
        worker.advance(Duration.ofHours(hours));
      }
      default -> {
        if (random.nextInt(5) == 0 && !limited) {
          worker.drainWith(HandlerFault.KILLED_BEFORE_ACKNOWLEDGEMENT);
          compareRuns(model.drainAfterDeath());
        } else {
          worker.drain();
          compareRuns(model.drain());
        }
      }
    }
    assertThat(actualStates()).isEqualTo(states());
  }

  private void redrive() {
    List<Job> dead = model.jobs.stream().filter(job -> job.state == State.DEAD).toList();
    if (!dead.isEmpty() && random.nextBoolean()) {
      Job one = any(dead);
      DeadLetters.Outcome outcome = transactions.run(tx -> letters.redrive(tx, one.id));
      assertThat(outcome == DeadLetters.Outcome.DONE).isEqualTo(model.redrive(one));
      return;
    }
    JobKind<String> kind = any(KINDS);
    List<Job> ofKind =
        dead.stream()
            .filter(job -> job.kind.equals(kind.name()))
            .sorted(Comparator.comparingLong(job -> job.id))
            .toList();
    int redriven = transactions.run(tx -> letters.redrive(tx, kind, 1_000));
    assertThat(redriven).isEqualTo(ofKind.size());
    ofKind.forEach(model::redrive);
  }

  /**
   * All that have no key, as often; of each key, in order. What was ready has begun in the order of
   * its places, unless limits divide the kinds of a queue.
   */
  private void compareRuns(List<Job> expected) {
    Map<Integer, Job> byNumber =
        model.jobs.stream().collect(Collectors.toMap(job -> job.number, job -> job));
    List<Job> actual = ran.stream().map(byNumber::get).toList();
    assertThat(byKey(actual)).isEqualTo(byKey(expected));
    if (!limited) {
      for (String name : QUEUES) {
        assertThat(placesInOrderOfRuns(actual, name)).as(name).isSorted();
      }
    }
    ran.clear();
  }

  private List<Integer> placesInOrderOfRuns(List<Job> ran, String ofQueue) {
    Map<Job, Integer> places =
        model.readyAtFirst().stream().collect(Collectors.toMap(Ready::job, Ready::place));
    return ran.stream()
        .distinct()
        .filter(job -> job.queue.equals(ofQueue) && places.containsKey(job))
        .map(places::get)
        .toList();
  }

  private static Map<String, List<Integer>> byKey(List<Job> jobs) {
    Map<String, List<Integer>> byKey = new TreeMap<>();
    for (Job job : jobs) {
      byKey
          .computeIfAbsent(
              job.key.isEmpty() ? "job " + job.number : job.queue + "/" + job.key,
              key -> new ArrayList<>())
          .add(job.number);
    }
    return byKey;
  }

  private Map<Long, String> states() {
    Map<Long, String> states = new TreeMap<>();
    model.jobs.forEach(job -> states.put(job.id, job.toString()));
    return states;
  }

  private Map<Long, String> actualStates() {
    Map<Long, String> states = new TreeMap<>();
    for (Record row :
        dsl.fetch(
            "select id, upper(state) as state, attempt, coalesce(key_slot > 0, false) as slot"
                + " from pgbelay.job"
                + " union all select id, 'DEAD', attempt, false from pgbelay.job_dead"
                + " union all select id, upper(outcome), attempt, false from pgbelay.job_finished")) {
      String before =
          states.put(
              row.get("id", Long.class),
              row.get("state", String.class)
                  + " attempt "
                  + row.get("attempt", Integer.class)
                  + (row.get("slot", Boolean.class) ? " slot" : ""));
      assertThat(before).as("twice").isNull();
    }
    return states;
  }

  @Test
  void randomSteps_leaveEveryJobWhereTheReferenceHasIt() {
    Long given = Long.getLong("pgbelay.seed");
    long first = given == null ? System.nanoTime() : given;
    for (int i = 0; i < (given == null ? SEEDS : 1); i++) {
      takeSteps(postgres.dataSource(), first + i, STEPS);
    }
  }

  @Test
  void randomStepsThroughPgBouncer_leaveEveryJobWhereTheReferenceHasIt() {
    try (PgBouncer bouncer = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 2);
        HikariDataSource pool = new HikariDataSource()) {
      pool.setJdbcUrl(bouncer.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0");
      pool.setMaximumPoolSize(4);
      transactions = Transactions.of(pool);
      takeSteps(pool, Long.getLong("pgbelay.seed", System.nanoTime()), STEPS / 3);
    }
  }

  private void takeSteps(DataSource dataSource, long seed, int steps) {
    System.out.println("random model -Dpgbelay.seed=" + seed);
    empty();
    random = new Random(seed);
    model = new ReferenceQueue();
    limited = false;
    ran.clear();
    runs.clear();
    enqueued.clear();
    RetryPolicy retry =
        RetryPolicy.defaults()
            .withPauseAfter(IllegalStateException.class, PAUSE)
            .withNoRetryAfter(UnsupportedOperationException.class);
    var builder = JobWorker.builder(transactions, dataSource).lease(Duration.ofHours(1));
    QUEUES.forEach(name -> builder.queue(name, 2));
    KINDS.forEach(kind -> builder.handle(kind, retry, this::handle));
    try (ManualWorker worker = ManualWorker.of(builder)) {
      for (int i = 0; i < steps; i++) {
        try {
          step(worker);
        } catch (AssertionError | RuntimeException e) {
          throw new AssertionError("seed " + seed + ", step " + i + ": " + e.getMessage(), e);
        }
      }
      model.pausedQueues.clear();
      model.pausedKinds.clear();
      control(
          tx -> {
            QUEUES.forEach(one -> control.resumeQueue(tx, one));
            KINDS.forEach(one -> control.resumeKind(tx, one));
          });
      while (model.jobs.stream().anyMatch(Job::waits)) {
        model.advance(20);
        worker.advance(Duration.ofHours(10));
        worker.drain();
        compareRuns(model.drain());
        assertThat(actualStates()).isEqualTo(states());
      }
    }
    assertThat(dsl.fetchValue("select count(*)::int from pgbelay.job")).isEqualTo(0);
    assertThat(dsl.fetchValue("select count(*)::int from pgbelay.job_slot")).isEqualTo(0);
  }
}
