package dev.pgbelay.examples.demo.queue;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Node;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.NewJob;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;

/** Two processes, of which the first is stopped in the middle of its fifth job. */
final class Interrupted {
  static final int JOBS = 100;
  static final Duration LEASE = Duration.ofSeconds(1);
  private static final int STOPPED_AT = 5;
  private static final int CLAIMED_AT_ONCE = 10;
  private static final long LONGEST = TimeUnit.SECONDS.toNanos(60);
  private static final JobKind<String> INVOICE = JobKind.text("demo-invoice");

  private Interrupted() {}

  /** What the first process does before each job. */
  private static LongConsumer stopAtTheFifth(Node node, CompletableFuture<Boolean> stopped) {
    AtomicInteger count = new AtomicInteger();
    return job -> {
      if (count.incrementAndGet() == STOPPED_AT) {
        node.stop();
        stopped.complete(true);
      }
    };
  }

  /** Jobs that nobody has done at the end, and those that were done twice. */
  record Damage(int undone, int doubled) {}

  /**
   * The hand-written queue.
   *
   * @param lease for how long a claim holds
   * @param resumed whether the first process goes on in the end
   */
  static Damage handWritten(DemoContext context, Duration lease, boolean resumed) throws Exception {
    HandWritten.create(context.primary(), JOBS);
    try (Node first = new Node(context, "first");
        Node second = new Node(context, "second")) {
      CompletableFuture<Boolean> stopped = new CompletableFuture<>();
      LongConsumer before = stopAtTheFifth(first, stopped);
      CompletableFuture<Void> ended =
          CompletableFuture.runAsync(() -> workOff(first, lease, before));
      stopped.get(60, TimeUnit.SECONDS);
      if (resumed) {
        await(
            () -> {
              workOff(second, lease, job -> {});
              return context.primary().fetchCount(HandWritten.TASK) == 0;
            });
        first.resume();
        ended.get(60, TimeUnit.SECONDS);
      } else {
        workOff(second, lease, job -> {});
      }
      int undone = context.primary().fetchCount(HandWritten.TASK);
      int doubled = HandWritten.doubled(context.primary());
      if (!resumed) {
        first.resume(); // it is over, and its thread may end
        ended.get(60, TimeUnit.SECONDS);
      }
      return new Damage(undone, doubled);
    }
  }

  private static void workOff(Node node, Duration lease, LongConsumer before) {
    List<Long> claimed;
    do {
      claimed = HandWritten.claim(node.dsl(), CLAIMED_AT_ONCE, lease);
      for (long task : claimed) {
        before.accept(task);
        HandWritten.writeInvoice(node.dsl(), task, node.name());
      }
    } while (!claimed.isEmpty());
  }

  /** The same jobs with pgbelay. */
  static Damage pgbelay(DemoContext context, boolean resumed) throws Exception {
    HandWritten.create(context.primary(), 0);
    JobQueue jobs = JobQueue.create();
    List<NewJob<String>> all = new ArrayList<>();
    for (int i = 0; i < JOBS; i++) {
      all.add(INVOICE.job("order " + i).withQueue("demo-invoices"));
    }
    context.transactions().execute(tx -> jobs.enqueueAll(tx, all));
    try (Node first = new Node(context, "first");
        Node second = new Node(context, "second")) {
      CompletableFuture<Boolean> stopped = new CompletableFuture<>();
      JobWorker firstWorker = worker(first, stopAtTheFifth(first, stopped));
      JobWorker secondWorker = worker(second, job -> {});
      firstWorker.start();
      stopped.get(60, TimeUnit.SECONDS);
      secondWorker.start();
      await(() -> context.primary().fetchCount(HandWritten.INVOICE) >= JOBS);
      if (resumed) {
        first.resume();
        firstWorker.stop(Duration.ofSeconds(20));
      }
      int doubled = HandWritten.doubled(context.primary());
      int undone = JOBS + doubled - context.primary().fetchCount(HandWritten.INVOICE);
      if (!resumed) {
        first.resume();
        firstWorker.stop(Duration.ofSeconds(20));
      }
      secondWorker.stop(Duration.ofSeconds(5));
      return new Damage(undone, doubled);
    }
  }

  private static JobWorker worker(Node node, LongConsumer before) {
    return JobWorker.builder(node.transactions(), node.heartbeats())
        .name(node.name())
        .queue("demo-invoices", 1)
        .lease(LEASE)
        .pollInterval(Duration.ofMillis(50))
        .handle(
            INVOICE,
            (job, payload) -> {
              before.accept(job.jobId());
              node.transactions()
                  .execute(
                      tx -> {
                        HandWritten.insertInvoice(tx.dsl(), job.jobId(), node.name());
                        job.complete(tx); // with the invoice, or not at all
                      });
              return JobOutcome.done();
            })
        .build();
  }

  private static void await(BooleanSupplier done) throws InterruptedException {
    long start = System.nanoTime();
    while (!done.getAsBoolean()) {
      if (System.nanoTime() - start > LONGEST) {
        throw new IllegalStateException("the jobs were not done in a minute");
      }
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }
}
