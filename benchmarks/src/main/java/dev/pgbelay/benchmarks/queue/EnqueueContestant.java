package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.LongStream;

/**
 * Enqueues jobs in bulk, or one per transaction from several threads. Nobody works on them.
 *
 * @param bulk whether it takes part in that, too
 */
record EnqueueContestant(String name, QueueWay way, long jobs, boolean bulk) implements Contestant {
  static final String BULK = "bulk-enqueue";
  static final String ONE_BY_ONE = "enqueue";
  static final int BULK_SIZE = 5_000;
  static final int THREADS = 8;

  EnqueueContestant(String name, QueueWay way, long jobs) {
    this(name, way, jobs, true);
  }

  @Override
  public boolean takesPart(String part) {
    return bulk || part.equals(ONE_BY_ONE);
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    way.reset();
    long expected = part.equals(BULK) ? jobs : Math.max(THREADS, jobs / 8 / THREADS * THREADS);
    long start = System.nanoTime();
    if (part.equals(BULK)) {
      inBulk();
    } else {
      oneByOne(expected / THREADS);
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    return List.of(
        new Measurement(
            part + "/jobs-per-second",
            expected / seconds,
            "jobs/s",
            new Work(way.left(), 0),
            new Work(expected, 0)));
  }

  private void inBulk() throws Exception {
    for (long from = 0; from < jobs; from += BULK_SIZE) {
      way.enqueue(
          LongStream.range(from, Math.min(jobs, from + BULK_SIZE))
              .mapToObj(Long::toString)
              .toList());
    }
  }

  private void oneByOne(long each) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        long first = i * each;
        running.add(
            threads.submit(
                () -> {
                  for (long job = first; job < first + each; job++) {
                    way.enqueueOne(Long.toString(job));
                  }
                  return null;
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Override
  public void close() {
    way.close();
  }
}
