package dev.pgbelay.examples.demo.queue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Node;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.events.JobEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** How long does it take to work off jobs that do nothing? */
final class OneByOne implements Study {
  private static final int JOBS = 5_000;
  private static final int THREADS = 8;
  private static final String TASK = "Jobs that do nothing";
  private static final JobKind<byte[]> NOTHING = JobKind.bytes("demo-nothing");

  @Override
  public Findings run(DemoContext context) throws Exception {
    return new Findings(List.of(compare(context)), List.of());
  }

  private Comparison compare(DemoContext context) throws Exception {
    double naive = oneByOne(context);
    context.progress().step(TASK, 1, 2);
    double safe = inBatches(context);
    context.progress().step(TASK, 2, 2);
    return new Comparison(
        "one-by-one",
        String.format(Locale.ROOT, "%,d jobs worked off by eight threads", JOBS),
        "SKIP LOCKED, a transaction for each job",
        "JobWorker with its default batches",
        Measure.seconds(naive),
        Measure.seconds(safe),
        List.of(),
        String.format(
            Locale.ROOT,
            "Each job waited for a commit of its own: %,.0f jobs a second, and %,.0f in batches.",
            JOBS / naive,
            JOBS / safe));
  }

  private static double oneByOne(DemoContext context) throws Exception {
    HandWritten.create(context.primary(), JOBS);
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try (Node node = new Node(context, "naive")) {
      long start = System.nanoTime();
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        all.add(
            threads.submit(
                () -> {
                  boolean found;
                  do {
                    found = HandWritten.workOffOne(node.dsl());
                  } while (found);
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
      return (System.nanoTime() - start) / 1e9;
    } finally {
      threads.shutdownNow();
    }
  }

  private static double inBatches(DemoContext context) throws Exception {
    Transactions transactions = context.transactions();
    JobQueue jobs = JobQueue.create();
    List<NewJob<byte[]>> all = new ArrayList<>();
    for (int i = 0; i < JOBS; i++) {
      all.add(NOTHING.job(new byte[0]).withQueue("demo"));
    }
    transactions.execute(tx -> jobs.enqueueAll(tx, all));
    CountDownLatch done = new CountDownLatch(JOBS);
    try (Node node = new Node(context, "safe");
        JobWorker worker =
            JobWorker.builder(node.transactions(), node.heartbeats())
                .queue("demo", THREADS)
                .handle(NOTHING, (job, payload) -> JobOutcome.done())
                .listener(
                    event -> {
                      if (event.type() == JobEvent.Type.DONE) {
                        done.countDown(); // its result is committed
                      }
                    })
                .build()) {
      long start = System.nanoTime();
      worker.start();
      if (!done.await(60, TimeUnit.SECONDS)) {
        throw new IllegalStateException(done.getCount() + " jobs were not done in a minute");
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      worker.stop(Duration.ofSeconds(5));
      return seconds;
    }
  }
}
