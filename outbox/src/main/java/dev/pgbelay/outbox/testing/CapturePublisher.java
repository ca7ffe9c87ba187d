package dev.pgbelay.outbox.testing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.function.Predicate;

/**
 * A publisher for tests: delivers to a list, and fails as it is told. Of one key it delivers
 * nothing behind a message that it did not deliver, as every publisher must. Safe for several
 * threads.
 */
public final class CapturePublisher implements MessagePublisher {
  private final int batchSize;
  private final List<Message> offered = new ArrayList<>();
  private final List<Message> delivered = new ArrayList<>();
  private final Deque<Delivery> faults = new ArrayDeque<>();
  private Predicate<? super Message> rejected = message -> false;
  private int throwing;
  private Optional<CountDownLatch> held = Optional.empty();

  private CapturePublisher(int batchSize) {
    this.batchSize = batchSize;
  }

  /** One message at a time. */
  public static CapturePublisher create() {
    return ofBatches(1);
  }

  /** Up to so many messages a call. */
  public static CapturePublisher ofBatches(int size) {
    if (size < 1) {
      throw new PgBelayException("size must be at least 1, is " + size);
    }
    return new CapturePublisher(size);
  }

  /** The next messages fail, whichever they are. */
  public synchronized CapturePublisher failNext(int times, String reason) {
    for (int i = 0; i < times; i++) {
      faults.add(Delivery.failed(reason));
    }
    return this;
  }

  /** From now on these messages are rejected, instead of those said before. */
  public synchronized CapturePublisher reject(Predicate<? super Message> which) {
    this.rejected = which;
    return this;
  }

  /** The next calls throw, with all their messages. */
  public synchronized CapturePublisher throwNext(int calls) {
    this.throwing = calls;
    return this;
  }

  /** From now on every call waits until the latch is open, and then goes on. */
  public synchronized CapturePublisher holdUntil(CountDownLatch open) {
    this.held = Optional.of(open);
    return this;
  }

  @Override
  public List<Delivery> publish(List<Message> messages) throws InterruptedException {
    Optional<CountDownLatch> latch;
    synchronized (this) {
      offered.addAll(messages);
      latch = held;
    }
    if (latch.isPresent()) {
      latch.get().await();
    }
    return answer(messages);
  }

  private synchronized List<Delivery> answer(List<Message> messages) {
    if (throwing > 0) {
      throwing--;
      throw new IllegalStateException("the capture publisher was told to throw");
    }
    List<Delivery> answers = new ArrayList<>();
    Set<String> stopped = new HashSet<>();
    for (Message message : messages) {
      Delivery answer =
          message.key().filter(stopped::contains).isPresent()
              ? Delivery.heldBack("a message of its key before it was not delivered")
              : judge(message);
      if (answer.outcome() == Delivery.Outcome.DELIVERED) {
        delivered.add(message);
      } else {
        message.key().ifPresent(stopped::add);
      }
      answers.add(answer);
    }
    return answers;
  }

  private Delivery judge(Message message) {
    if (rejected.test(message)) {
      return Delivery.rejected("the capture publisher was told to reject it");
    }
    Delivery fault = faults.poll();
    return fault == null ? Delivery.delivered() : fault;
  }

  @Override
  public int batchSize() {
    return batchSize;
  }

  /** All that it was given, in the order in which it came, repeats too. */
  public synchronized List<Message> offered() {
    return List.copyOf(offered);
  }

  /** What it delivered, in that order. */
  public synchronized List<Message> delivered() {
    return List.copyOf(delivered);
  }

  /** What it delivered of a key, in that order. */
  public synchronized List<Message> deliveredOf(String key) {
    return delivered.stream().filter(one -> one.key().filter(key::equals).isPresent()).toList();
  }
}
