package dev.pgbelay.benchmarks.latency;

import dev.pgbelay.benchmarks.ChildJvm;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Sends here, and has the handlers begin in another JVM.
 *
 * <p>What the other one answers about a handler is the time by its own {@link System#nanoTime},
 * which says nothing here. So its clock is read over and over through its standard input: it was
 * read between the question and the answer, and the pair with the least time between them says how
 * far apart the two clocks are, give or take half of that time.
 */
public final class OtherJvm implements LatencyWay {
  private static final int MAX_HEAP_MIB = 256;
  private static final int READINGS = 200;

  private final String receivers;
  private final String receiver;
  private final LatencySender sender;
  private final String url;
  private @Nullable ChildJvm jvm;

  /**
   * Of one receiver.
   *
   * @param receiver started in the other JVM
   */
  public <R extends Enum<R> & LatencyReceiver> OtherJvm(
      R receiver, LatencySender sender, String url) {
    this.receivers = receiver.getDeclaringClass().getName();
    this.receiver = receiver.name();
    this.sender = sender;
    this.url = url;
  }

  @Override
  public LatencyWay.Running start(LongConsumer arrived) throws Exception {
    sender.reset();
    ChildJvm child = jvm;
    if (child == null) {
      child =
          ChildJvm.start(receiver, MAX_HEAP_MIB, LatencyProcess.class, receivers, receiver, url);
      jvm = child;
    }
    long ahead = ahead(child);
    child.ask(LatencyProcess.START);
    ChildJvm working = child;
    AtomicBoolean stopping = new AtomicBoolean();
    Thread reading =
        new Thread(() -> read(working, ahead, arrived, stopping), "other-jvm-" + receiver);
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
      sender.stop();
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
  public long send() throws Exception {
    return sender.send();
  }

  @Override
  public void close() {
    if (jvm != null) {
      jvm.close();
    }
  }
}
