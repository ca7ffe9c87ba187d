package dev.pgbelay.servlet;

import dev.pgbelay.core.internal.PassingDataSource;
import java.sql.Connection;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;

/** Counts connections that are taken: one for each look of somebody who waits. */
final class Looks extends PassingDataSource {
  private final AtomicInteger count = new AtomicInteger();

  Looks(DataSource target) {
    super(target);
  }

  int count() {
    return count.get();
  }

  @Override
  protected Connection passed(Connection connection) {
    count.incrementAndGet();
    return connection;
  }
}
