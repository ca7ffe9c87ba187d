package dev.pgbelay.reconcilecli;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.util.Map;
import java.util.Optional;

/**
 * The pool that a command works with. What opens the database comes from the environment, since
 * others see the command line, and is told to nobody.
 */
final class Database implements AutoCloseable {
  static final String URL = "PGBELAY_JDBC_URL";
  static final String USER = "PGBELAY_JDBC_USER";
  static final String PASSWORD = "PGBELAY_JDBC_PASSWORD";

  private static final String PREFIX = "jdbc:postgresql:";

  private final HikariDataSource pool;

  private Database(HikariDataSource pool) {
    this.pool = pool;
  }

  static Database open(Map<String, String> environment) {
    String url =
        Optional.ofNullable(environment.get(URL))
            .orElseThrow(
                () ->
                    new Refusal(
                        URL
                            + " is not set; give the URL of the database by it, with "
                            + USER
                            + " and "
                            + PASSWORD
                            + " where they are needed"));
    if (!url.startsWith(PREFIX)) {
      throw new Refusal(URL + " does not begin with " + PREFIX);
    }
    HikariConfig config = new HikariConfig();
    config.setPoolName("pgbelay-reconcile");
    config.setJdbcUrl(url);
    Optional.ofNullable(environment.get(USER)).ifPresent(config::setUsername);
    Optional.ofNullable(environment.get(PASSWORD)).ifPresent(config::setPassword);
    config.addDataSourceProperty("ApplicationName", "pgbelay-reconcile");
    config.setMaximumPoolSize(2);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(10_000);
    try {
      return new Database(new HikariDataSource(config));
    } catch (RuntimeException e) {
      throw new Refusal("the database could not be opened: " + why(e));
    }
  }

  /** Only a server's or a socket's answer: other messages may repeat the URL. */
  private static String why(RuntimeException failure) {
    Throwable cause = failure;
    while (cause != null) {
      if (cause instanceof java.sql.SQLException refused && refused.getSQLState() != null) {
        return "SQLSTATE " + refused.getSQLState() + ", " + refused.getMessage();
      }
      cause = cause.getCause();
    }
    return "pgjdbc does not understand " + URL;
  }

  Transactions transactions() {
    return Transactions.of(pool);
  }

  @Override
  public void close() {
    pool.close();
  }
}
