package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;

/** Has jobs worked off that were enqueued in bulk before. */
record QueueContestant(String name, QueueWay way, long jobs) implements Contestant {
  private static final int BULK = 5_000;

  @Override
  public List<Measurement> measure(String part) throws Exception {
    way.reset();
    for (long from = 0; from < jobs; from += BULK) {
      way.enqueue(
          LongStream.range(from, Math.min(jobs, from + BULK)).mapToObj(Long::toString).toList());
    }
    QueueWay.Ran ran = new QueueWay.Ran();
    long start = System.nanoTime();
    long worked;
    QueueWay.Workers workers = way.work(ran);
    try {
      while (ran.jobs() < jobs || way.left() > 0) {
        TimeUnit.MILLISECONDS.sleep(2);
      }
      worked = System.nanoTime() - start;
    } finally {
      workers.stop();
    }
    Work expected = new Work(jobs, jobs * (jobs - 1) / 2);
    return List.of(
        new Measurement(
            part + "/jobs-per-second",
            jobs / (worked / 1e9),
            "jobs/s",
            new Work(ran.jobs(), ran.sum()),
            expected));
  }

  @Override
  public void close() {
    way.close();
  }
}
