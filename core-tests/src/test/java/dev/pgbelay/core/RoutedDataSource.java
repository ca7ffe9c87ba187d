package dev.pgbelay.core;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;

/** A pool behind a name that can be pointed elsewhere, and that lets a test act before a borrow. */
final class RoutedDataSource implements BareDataSource {
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
}
