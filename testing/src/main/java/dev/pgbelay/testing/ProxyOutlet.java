package dev.pgbelay.testing;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * One direction of one connection: collects what was read until the sender pauses, then lets the
 * faults of the proxy have their way with it. Written to by one thread.
 */
final class ProxyOutlet {
  private static final int FLUSH_AT = 64 * 1024;
  private static final int DELAYED_CHUNKS = 1024;

  private final ProxyFaults faults;
  private final FaultProxy.Direction direction;
  private final ProxyConnection connection;
  private final OutputStream out;
  private byte[] collected = new byte[FLUSH_AT];
  private int length;
  private @Nullable BlockingQueue<Delayed> line;
  private final AtomicInteger undelivered = new AtomicInteger();

  private record Delayed(long due, ByteBuffer bytes) {}

  ProxyOutlet(
      ProxyFaults faults,
      FaultProxy.Direction direction,
      ProxyConnection connection,
      OutputStream out) {
    this.faults = faults;
    this.direction = direction;
    this.connection = connection;
    this.out = out;
  }

  void write(byte[] bytes, int count) throws IOException, InterruptedException {
    if (length + count > collected.length) {
      collected = Arrays.copyOf(collected, Math.max(length + count, 2 * collected.length));
    }
    System.arraycopy(bytes, 0, collected, length, count);
    length += count;
    if (length >= FLUSH_AT) {
      flush();
    }
  }

  /** Sends what was collected; returns false when a cut at a byte ended the connection here. */
  boolean flush() throws IOException, InterruptedException {
    if (length == 0) {
      return true;
    }
    if (!faults.awaitThaw(direction, connection)) {
      // What was held back must not arrive with the end of its connection.
      length = 0;
      return false;
    }
    int allowed = faults.bytesAllowed(direction, length);
    boolean cut = allowed < length;
    send(Arrays.copyOf(collected, allowed));
    length = 0;
    if (cut) {
      drain();
      connection.cut();
    }
    return !cut;
  }

  /** Waits until delayed bytes have left. */
  void drain() throws InterruptedException {
    while (undelivered.get() > 0 && connection.isOpen()) {
      TimeUnit.MILLISECONDS.sleep(1);
    }
  }

  private void send(byte[] bytes) throws IOException, InterruptedException {
    long delay = faults.delayNanos();
    if (delay == 0 && line == null) {
      out.write(bytes);
      out.flush();
      return;
    }
    if (line == null) {
      line = startLine();
    }
    undelivered.incrementAndGet();
    line.put(new Delayed(System.nanoTime() + delay, ByteBuffer.wrap(bytes)));
  }

  /** Once a direction was delayed its bytes stay in the line, or later ones would overtake. */
  private BlockingQueue<Delayed> startLine() {
    BlockingQueue<Delayed> queue = new LinkedBlockingQueue<>(DELAYED_CHUNKS);
    connection.startThread("delay-" + direction, () -> deliver(queue));
    return queue;
  }

  private void deliver(BlockingQueue<Delayed> queue) throws IOException, InterruptedException {
    while (connection.isOpen()) {
      Delayed next = queue.poll(100, TimeUnit.MILLISECONDS);
      if (next == null) {
        continue;
      }
      long early = next.due() - System.nanoTime();
      if (early > 0) {
        TimeUnit.NANOSECONDS.sleep(early);
      }
      out.write(next.bytes().array());
      out.flush();
      undelivered.decrementAndGet();
    }
  }
}
