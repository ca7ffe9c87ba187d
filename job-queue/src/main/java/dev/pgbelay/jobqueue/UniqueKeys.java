package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.UniqueSql.Name;
import dev.pgbelay.jobqueue.UniqueSql.Owner;
import dev.pgbelay.jobqueue.UniqueSql.Wanted;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Finds out whose unique keys are, and takes those that are nobody's. */
final class UniqueKeys {
  private static final Comparator<Wanted> ORDER =
      Comparator.comparing(Wanted::kind).thenComparing(Wanted::key);

  private final UniqueSql sql;

  UniqueKeys(UniqueSql sql) {
    this.sql = sql;
  }

  /**
   * Ids for jobs of one call. They have one moment, and so stand in the order of their ids; but a
   * unique key is taken with the id of its job, before the others draw theirs, and in the order of
   * the keys. Where two share a partition key, all ids are drawn in the order of the call first.
   *
   * @return an id for each job, or null for each
   */
  List<@Nullable Long> idsInOrder(Connection connection, List<? extends NewJob<?>> jobs)
      throws SQLException {
    Set<List<String>> seen = new HashSet<>();
    boolean ordered =
        jobs.stream().anyMatch(job -> job.unique().isPresent())
            && jobs.stream()
                .anyMatch(
                    job ->
                        job.partitionKey().isPresent()
                            && !seen.add(List.of(job.queue(), job.partitionKey().get())));
    return ordered
        ? new ArrayList<>(sql.drawIds(connection, jobs.size()))
        : new ArrayList<>(Collections.nCopies(jobs.size(), null));
  }

  /**
   * Every key of the list has an owner afterwards, and keeps it until the transaction ends.
   *
   * @param ids of the jobs, or nulls
   */
  Map<Name, Owner> acquire(
      Connection connection, List<? extends NewJob<?>> jobs, List<@Nullable Long> ids)
      throws SQLException {
    Map<Name, Wanted> distinct = new HashMap<>();
    for (int i = 0; i < jobs.size(); i++) {
      NewJob<?> job = jobs.get(i);
      if (job.unique().isPresent()) {
        NewJob.UniqueKey unique = job.unique().get();
        Wanted wanted = new Wanted(job.kind().name(), unique.key(), unique.scope(), ids.get(i));
        distinct.putIfAbsent(new Name(wanted.kind(), wanted.key()), wanted);
      }
    }
    List<Wanted> open = new ArrayList<>(distinct.values());
    open.sort(ORDER);
    Map<Name, Owner> owners = new HashMap<>();
    while (!open.isEmpty()) {
      owners.putAll(sql.take(connection, open));
      open.removeIf(one -> owners.containsKey(new Name(one.kind(), one.key())));
      if (open.isEmpty()) {
        break;
      }
      Map<Name, Owner> locked = sql.lock(connection, open);
      List<Wanted> held =
          open.stream().filter(one -> locked.containsKey(new Name(one.kind(), one.key()))).toList();
      if (!held.isEmpty()) {
        owners.putAll(sql.judge(connection, held));
      }
      // What is left was removed between the two statements, as expired: it is free to be taken.
      open.removeIf(one -> owners.containsKey(new Name(one.kind(), one.key())));
    }
    return owners;
  }
}
