package dev.pgbelay.reconcile;

import dev.pgbelay.core.internal.PassingDataSource;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;

/**
 * Lets something happen once, between two transactions of who uses it: before the first one that
 * follows a certain statement. In the thread that wants the connection, so that nothing is left to
 * chance.
 */
public final class BetweenTransactions extends PassingDataSource {
  private final DataSource target;
  private String part = "";
  private int left;
  private boolean isDue;
  private Runnable happens = () -> {};

  public BetweenTransactions(DataSource target) {
    super(target);
    this.target = target;
  }

  /** After the so-manieth statement from now that contains it. */
  public synchronized BetweenTransactions after(int times, String statement, Runnable what) {
    part = statement;
    left = times;
    happens = what;
    return this;
  }

  /** Whether it has. */
  public synchronized boolean hasHappened() {
    return left == 0 && !isDue;
  }

  private synchronized void seen(String sql) {
    if (left > 0 && sql.contains(part) && --left == 0) {
      isDue = true;
    }
  }

  private synchronized boolean isDue() {
    boolean due = isDue;
    isDue = false;
    return due;
  }

  @Override
  protected Connection passed(Connection connection) throws SQLException {
    Connection given = connection;
    if (isDue()) {
      connection.close();
      happens.run();
      given = target.getConnection();
    }
    return watched(given);
  }

  private Connection watched(Connection connection) {
    return (Connection)
        Proxy.newProxyInstance(
            Connection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            (self, method, arguments) -> {
              if (method.getName().equals("prepareStatement")) {
                seen((String) arguments[0]);
              }
              try {
                return method.invoke(connection, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }
}
