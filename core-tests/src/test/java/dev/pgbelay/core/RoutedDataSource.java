package dev.pgbelay.core;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Logger;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** A pool behind a name that can be pointed elsewhere, and that lets a test act before a borrow. */
final class RoutedDataSource implements DataSource {
  /** What happens before a connection is given out. */
  interface BeforeBorrow {
    void borrow(int number) throws SQLException;
  }

  private final AtomicInteger borrows = new AtomicInteger();
  private volatile DataSource target;
  private volatile BeforeBorrow before = number -> {};

  RoutedDataSource(DataSource target) {
    this.target = target;
  }

  void route(DataSource elsewhere) {
    target = elsewhere;
  }

  /** Borrows are counted from 1 from here on. */
  void before(BeforeBorrow action) {
    borrows.set(0);
    before = action;
  }

  @Override
  public Connection getConnection() throws SQLException {
    before.borrow(borrows.incrementAndGet());
    return target.getConnection();
  }

  @Override
  public Connection getConnection(String user, String password) throws SQLException {
    throw new SQLFeatureNotSupportedException();
  }

  @Override
  public @Nullable PrintWriter getLogWriter() {
    return null;
  }

  @Override
  public void setLogWriter(PrintWriter out) {}

  @Override
  public void setLoginTimeout(int seconds) {}

  @Override
  public int getLoginTimeout() {
    return 0;
  }

  @Override
  public Logger getParentLogger() throws SQLFeatureNotSupportedException {
    throw new SQLFeatureNotSupportedException();
  }

  @Override
  public <T> T unwrap(Class<T> type) throws SQLException {
    return target.unwrap(type);
  }

  @Override
  public boolean isWrapperFor(Class<?> type) throws SQLException {
    return target.isWrapperFor(type);
  }
}
