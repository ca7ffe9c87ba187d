package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.ChildJvm;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Enqueues here, and has the jobs begin in another JVM.
 *
 * <p>What the other one answers about a job is the time by its own {@link System#nanoTime}, which
 * says nothing here. So its clock is read over and over through its standard input: it was read
 * between the question and the answer, and the pair with the least time between them says how far
 * apart the two clocks are, give or take half of that time.
 */
final class OtherJvm implements LatencyWay {
  private static final int MAX_HEAP_MIB = 256;
  private static final int READINGS = 200;

  private final LatencyReceiver receiver;
  private final LatencyEnqueuer enqueuer;
  private final String url;
  private @Nullable ChildJvm jvm;

  OtherJvm(LatencyReceiver receiver, LatencyEnqueuer enqueuer, String url) {
    this.receiver = receiver;
    this.enqueuer = enqueuer;
    this.url = url;
  }

  @Override
  public QueueWay.Workers start(LongConsumer arrived) throws Exception {
    enqueuer.reset();
    ChildJvm child = jvm;
    if (child == null) {
      child =
          ChildJvm.start(receiver.name(), MAX_HEAP_MIB, LatencyProcess.class, receiver.name(), url);
      jvm = child;
    }
    long ahead = ahead(child);
    child.ask(LatencyProcess.START);
    ChildJvm working = child;
    AtomicBoolean stopping = new AtomicBoolean();
    Thread reading =
        new Thread(() -> read(working, ahead, arrived, stopping), "other-jvm-" + receiver.name());
    reading.setDaemon(true);
    reading.start();
    return () -> {
      stopping.set(true);
      try {
        working.tell(LatencyProcess.STOP);
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
      reading.join();
      enqueuer.stop();
    };
  }

  /** How far the other one's clock is ahead of this one's. */
  private static long ahead(ChildJvm child) throws IOException {
    long shortest = Long.MAX_VALUE;
    long ahead = 0;
    for (int i = 0; i < READINGS; i++) {
      long asked = System.nanoTime();
      long read = Long.parseLong(child.ask(LatencyProcess.CLOCK));
      long took = System.nanoTime() - asked;
      if (took < shortest) {
        shortest = took;
        ahead = read - (asked + took / 2);
      }
    }
    return ahead;
  }

  private static void read(
      ChildJvm child, long ahead, LongConsumer arrived, AtomicBoolean stopping) {
    try {
      for (String answer = child.nextAnswer();
          !answer.equals(LatencyProcess.STOPPED);
          answer = child.nextAnswer()) {
        arrived.accept(Long.parseLong(answer) - ahead);
      }
    } catch (IOException e) {
      if (!stopping.get()) {
        throw new IllegalStateException(e);
      }
    }
  }

  @Override
  public void enqueue() throws Exception {
    enqueuer.enqueue();
  }

  @Override
  public void close() {
    if (jvm != null) {
      jvm.close();
    }
  }
}
