package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.LogPosition;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.routing.NodeSight.ServerStart;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Asks one node on one kept connection. Used by one thread at a time. */
final class NodeProbe implements AutoCloseable {
  private final DatabaseNode node;
  private final int timeoutMillis;
  private volatile @Nullable Open open;

  NodeProbe(DatabaseNode node, Duration timeout) {
    this.node = node;
    this.timeoutMillis = Math.toIntExact(Math.max(1, timeout.toMillis()));
  }

  private record Open(
      Connection connection,
      long openedNanos,
      ServerStart server,
      long segmentSize,
      boolean replicates) {}

  /**
   * What the node says now.
   *
   * @throws SQLException if it does not answer; the next call connects anew
   */
  NodeSight ask() throws SQLException {
    Open current = connected();
    long asked = System.nanoTime();
    try {
      return read(current, asked);
    } catch (SQLException | RuntimeException e) {
      close();
      throw e;
    }
  }

  private NodeSight read(Open current, long asked) throws SQLException {
    try (Statement ask = current.connection().createStatement()) {
      ask.execute(ProbeSql.PROBE);
      long lsn;
      try (ResultSet row = ask.getResultSet()) {
        row.next();
        lsn = LogPosition.parse(row.getString(1));
      }
      ask.getMoreResults();
      try (ResultSet row = ask.getResultSet()) {
        row.next();
        boolean recovering = row.getBoolean(1);
        int timeline = row.getInt(2);
        if (recovering && current.replicates()) {
          // Asked after the position: it must not be taken for one of the timeline before.
          timeline = Math.max(timeline, timelineOfReplay(current.connection()));
        }
        return new NodeSight(
            current.server(),
            recovering,
            new CommitPosition(
                current.server().systemIdentifier(),
                timeline,
                recovering ? lsn : LogPosition.withoutHeader(lsn, current.segmentSize())),
            current.openedNanos(),
            asked);
      }
    }
  }

  /** The history file of a timeline, where this connection speaks the replication protocol. */
  Optional<String> history(int timeline) throws SQLException {
    Open current = connected();
    if (!current.replicates()) {
      return Optional.empty();
    }
    try (Statement ask = current.connection().createStatement();
        ResultSet row = ask.executeQuery(ProbeSql.timelineHistory(timeline))) {
      return row.next() ? Optional.of(row.getString(2)) : Optional.empty();
    }
  }

  boolean tellsHistory() {
    Open current = open;
    return current != null && current.replicates();
  }

  /** Those of these sessions that have not ended. */
  Set<Integer> living(Collection<Integer> pids) throws SQLException {
    Set<Integer> found = new HashSet<>();
    Connection connection = connected().connection();
    try (PreparedStatement ask = connection.prepareStatement(ProbeSql.LIVING)) {
      List<String> texts = new ArrayList<>();
      pids.forEach(pid -> texts.add(pid.toString()));
      ask.setString(1, "{" + String.join(",", texts) + "}");
      try (ResultSet row = ask.executeQuery()) {
        while (row.next()) {
          found.add(row.getInt(1));
        }
      }
    }
    return found;
  }

  private Open connected() throws SQLException {
    Open current = open;
    if (current != null) {
      return current;
    }
    Connection fresh = node.probes().getConnection();
    try {
      fresh.setNetworkTimeout(Runnable::run, timeoutMillis);
      boolean replicates = replicates(fresh);
      Open identified = identify(fresh, replicates);
      open = identified;
      return identified;
    } catch (SQLException | RuntimeException e) {
      fresh.close();
      throw e;
    }
  }

  private Open identify(Connection fresh, boolean replicates) throws SQLException {
    try (Statement ask = fresh.createStatement();
        ResultSet row = ask.executeQuery(ProbeSql.IDENTIFY)) {
      row.next();
      if (row.getInt(5) != PgDriver.unwrap(fresh).getBackendPID()) {
        throw new PgBelayException(
            "the probes of node '"
                + node.name()
                + "' go through a pooler, which may answer from another session each time: connect"
                + " them to the server itself. Its pool may go through the pooler");
      }
      if (!row.getBoolean(4) && !replicates) {
        throw new PgBelayException(
            "the probes of node '"
                + node.name()
                + "' may not see on which timeline a replica receives: GRANT pg_monitor to their"
                + " role, or give it REPLICATION and connect with replication=database");
      }
      return new Open(
          fresh,
          System.nanoTime(),
          new ServerStart(row.getLong(1), row.getLong(2)),
          row.getLong(3),
          replicates);
    }
  }

  /** On any other connection this is no statement. */
  private static boolean replicates(Connection fresh) throws SQLException {
    try {
      int ignored = timelineOfReplay(fresh);
      return true;
    } catch (SQLException e) {
      if ("42601".equals(e.getSQLState())) {
        return false;
      }
      throw e;
    }
  }

  private static int timelineOfReplay(Connection connection) throws SQLException {
    try (Statement ask = connection.createStatement();
        ResultSet row = ask.executeQuery(ProbeSql.IDENTIFY_SYSTEM)) {
      row.next();
      return row.getInt(2);
    }
  }

  @Override
  public void close() {
    Open last = open;
    open = null;
    if (last != null) {
      try {
        last.connection().close();
      } catch (SQLException e) {
        // It is given up in any case.
        return;
      }
    }
  }
}
