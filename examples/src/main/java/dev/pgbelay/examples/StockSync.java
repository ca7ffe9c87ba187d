package dev.pgbelay.examples;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.permit.Permits;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobContext;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobQueue.Enqueued;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.QueueControl;
import dev.pgbelay.jobqueue.control.Rate;
import dev.pgbelay.testing.PostgresCluster;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.io.PrintStream;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;

/**
 * Each change of an item is told to a marketplace that allows some calls a second, does not like
 * two calls about one item at once, and is away now and then.
 */
public final class StockSync {
  private static final String QUEUE = "marketplace";
  private static final int CHANGES = 5;

  static final JobKind<String> TELL = JobKind.text("tell-marketplace");

  private final DataSource dataSource;
  private final Transactions transactions;
  private final JobQueue jobs = JobQueue.create();
  private final CircuitBreaker marketplace = CircuitBreaker.ofDefaults("marketplace");
  private final AtomicInteger calls = new AtomicInteger();
  private final AtomicInteger jobsDone = new AtomicInteger();

  StockSync(DataSource dataSource) {
    this.dataSource = dataSource;
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) throws Exception {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new StockSync(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) throws Exception {
    SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();
    limit();
    for (int i = 0; i < CHANGES; i++) {
      transactions.execute(tx -> jobs.enqueue(tx, TELL.job("apple").withQueue(QUEUE)));
    }
    work(CHANGES);
    out.println("naive: " + calls.getAndSet(0) + " calls for " + CHANGES + " changes of one item");
    jobsDone.set(0);
    for (int i = 0; i < CHANGES; i++) {
      transactions.execute(tx -> changed(tx, "apple"));
    }
    work(1);
    out.println("safe:  " + calls.get() + " call for " + CHANGES + " changes of one item");
  }

  // tag::enqueue[]
  Enqueued changed(Tx tx, String item) {
    return jobs.offer(
        tx,
        TELL.job(item)
            .withQueue(QUEUE)
            .withUniqueKey(item, UniqueScope.whileWaiting()) // one that waits tells all of it
            .withPartitionKey(item)); // and never two at once about one item
  }

  // end::enqueue[]

  // tag::limit[]
  void limit() {
    Limits limits = Limits.none().withRunning(8).withRate(Rate.of(600, Duration.ofMinutes(1)));
    transactions.execute(tx -> QueueControl.create().limitQueue(tx, QUEUE, limits));
  }

  // end::limit[]

  private void work(int count) throws InterruptedException {
    // tag::worker[]
    JobWorker worker =
        JobWorker.builder(transactions, dataSource) // a small pool of its own in a real service
            .queue(QUEUE, 4)
            .handle(TELL, this::tell)
            .permit(TELL, Permits.byBreaker(marketplace)) // not claimed while the breaker is open
            .build();
    worker.start();
    // end::worker[]
    while (jobsDone.get() < count) {
      Thread.sleep(10);
    }
    worker.stop(Duration.ofSeconds(10));
  }

  private JobOutcome tell(JobContext context, String item) {
    calls.incrementAndGet();
    jobsDone.incrementAndGet();
    return JobOutcome.done();
  }
}
