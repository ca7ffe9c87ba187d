package dev.pgbelay.lock.witness;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.lock.witness.DeadlockReport.Known;
import dev.pgbelay.lock.witness.DeadlockReport.Side;
import dev.pgbelay.lock.witness.Wanted.InTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Finds out who met in a deadlock. */
final class Forensics {
  private static final Duration MOMENT = Duration.ofSeconds(1);

  /** Each line of the detail begins with the process that waits, in every language it comes in. */
  private static final Pattern WAITING = Pattern.compile("(?m)^\\D*(\\d+)");

  private Forensics() {}

  static DeadlockReport report(
      ObservedSessions.Id session,
      LockStep wanted,
      List<LockStep> held,
      Throwable failure,
      Resolved resolved,
      @Nullable DataSource unobserved) {
    LockStep sharper = named(resolved, wanted, failure);
    List<Long> pids = waiting(failure);
    // The victim is told itself first; a pooler in front of the server has told another number.
    long own = pids.isEmpty() ? session.pid() : pids.get(0);
    Side victim = new Side(own, Known.WATCHED, held, sharper, sharper.statement(), "");
    List<Side> others = new ArrayList<>();
    for (long pid : pids) {
      if (pid != own) {
        others.add(other(session.server(), pid, unobserved));
      }
    }
    return new DeadlockReport(sharper.lockClass(), victim, others);
  }

  /** Of the classes that the statement locks, the one whose table the server's context names. */
  private static LockStep named(Resolved resolved, LockStep wanted, Throwable failure) {
    String where = sqlException(failure).flatMap(PgDriver::where).orElse("");
    for (Wanted each : resolved.wanted()) {
      if (each instanceof InTable inTable) {
        String name = inTable.lockClass().name();
        String table = name.substring(name.lastIndexOf('.') + 1);
        if (where.contains('"' + table + '"')) {
          return new LockStep(
              name,
              inTable.strength().words(),
              inTable.cause(),
              wanted.statement(),
              wanted.callSite());
        }
      }
    }
    return wanted;
  }

  private static List<Long> waiting(Throwable failure) {
    Set<Long> pids = new LinkedHashSet<>();
    Matcher matcher = WAITING.matcher(sqlException(failure).flatMap(PgDriver::detail).orElse(""));
    while (matcher.find()) {
      pids.add(Long.parseLong(matcher.group(1)));
    }
    return List.copyOf(pids);
  }

  private static Optional<SQLException> sqlException(Throwable failure) {
    Throwable each = failure;
    for (int depth = 0; each != null && depth < 20; depth++) {
      if (each instanceof SQLException sql && "40P01".equals(sql.getSQLState())) {
        return Optional.of(sql);
      }
      each = each.getCause();
    }
    return Optional.empty();
  }

  private static Side other(String server, long pid, @Nullable DataSource unobserved) {
    ObservedSession.OtherSide watched =
        ObservedSessions.find(server, pid)
            .map(session -> session.asOtherSide(MOMENT))
            .orElse(new ObservedSession.OtherSide(List.of(), null));
    LockStep wanted = watched.waitingFor();
    Side seen =
        wanted == null && unobserved != null
            ? activity(unobserved, pid)
                .orElse(new Side(pid, Known.PROCESS, List.of(), null, "", ""))
            : new Side(
                pid,
                Known.PROCESS,
                List.of(),
                wanted,
                wanted == null ? "" : wanted.statement(),
                "");
    return watched.held().isEmpty()
        ? seen
        : new Side(
            pid, Known.WATCHED, watched.held(), wanted, seen.statement(), seen.application());
  }

  private static Optional<Side> activity(DataSource unobserved, long pid) {
    try (Connection connection = unobserved.getConnection();
        PreparedStatement read = connection.prepareStatement(ActivitySql.READ_SESSION)) {
      read.setLong(1, pid);
      try (ResultSet row = read.executeQuery()) {
        if (!row.next()) {
          return Optional.empty();
        }
        String statement = StatementReader.read(row.getString(1)).masked();
        return Optional.of(
            new Side(pid, Known.ACTIVITY, List.of(), null, statement, row.getString(2)));
      }
    } catch (SQLException e) {
      return Optional.empty(); // the deadlock is what matters to the caller
    }
  }
}
