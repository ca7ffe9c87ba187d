package dev.pgbelay.benchmarks.routing;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Sessions that write once, and read nine times from one second later on. */
final class PrimaryShare {
  static final Duration LAG = Duration.ofMillis(50);
  static final int READS = 9;
  private static final long BETWEEN_WRITE_AND_READ_MS = 1_000;
  private static final long BETWEEN_READS_MS = 250;

  /** One session's way to the nodes. */
  interface Visitor {
    Access access();

    /** Whether its last read was the primary's. */
    boolean readFromPrimary();
  }

  /** Makes one for each session. */
  interface Visitors {
    Visitor visitor(int number);
  }

  /**
   * Of all sessions.
   *
   * @param fresh reads that showed what the session wrote
   */
  record Figures(int reads, int onPrimary, int fresh) {
    double percentOnPrimary() {
      return 100.0 * onPrimary / reads;
    }

    private Figures plus(Figures other) {
      return new Figures(reads + other.reads, onPrimary + other.onPrimary, fresh + other.fresh);
    }
  }

  private PrimaryShare() {}

  static Figures of(Replicated servers, Visitors visitors, int sessions) throws Exception {
    servers.replicas().forEach(replica -> replica.lag(LAG));
    ExecutorService threads = Executors.newFixedThreadPool(sessions);
    try {
      List<Future<Figures>> running = new ArrayList<>();
      for (int i = 0; i < sessions; i++) {
        int number = i;
        running.add(threads.submit(() -> visit(visitors.visitor(number), number, sessions)));
      }
      Figures all = new Figures(0, 0, 0);
      for (Future<Figures> one : running) {
        all = all.plus(one.get());
      }
      return all;
    } finally {
      threads.shutdownNow();
      servers.replicas().forEach(replica -> replica.lag(Duration.ZERO));
    }
  }

  private static Figures visit(Visitor visitor, int number, int sessions)
      throws SQLException, InterruptedException {
    // Spread over the time between two reads, as visitors are.
    Thread.sleep(BETWEEN_READS_MS * number / sessions);
    int id = ProfileSql.SHARED + 1 + number;
    long written = visitor.access().write(id);
    Thread.sleep(BETWEEN_WRITE_AND_READ_MS);
    int onPrimary = 0;
    int fresh = 0;
    for (int i = 0; i < READS; i++) {
      if (i > 0) {
        Thread.sleep(BETWEEN_READS_MS);
      }
      fresh += visitor.access().read(id) == written ? 1 : 0;
      onPrimary += visitor.readFromPrimary() ? 1 : 0;
    }
    return new Figures(READS, onPrimary, fresh);
  }
}
