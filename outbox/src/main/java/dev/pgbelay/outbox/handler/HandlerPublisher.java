package dev.pgbelay.outbox.handler;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import dev.pgbelay.outbox.UnreadablePayloadException;
import dev.pgbelay.outbox.inbox.Inbox;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Delivers messages by calling code of this process.
 *
 * <p>A handler that returns has the message. One that throws {@link RejectedMessageException}, or
 * {@link UnreadablePayloadException} as {@link Message#payload(dev.pgbelay.outbox.PayloadCodec)}
 * does, or what {@link #rejecting} names, rejects it; anything else that it throws is a failed
 * attempt. What an exception says of itself is stored with the message and logged. Immutable and as
 * safe for several threads as the handler is.
 */
public final class HandlerPublisher implements MessagePublisher {
  private final MessageHandler handler;
  private final Set<Class<? extends Exception>> rejections;

  private HandlerPublisher(MessageHandler handler, Set<Class<? extends Exception>> rejections) {
    this.handler = handler;
    this.rejections = rejections;
  }

  /**
   * Calls the handler outside of any transaction. It may be called again with a message that it has
   * handled, as {@link MessagePublisher} says.
   */
  public static HandlerPublisher of(MessageHandler handler) {
    return new HandlerPublisher(handler, Set.of());
  }

  /** {@link #inTransaction(Transactions, TxOptions, Inbox, String, TransactionalHandler)}. */
  public static HandlerPublisher inTransaction(
      Transactions transactions, Inbox inbox, String consumer, TransactionalHandler handler) {
    return inTransaction(
        transactions, TxOptions.forPath("outbox.handler"), inbox, consumer, handler);
  }

  /**
   * Calls the handler in a transaction of its own for each message, in which the inbox marks it: a
   * message that is delivered again is not handled again, within the inbox's retention.
   *
   * @param transactions of the database in which the effects are, and the inbox's tables
   * @param options of each transaction; what it retries runs the handler again
   * @param consumer by which the inbox knows this handler
   */
  public static HandlerPublisher inTransaction(
      Transactions transactions,
      TxOptions options,
      Inbox inbox,
      String consumer,
      TransactionalHandler handler) {
    return of(
        message ->
            transactions.execute(
                options,
                tx -> {
                  inbox.process(
                      tx, message.messageId(), consumer, same -> handler.handle(same, message));
                }));
  }

  /** The same, where this exception and its subclasses reject the message as well. */
  public HandlerPublisher rejecting(Class<? extends Exception> exception) {
    Set<Class<? extends Exception>> more = new HashSet<>(rejections);
    more.add(exception);
    return new HandlerPublisher(handler, Set.copyOf(more));
  }

  @Override
  public List<Delivery> publish(List<Message> messages) throws InterruptedException {
    // Of more than one, which nobody gives to a batch size of 1, the later ones are not begun once
    // one has failed: they might be of its key.
    @Nullable Delivery failed = null;
    Delivery[] deliveries = new Delivery[messages.size()];
    for (int i = 0; i < deliveries.length; i++) {
      deliveries[i] =
          failed == null ? handle(messages.get(i)) : Delivery.heldBack("one failed before it");
      if (failed == null && deliveries[i].outcome() != Delivery.Outcome.DELIVERED) {
        failed = deliveries[i];
      }
    }
    return List.of(deliveries);
  }

  private Delivery handle(Message message) throws InterruptedException {
    try {
      handler.handle(message);
      return Delivery.delivered();
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception e) {
      return isRejection(e) ? Delivery.rejected(text(e)) : Delivery.failed(text(e));
    }
  }

  private boolean isRejection(Exception failure) {
    return failure instanceof RejectedMessageException
        || failure instanceof UnreadablePayloadException
        || rejections.stream().anyMatch(type -> type.isInstance(failure));
  }

  /** As its message does, which may be made by the exception's own code. */
  private static String text(Exception failure) {
    try {
      return failure instanceof UnreadablePayloadException
          ? String.valueOf(failure.getMessage())
          : failure.toString();
    } catch (RuntimeException e) {
      return failure.getClass().getName();
    }
  }
}
