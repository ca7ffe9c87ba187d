package dev.pgbelay.reconcilecli;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.sql.SQLException;
import java.util.Map;
import java.util.Optional;
import javax.sql.DataSource;

/**
 * The pool that a command works with. What opens the database comes from the environment, since
 * others see the command line, and is told to nobody.
 */
final class Database implements AutoCloseable {
  private static final String PREFIX = "jdbc:postgresql:";

  /** The names of what opens a database. */
  private record Names(String url, String user, String password) {
    static Names of(String prefix) {
      return new Names(prefix + "_URL", prefix + "_USER", prefix + "_PASSWORD");
    }
  }

  private static final Names PRIMARY = Names.of("PGBELAY_JDBC");
  private static final Names REPLICA = Names.of("PGBELAY_REPLICA_JDBC");

  private final HikariDataSource pool;

  private Database(HikariDataSource pool) {
    this.pool = pool;
  }

  static Database open(Map<String, String> environment) {
    return open(
        PRIMARY,
        environment,
        Optional.ofNullable(environment.get(PRIMARY.user())),
        Optional.ofNullable(environment.get(PRIMARY.password())));
  }

  /** Whoever has no names of his own on the replica is there who he is on the primary. */
  static Database openReplica(Map<String, String> environment) {
    return open(
        REPLICA,
        environment,
        Optional.ofNullable(environment.get(REPLICA.user()))
            .or(() -> Optional.ofNullable(environment.get(PRIMARY.user()))),
        Optional.ofNullable(environment.get(REPLICA.password()))
            .or(() -> Optional.ofNullable(environment.get(PRIMARY.password()))));
  }

  private static Database open(
      Names names,
      Map<String, String> environment,
      Optional<String> user,
      Optional<String> password) {
    String url =
        Optional.ofNullable(environment.get(names.url()))
            .orElseThrow(
                () ->
                    new Refusal(
                        "%s is not set; give the URL of the database by it, with %s and %s where they are needed"
                            .formatted(names.url(), names.user(), names.password())));
    if (!url.startsWith(PREFIX)) {
      throw new Refusal(names.url() + " does not begin with " + PREFIX);
    }
    HikariConfig config = new HikariConfig();
    config.setPoolName("pgbelay-reconcile");
    config.setJdbcUrl(url);
    user.ifPresent(config::setUsername);
    password.ifPresent(config::setPassword);
    config.addDataSourceProperty("ApplicationName", "pgbelay-reconcile");
    config.setMaximumPoolSize(2);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(10_000);
    try {
      return new Database(new HikariDataSource(config));
    } catch (RuntimeException e) {
      throw new Refusal("the database of " + names.url() + " could not be opened: " + why(e));
    }
  }

  /** Only a server's or a socket's answer: other messages may repeat the URL. */
  private static String why(RuntimeException failure) {
    Throwable cause = failure;
    while (cause != null) {
      if (cause instanceof SQLException refused && refused.getSQLState() != null) {
        return "SQLSTATE " + refused.getSQLState() + ", " + refused.getMessage();
      }
      cause = cause.getCause();
    }
    return "pgjdbc does not understand it";
  }

  Transactions transactions() {
    return Transactions.of(pool);
  }

  DataSource dataSource() {
    return pool;
  }

  @Override
  public void close() {
    pool.close();
  }
}
