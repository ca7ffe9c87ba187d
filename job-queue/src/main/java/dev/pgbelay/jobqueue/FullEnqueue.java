package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.JobQueue.Enqueued;
import dev.pgbelay.jobqueue.UniqueSql.Name;
import dev.pgbelay.jobqueue.UniqueSql.Owner;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Adds jobs of which some have keys, tags or a deadline. */
final class FullEnqueue {
  private final FullEnqueueSql sql;
  private final UniqueKeys unique;

  FullEnqueue(String schema) {
    this.sql = new FullEnqueueSql(schema);
    this.unique = new UniqueKeys(new UniqueSql(schema));
  }

  /** What became of each, in the order of the jobs. */
  List<Enqueued> add(Connection connection, List<? extends NewJob<?>> jobs, byte[][] payloads)
      throws SQLException {
    List<@Nullable Long> ids = unique.idsInOrder(connection, jobs);
    Map<Name, Owner> owners = unique.acquire(connection, jobs, ids);
    List<NewJob<?>> added = new ArrayList<>();
    List<byte[]> addedPayloads = new ArrayList<>();
    List<@Nullable Long> given = new ArrayList<>();
    Set<Long> seen = new HashSet<>();
    List<@Nullable Enqueued> results = new ArrayList<>();
    for (int i = 0; i < payloads.length; i++) {
      NewJob<?> job = jobs.get(i);
      Owner owner =
          job.unique().map(one -> owners.get(new Name(job.kind().name(), one.key()))).orElse(null);
      if (owner != null && !(owner.taken() && seen.add(owner.jobId()))) {
        results.add(new Enqueued(owner.jobId(), Enqueued.Outcome.EXISTING));
        continue;
      }
      results.add(null);
      added.add(job);
      addedPayloads.add(payloads[i]);
      given.add(owner == null ? ids.get(i) : Long.valueOf(owner.jobId()));
    }
    if (added.isEmpty()) {
      return results.stream().map(Enqueued.class::cast).toList();
    }
    long[] inserted = sql.enqueue(connection, added, addedPayloads, given);
    List<Enqueued> all = new ArrayList<>();
    int next = 0;
    for (Enqueued result : results) {
      all.add(result != null ? result : new Enqueued(inserted[next++], Enqueued.Outcome.INSERTED));
    }
    return all;
  }
}
