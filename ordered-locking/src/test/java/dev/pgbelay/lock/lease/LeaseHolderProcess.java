package dev.pgbelay.lock.lease;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** A JVM that takes a lease and writes on and on, for as long as it believes to hold it. */
final class LeaseHolderProcess {
  static final Duration LEASE = Duration.ofSeconds(10);
  private static final int THREADS = 4;

  private LeaseHolderProcess() {}

  /**
   * @param late how many late writes are tried before the process ends by itself
   */
  static Process start(
      String jdbcUrl, String lease, boolean guarded, int late, Map<String, String> environment)
      throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Xmx128m",
                "-cp",
                System.getProperty("java.class.path"),
                LeaseHolderProcess.class.getName(),
                jdbcUrl,
                lease,
                Boolean.toString(guarded),
                Integer.toString(late)));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    return builder.start();
  }

  static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(5_000);
    config.setInitializationFailTimeout(-1);
    return new HikariDataSource(config);
  }

  public static void main(String[] args) throws Exception {
    boolean guarded = Boolean.parseBoolean(args[2]);
    int wanted = Integer.parseInt(args[3]);
    try (HikariDataSource work = pool(args[0], THREADS);
        HikariDataSource keepAlive = pool(args[0], 1)) {
      Transactions transactions = Transactions.builder(work).retry(TxOptions.Retry.none()).build();
      LeaseLock leases =
          LeaseLock.builder(transactions, keepAlive).duration(LEASE).holder("process").build();
      Lease lease = leases.acquire(args[1], Duration.ofSeconds(60));
      System.out.println("clock " + System.currentTimeMillis() / 1000);
      System.out.println("token " + lease.fencingToken());
      AtomicInteger late = new AtomicInteger();
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        Thread thread =
            new Thread(() -> writeOn(transactions, lease, guarded, late, wanted), "writer-" + i);
        thread.start();
        threads.add(thread);
      }
      for (Thread thread : threads) {
        thread.join();
      }
      System.out.println("late " + late.get());
      leases.close();
    }
  }

  private static void writeOn(
      Transactions transactions, Lease lease, boolean guarded, AtomicInteger late, int wanted) {
    while (late.get() < wanted) {
      try {
        transactions.execute(
            tx -> {
              if (guarded) {
                lease.guard(tx);
              }
              tx.dsl()
                  .execute(
                      "insert into write (name, writer, token) values (?, 'process', ?)",
                      lease.name(),
                      lease.fencingToken());
              if (!guarded && isSucceeded(tx.dsl(), lease)) {
                late.incrementAndGet();
              }
            });
      } catch (LeaseLostException e) {
        late.incrementAndGet();
      } catch (RuntimeException e) {
        // The session was ended while the process was stopped: one more late write, of another
        // kind.
        System.out.println("failed " + e.getMessage());
      }
    }
  }

  private static boolean isSucceeded(org.jooq.DSLContext dsl, Lease lease) {
    return Boolean.TRUE.equals(
        dsl.fetchValue(
            "select exists (select from write where name = ? and token > ?)",
            lease.name(),
            lease.fencingToken()));
  }
}
