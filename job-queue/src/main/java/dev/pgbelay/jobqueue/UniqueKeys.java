package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.UniqueSql.Name;
import dev.pgbelay.jobqueue.UniqueSql.Owner;
import dev.pgbelay.jobqueue.UniqueSql.Wanted;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Finds out whose unique keys are, and takes those that are nobody's. */
final class UniqueKeys {
  private static final Comparator<Wanted> ORDER =
      Comparator.comparing(Wanted::kind).thenComparing(Wanted::key);

  private final UniqueSql sql;

  UniqueKeys(UniqueSql sql) {
    this.sql = sql;
  }

  /** Every key of the list has an owner afterwards, and keeps it until the transaction ends. */
  Map<Name, Owner> acquire(Connection connection, List<? extends NewJob<?>> jobs)
      throws SQLException {
    Map<Name, Wanted> distinct = new HashMap<>();
    for (NewJob<?> job : jobs) {
      job.unique()
          .ifPresent(
              unique -> {
                Wanted wanted = new Wanted(job.kind().name(), unique.key(), unique.scope());
                distinct.putIfAbsent(new Name(wanted.kind(), wanted.key()), wanted);
              });
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
