package dev.pgbelay.testing;

import dev.pgbelay.core.internal.PassingDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;
import org.postgresql.PGConnection;

/** Remembers which server processes it gave connections to. */
final class PidRecordingDataSource extends PassingDataSource {
  private final Set<Integer> pids = ConcurrentHashMap.newKeySet();

  PidRecordingDataSource(DataSource target) {
    super(target);
  }

  Set<Integer> pids() {
    return Set.copyOf(pids);
  }

  @Override
  protected Connection passed(Connection connection) throws SQLException {
    pids.add(connection.unwrap(PGConnection.class).getBackendPID());
    return connection;
  }
}
