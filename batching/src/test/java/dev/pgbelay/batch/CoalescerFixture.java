package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A table of articles for each test, coalescers that write into it, and what they are asked. */
final class CoalescerFixture implements BeforeEachCallback, AfterEachCallback {
  /** Only failures take as long. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final PostgresExtension postgres;

  CoalescerFixture(PostgresExtension postgres) {
    this.postgres = postgres;
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    sql(BatchSchema.CREATE_ITEM);
  }

  @Override
  public void afterEach(ExtensionContext context) {
    sql("drop table item");
  }

  Transactions transactions() {
    return Transactions.of(postgres.dataSource());
  }

  void sql(String sql) {
    transactions().execute(tx -> tx.dsl().execute(sql));
  }

  int count() {
    return transactions().run(tx -> tx.dsl().fetchCount(BatchSchema.ITEM));
  }

  WriteCoalescer.Builder<Item> coalescer(String name) {
    return WriteCoalescer.builder(transactions(), items().duplicates(Duplicates.last()).build())
        .name(name);
  }

  static List<Thread> flushersOf(String name) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("pgbelay-coalescer-" + name + "-"))
        .toList();
  }

  static <T> T told(CompletableFuture<T> future) throws Exception {
    return future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
  }

  static void assertRefused(
      CompletableFuture<Outcome> future,
      BatchException.Reason reason,
      Consumer<BatchException> also) {
    assertThatThrownBy(() -> told(future))
        .isInstanceOf(ExecutionException.class)
        .cause()
        .isInstanceOfSatisfying(
            BatchException.class,
            e -> {
              assertThat(e.reason()).isEqualTo(reason);
              also.accept(e);
            });
  }

  static void assertClosed(CompletableFuture<Outcome> future) {
    assertRefused(future, BatchException.Reason.CLOSED, e -> {});
  }

  static void await(Callable<Boolean> condition) {
    Awaitility.await().atMost(PATIENCE).until(condition);
  }

  /** Nothing is written until it is closed. */
  Lock lock() throws SQLException {
    return new Lock(postgres.database().connect());
  }

  /** Keeps everybody else from the table. */
  final class Lock implements AutoCloseable {
    private final Connection holder;

    private Lock(Connection holder) throws SQLException {
      this.holder = holder;
      holder.setAutoCommit(false);
      try (Statement statement = holder.createStatement()) {
        statement.execute("lock table item");
      }
    }

    /** Returns once a flush waits for the table. */
    void awaitFlush() {
      await(
          () ->
              transactions()
                  .run(
                      tx ->
                          tx.dsl()
                                  .fetchSingle(
                                      "select count(*) from pg_locks where not granted"
                                          + " and relation = 'item'::regclass")
                                  .get(0, int.class)
                              > 0));
    }

    void release() throws SQLException {
      holder.rollback();
    }

    @Override
    public void close() throws SQLException {
      holder.close();
    }
  }
}
