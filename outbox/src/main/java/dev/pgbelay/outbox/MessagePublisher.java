package dev.pgbelay.outbox;

import java.util.List;

/**
 * Where messages go: a broker, a web address, code of this process. One relay calls it from several
 * threads at once, never with messages of one key on two threads.
 *
 * <p>No transaction is open and no row is locked while it runs. It may be called again with a
 * message that it has delivered: where a relay died, was stopped past its lease, or could not write
 * down what it was told. {@link Message#messageId} is the same then, so the other side can tell.
 *
 * <p>A call may take as long as it needs, and no longer: one that never returns is not ended before
 * the relay is stopped, and until then its thread and its keys stand still. Give it a time limit of
 * its own. Whoever made a publisher closes it, after the relay.
 */
public interface MessagePublisher extends AutoCloseable {
  /**
   * Delivers messages, and returns when it is known what became of each. Messages of one key stand
   * in their order. Once one of them is not delivered, none of the same key that stands behind it
   * may be: whoever cannot hold one back that is under way sends the next when it knows of the
   * last. Those that stand behind it are answered {@link Delivery#heldBack}, and so is whatever
   * else of this call was given up because of it; one answer of a call at least is another one.
   *
   * @param messages at least one, at most {@link #batchSize}; cannot be changed
   * @return what became of each message, in the same order
   * @throws RuntimeException counts as a failed attempt of each message, as if each had been
   *     answered {@link Delivery#failed}; so does an {@link Error}, a null, or a list of another
   *     length
   * @throws InterruptedException if the relay is being stopped; it is not known then what was
   *     delivered, and no attempt is counted. While the relay is not, a failed attempt as well
   */
  List<Delivery> publish(List<Message> messages) throws InterruptedException;

  /** How many messages one call may get, 1 unless overridden. */
  default int batchSize() {
    return 1;
  }

  /** Called by nobody but its owner; the relay does not close what it did not make. */
  @Override
  default void close() {}
}
