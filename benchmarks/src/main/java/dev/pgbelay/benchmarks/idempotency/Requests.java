package dev.pgbelay.benchmarks.idempotency;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The requests of one measurement, shared out among threads: the same ones for everybody. */
record Requests(List<List<Request>> shares) {
  static final int THREADS = 8;
  private static final long SEED = 20_261_121;

  static Requests of(long count) {
    List<List<Request>> shares = new ArrayList<>();
    for (int thread = 0; thread < THREADS; thread++) {
      long share = count / THREADS + (thread < count % THREADS ? 1 : 0);
      Random random = new Random(SEED + thread);
      List<Request> own = new ArrayList<>();
      for (long i = 0; i < share; i++) {
        String key = new UUID(random.nextLong(), random.nextLong()).toString();
        own.add(new Request(key, random.nextInt(1_000), 1 + random.nextInt(10_000)));
      }
      shares.add(own);
    }
    return new Requests(shares);
  }

  long amounts() {
    return shares.stream().flatMap(List::stream).mapToLong(Request::amount).sum();
  }

  /**
   * Sends all of them.
   *
   * @param expected what each must get
   * @return how many a second
   */
  double send(Guard guard, Guard.Done expected) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      long start = System.nanoTime();
      List<Future<Integer>> running = new ArrayList<>();
      for (List<Request> share : shares) {
        running.add(threads.submit(() -> send(share, guard, expected)));
      }
      int sent = 0;
      for (Future<Integer> one : running) {
        sent += one.get();
      }
      return sent / ((System.nanoTime() - start) / 1e9);
    } finally {
      threads.shutdownNow();
    }
  }

  private static int send(List<Request> requests, Guard guard, Guard.Done expected)
      throws Exception {
    for (Request request : requests) {
      Guard.Done done = guard.call(request);
      if (done != expected) {
        throw new IllegalStateException("a request was " + done + " and not " + expected);
      }
    }
    return requests.size();
  }
}
