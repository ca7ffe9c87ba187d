package dev.pgbelay.jobqueue;

import static java.util.stream.Collectors.toSet;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.jobqueue.CopySql.Drawn;
import dev.pgbelay.jobqueue.JobQueue.Enqueued;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Adds jobs by the statement that suits them: plain ones by the fast ones, very many of them by
 * COPY, those with keys, tags or deadlines by the full one. Safe for several threads.
 */
final class Enqueuer {
  private static final TxOptions ALONE = TxOptions.forPath("jobqueue-enqueue");

  private final String schema;
  private final int payloadLimit;
  private final EnqueueSql sql;
  private final CopySql copy;
  private final FullEnqueue full;
  private final CommitAlarm alarm;
  private final @Nullable Counter enqueued;
  private final @Nullable Counter existing;

  Enqueuer(
      String schema,
      int payloadLimit,
      @Nullable WakeUps announced,
      @Nullable MeterRegistry registry) {
    this.schema = schema;
    this.payloadLimit = payloadLimit;
    this.sql = new EnqueueSql(schema);
    this.copy = new CopySql(schema);
    this.full = new FullEnqueue(schema);
    this.alarm = new CommitAlarm(announced);
    this.enqueued =
        counter(registry, "enqueued", "Jobs added, by transactions that may still roll back");
    this.existing =
        counter(registry, "existing", "Jobs not added, because another had their unique key");
  }

  private static @Nullable Counter counter(
      @Nullable MeterRegistry registry, String name, String description) {
    return registry == null
        ? null
        : Counter.builder("pgbelay.jobqueue." + name).description(description).register(registry);
  }

  CommitAlarm alarm() {
    return alarm;
  }

  long add(Tx tx, NewJob<?> job) {
    if (!job.isPlain()) {
      return offerAll(tx, List.of(job)).get(0).id();
    }
    byte[] payload = EncodedJobs.encode(job, payloadLimit);
    if (job.runAt().isPresent() || !job.delay().isZero()) {
      List<Long> ids = new ArrayList<>();
      send(tx, new EncodedJobs(List.of(job), new byte[][] {payload}), false, ids);
      return ids.get(0);
    }
    StatementStart.announce(tx.dsl().configuration());
    try {
      OptionalLong handedOver = alarm.handOver(tx, schema, job, payload);
      if (handedOver.isPresent()) {
        count(1);
        return handedOver.getAsLong();
      }
      long id = sql.enqueueNow(tx.connection(), job, payload);
      count(1);
      alarm.afterCommit(tx, Set.of(job.queue()));
      return id;
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  long addAlone(Transactions transactions, NewJob<?> job) {
    if (!job.isPlain() || job.runAt().isPresent() || !job.delay().isZero()) {
      return transactions.run(ALONE, tx -> add(tx, job));
    }
    byte[] payload = EncodedJobs.encode(job, payloadLimit);
    try {
      OptionalLong handedOver = alarm.handOverAlone(transactions, schema, job, payload);
      long id;
      if (handedOver.isPresent()) {
        id = handedOver.getAsLong();
      } else {
        id = sql.enqueueAlone(transactions, ALONE, job, payload);
        alarm.committed(Set.of(job.queue()));
      }
      count(1);
      return id;
    } catch (OutcomeUnknownException e) {
      alarm.committed(Set.of(job.queue()));
      throw e;
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  List<Long> addAll(Tx tx, List<? extends NewJob<?>> jobs) {
    if (!jobs.stream().allMatch(NewJob::isPlain)) {
      return offerAll(tx, jobs).stream().map(Enqueued::id).toList();
    }
    List<Long> ids = new ArrayList<>(jobs.size());
    boolean alike = areAlike(jobs);
    EncodedJobs.of(jobs, payloadLimit)
        .inParts(
            alike ? EncodedJobs.MOST_COPIED : EncodedJobs.MOST_ROWS,
            part -> {
              if (alike && part.payloads().length >= EncodedJobs.MOST_ROWS) {
                sendCopy(tx, part, ids);
              } else {
                send(tx, part, alike, ids);
              }
            });
    return ids;
  }

  List<Enqueued> offerAll(Tx tx, List<? extends NewJob<?>> jobs) {
    List<Enqueued> results = new ArrayList<>(jobs.size());
    EncodedJobs.of(jobs, payloadLimit)
        .inParts(EncodedJobs.MOST_ROWS, part -> results.addAll(sendFull(tx, part)));
    return results;
  }

  /** Whether they differ in their payload only and are due at once. */
  private static boolean areAlike(List<? extends NewJob<?>> jobs) {
    if (jobs.isEmpty()) {
      return false;
    }
    NewJob<?> first = jobs.get(0);
    return first.runAt().isEmpty()
        && first.delay().isZero()
        && jobs.stream().allMatch(job -> job.isLike(first));
  }

  private void send(Tx tx, EncodedJobs part, boolean alike, List<Long> ids) {
    List<? extends NewJob<?>> jobs = part.jobs();
    StatementStart.announce(tx.dsl().configuration());
    try {
      added(
          tx,
          jobs,
          alike,
          alike
              ? sql.enqueueLike(tx.connection(), jobs.get(0), part.payloads())
              : sql.enqueueEach(tx.connection(), jobs, part.payloads()),
          ids);
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  /** By arrays where COPY is not for this role or connection. */
  private void sendCopy(Tx tx, EncodedJobs part, List<Long> ids) {
    StatementStart.announce(tx.dsl().configuration());
    try {
      Optional<Drawn> drawn = copy.draw(tx.connection(), part.payloads().length);
      if (drawn.isEmpty()) {
        part.inParts(EncodedJobs.MOST_ROWS, less -> send(tx, less, true, ids));
        return;
      }
      StatementStart.announce(tx.dsl().configuration());
      copy.enqueue(tx.connection(), part.jobs().get(0), part.payloads(), drawn.get());
      added(tx, part.jobs(), true, drawn.get().ids(), ids);
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  private void added(
      Tx tx, List<? extends NewJob<?>> jobs, boolean alike, long[] added, List<Long> ids) {
    count(added.length);
    if (alarm.isHeard()) {
      alarm.afterCommit(
          tx,
          alike ? Set.of(jobs.get(0).queue()) : jobs.stream().map(NewJob::queue).collect(toSet()));
    }
    for (long id : added) {
      ids.add(id);
    }
  }

  private List<Enqueued> sendFull(Tx tx, EncodedJobs part) {
    List<? extends NewJob<?>> jobs = part.jobs();
    StatementStart.announce(tx.dsl().configuration());
    try {
      List<Enqueued> results = full.add(tx.connection(), jobs, part.payloads());
      int added =
          (int) results.stream().filter(one -> one.outcome() == Enqueued.Outcome.INSERTED).count();
      count(added);
      if (existing != null) {
        existing.increment(results.size() - added);
      }
      if (added > 0) {
        alarm.afterCommit(tx, jobs.stream().map(NewJob::queue).collect(toSet()));
        if (jobs.stream().anyMatch(job -> job.partitionKey().isPresent())) {
          alarm.keysAfterCommit(tx);
        }
      }
      return results;
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  private void count(int jobs) {
    if (enqueued != null) {
      enqueued.increment(jobs);
    }
  }

  private static DataAccessException refused(SQLException e) {
    return TablesSql.REFUSED.of("jobs were not enqueued", e);
  }
}
