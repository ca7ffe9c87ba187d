package dev.pgbelay.idempotency.testing;

import dev.pgbelay.core.internal.PassingDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;

/** The database of a simulated process. */
final class ProcessDataSource extends PassingDataSource {
  private final SimulatedProcess process;

  ProcessDataSource(SimulatedProcess process, DataSource database) {
    super(database);
    this.process = process;
  }

  @Override
  protected Connection passed(Connection connection) throws SQLException {
    try {
      process.requireRunning();
    } catch (ProcessKilledError e) {
      connection.close();
      throw e;
    }
    return ProcessConnection.of(process, connection);
  }
}
