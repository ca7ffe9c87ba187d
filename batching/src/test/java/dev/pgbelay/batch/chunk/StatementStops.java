package dev.pgbelay.batch.chunk;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import javax.sql.DataSource;

/**
 * The inside of a runner's JVM that stops just before a statement of its parent's choice, says so
 * on its standard output, and waits there to be killed or to be told where to stop next.
 */
final class StatementStops {
  private static final Set<String> EXECUTES =
      Set.of("execute", "executeQuery", "executeUpdate", "executeBatch", "executeLargeUpdate");

  private final BufferedReader orders =
      new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
  private final PrintStream answers = System.out;
  private int left;

  private StatementStops() throws IOException {
    left = order();
  }

  /** Arguments: the URL, the job. */
  public static void main(String[] args) throws IOException {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(args[0]);
    config.setMaximumPoolSize(2);
    config.setConnectionTimeout(2_000);
    config.setValidationTimeout(500);
    config.setInitializationFailTimeout(-1);
    try (HikariDataSource pool = new HikariDataSource(config)) {
      DataSource stopped = new StatementStops().around(DataSource.class, pool, "");
      ChunkedJob job =
          ChunkFixture.effects(
                  Transactions.builder(stopped).retry(TxOptions.Retry.none()).build(), args[1])
              .chunkRows(10, 1, 10)
              .patience(Duration.ofMinutes(1))
              .lease(ChunkFixture.SHORT_LEASE)
              .build();
      while (true) {
        try {
          ChunkReport.Outcome outcome = job.run().outcome();
          System.out.println("ended " + outcome);
          if (outcome != ChunkReport.Outcome.HELD_ELSEWHERE) {
            return;
          }
          LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
        } catch (RuntimeException e) {
          System.out.println("failed " + e.getClass().getSimpleName());
        }
      }
    }
  }

  private int order() throws IOException {
    String line = orders.readLine();
    if (line == null) {
      throw new IOException("the parent is gone");
    }
    return Integer.parseInt(line);
  }

  private synchronized void beforeStatement(String sql) {
    if (--left == 0) {
      answers.println("at " + sql.strip().replaceAll("\\s+", " "));
      answers.flush();
      try {
        left = order();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private <T> T around(Class<T> type, T target, String sql) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (self, method, arguments) -> {
              String text =
                  arguments != null && arguments.length > 0 && arguments[0] instanceof String given
                      ? given
                      : sql;
              if (EXECUTES.contains(method.getName())) {
                beforeStatement(text);
              }
              Object result;
              try {
                result = method.invoke(target, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
              Class<?> returned = method.getReturnType();
              return result instanceof Connection || result instanceof Statement
                  ? wrapped(returned, result, text)
                  : result;
            }));
  }

  private <T> Object wrapped(Class<T> type, Object result, String sql) {
    return type.isInterface() ? around(type, type.cast(result), sql) : result;
  }
}
