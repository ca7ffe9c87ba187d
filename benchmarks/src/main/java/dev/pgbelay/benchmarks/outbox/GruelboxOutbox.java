package dev.pgbelay.benchmarks.outbox;

import com.gruelbox.transactionoutbox.Dialect;
import com.gruelbox.transactionoutbox.Instantiator;
import com.gruelbox.transactionoutbox.Persistor;
import com.gruelbox.transactionoutbox.Submitter;
import com.gruelbox.transactionoutbox.ThreadLocalContextTransactionManager;
import com.gruelbox.transactionoutbox.TransactionManager;
import com.gruelbox.transactionoutbox.TransactionOutbox;
import com.gruelbox.transactionoutbox.TransactionOutboxEntry;
import dev.pgbelay.benchmarks.Counts;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * transaction-outbox: hands an entry over after the commit, and is flushed over and over. It keeps
 * no order.
 */
final class GruelboxOutbox implements OutboxWay {
  private static final int THREADS = 16;
  private static final Duration PAUSE = Duration.ofMillis(50);

  /** What is called through the outbox; its proxies need a class that they can extend. */
  public static class Handler {
    private final Consumer<String> delivered;

    /** For the proxy, which never calls it. */
    protected Handler() {
      this(payload -> {});
    }

    Handler(Consumer<String> delivered) {
      this.delivered = delivered;
    }

    public void handle(String payload) {
      delivered.accept(payload);
    }
  }

  private final DataSource pool;
  private final ThreadLocalContextTransactionManager transactions;
  private final ExecutorService executor;
  private final TransactionOutbox outbox;
  private volatile @Nullable Consumer<String> delivered;

  GruelboxOutbox(DataSource pool) {
    this.pool = pool;
    this.transactions = TransactionManager.fromDataSource(pool);
    this.executor =
        Executors.newFixedThreadPool(
            THREADS,
            task -> {
              Thread thread = new Thread(task, "gruelbox");
              thread.setDaemon(true);
              return thread;
            });
    Submitter submitter = Submitter.withExecutor(executor);
    this.outbox =
        TransactionOutbox.builder()
            .transactionManager(transactions)
            .persistor(Persistor.forDialect(Dialect.POSTGRESQL_9))
            .instantiator(Instantiator.using(type -> new Handler(this::deliver)))
            .attemptFrequency(Duration.ofSeconds(2))
            .submitter(
                new Submitter() {
                  @Override
                  public void submit(
                      TransactionOutboxEntry entry, Consumer<TransactionOutboxEntry> work) {
                    if (delivered != null) {
                      submitter.submit(entry, work);
                    }
                  }
                })
            .build();
  }

  private void deliver(String payload) {
    Consumer<String> to = delivered;
    if (to == null) {
      throw new IllegalStateException("nobody delivers yet");
    }
    to.accept(payload);
  }

  @Override
  public void reset() throws SQLException {
    Orders.create(pool);
    Orders.execute(pool, OutboxSql.RESET_GRUELBOX);
  }

  @Override
  public void produce(long number, String key) throws Exception {
    transactions.inTransactionThrows(
        transaction -> {
          Orders.place(transaction.connection(), number, key);
          outbox.schedule(Handler.class).handle(Long.toString(number));
        });
  }

  /** When the transaction's work had returned, and nothing was left but its COMMIT. */
  long send(String payload) throws Exception {
    return transactions.inTransactionReturnsThrows(
        transaction -> {
          outbox.schedule(Handler.class).handle(payload);
          return System.nanoTime();
        });
  }

  @Override
  public void fill(long from, long to, Keys keys) throws SQLException {
    transactions.inTransaction(
        () -> {
          for (long number = from; number < to; number++) {
            outbox.schedule(Handler.class).handle(Long.toString(number));
          }
        });
    Orders.execute(pool, OutboxSql.DUE_GRUELBOX);
  }

  @Override
  public Relay relay(Consumer<String> to) {
    delivered = to;
    AtomicBoolean stopped = new AtomicBoolean();
    Thread flushing =
        new Thread(
            () -> {
              try {
                while (!stopped.get()) {
                  if (!outbox.flush()) {
                    TimeUnit.NANOSECONDS.sleep(PAUSE.toNanos());
                  }
                }
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            },
            "gruelbox-flush");
    flushing.setDaemon(true);
    flushing.start();
    return () -> {
      stopped.set(true);
      flushing.join();
      delivered = null;
    };
  }

  @Override
  public long orders() throws SQLException {
    return Orders.count(pool);
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, OutboxSql.LEFT_GRUELBOX);
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }
}
