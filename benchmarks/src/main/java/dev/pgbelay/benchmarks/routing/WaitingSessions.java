package dev.pgbelay.benchmarks.routing;

import dev.pgbelay.benchmarks.Counts;
import dev.pgbelay.benchmarks.LiveHeap;
import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.NodeState;
import dev.pgbelay.routing.ReadOptions;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Sessions that wait for the one replica, whose replay stands still. */
final class WaitingSessions {
  private static final long STACK = 256 << 10;
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(50);

  /**
   * What was seen while all waited, and how many saw in the end what they waited for.
   *
   * @param bytesEach of heap
   * @param probes connections that ask the replica for its position
   */
  record Figures(double bytesEach, long probes, int satisfied) {}

  private WaitingSessions() {}

  static Figures of(Replicated servers, ReadYourWrites db, int sessions) throws Exception {
    RoutedAccess writer = new RoutedAccess(db, db.session());
    long before = writer.write(ProfileSql.SHARED);
    servers.replicas().get(0).awaitCaughtUp();
    long seenBefore = writer.read(ProfileSql.SHARED);
    if (seenBefore != before) {
      throw new IllegalStateException("read " + seenBefore + " where " + before + " was written");
    }
    servers.replicas().get(0).pauseReplay();
    AtomicInteger satisfied = new AtomicInteger();
    List<Thread> readers = new ArrayList<>();
    double each;
    long probes;
    try {
      long written = writer.write(ProfileSql.SHARED);
      ConsistencyToken token = db.token(writer.session()).orElseThrow();
      long heap = LiveHeap.bytes();
      for (int i = 0; i < sessions; i++) {
        Thread reader =
            new Thread(null, () -> read(db, token, written, satisfied), "waits-" + i, STACK);
        reader.start();
        readers.add(reader);
      }
      awaitWaiting(db, sessions);
      each = Math.max(0, LiveHeap.bytes() - heap) / (double) sessions;
      probes = Counts.of(servers.replicaPool(0), ProfileSql.PROBES);
    } finally {
      servers.replicas().get(0).resumeReplay();
    }
    for (Thread reader : readers) {
      reader.join();
    }
    return new Figures(each, probes, satisfied.get());
  }

  private static void read(
      ReadYourWrites db, ConsistencyToken token, long written, AtomicInteger satisfied) {
    Session session = db.session(token);
    ReadOptions patient = ReadOptions.builder().maxWait(Duration.ofMinutes(1)).build();
    try {
      long seen =
          db.read(
              session,
              patient,
              tx -> Access.version(tx.connection(), ProfileSql.READ, ProfileSql.SHARED));
      if (seen == written && session.lastDecision().orElseThrow().reason().isReplica()) {
        satisfied.incrementAndGet();
      }
    } catch (Exception e) {
      throw new IllegalStateException("a session that waited could not read", e);
    }
  }

  private static void awaitWaiting(ReadYourWrites db, int sessions) throws InterruptedException {
    long end = System.nanoTime() + PATIENCE_NANOS;
    while (db.nodes().stream().mapToInt(NodeState::waiting).sum() < sessions) {
      if (System.nanoTime() > end) {
        throw new IllegalStateException("not all of " + sessions + " sessions came to wait");
      }
      Thread.sleep(10);
    }
  }
}
