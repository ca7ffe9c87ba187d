package dev.pgbelay.core.internal;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.logging.Logger;
import javax.sql.DataSource;

/**
 * A {@code DataSource} around another one, for those that want its connections and nothing else of
 * it. As safe for several threads as the one inside.
 */
public abstract class PassingDataSource implements DataSource {
  private final DataSource target;

  protected PassingDataSource(DataSource target) {
    this.target = target;
  }

  /** What the caller gets for a connection of the one inside. */
  protected abstract Connection passed(Connection connection) throws SQLException;

  @Override
  public final Connection getConnection() throws SQLException {
    return passed(target.getConnection());
  }

  @Override
  public final Connection getConnection(String user, String password) throws SQLException {
    return passed(target.getConnection(user, password));
  }

  @Override
  public final PrintWriter getLogWriter() throws SQLException {
    return target.getLogWriter();
  }

  @Override
  public final void setLogWriter(PrintWriter out) throws SQLException {
    target.setLogWriter(out);
  }

  @Override
  public final void setLoginTimeout(int seconds) throws SQLException {
    target.setLoginTimeout(seconds);
  }

  @Override
  public final int getLoginTimeout() throws SQLException {
    return target.getLoginTimeout();
  }

  @Override
  public final Logger getParentLogger() {
    return Logger.getLogger(getClass().getName());
  }

  @Override
  public final <T> T unwrap(Class<T> type) throws SQLException {
    return type.isInstance(this)
        ? type.cast(this)
        : type.isInstance(target) ? type.cast(target) : target.unwrap(type);
  }

  @Override
  public final boolean isWrapperFor(Class<?> type) throws SQLException {
    return type.isInstance(this) || type.isInstance(target) || target.isWrapperFor(type);
  }
}
