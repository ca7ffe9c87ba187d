package dev.pgbelay.outbox;

import dev.pgbelay.core.CommitPosition;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A message on its way to one destination, as a {@link MessagePublisher} gets it.
 *
 * <p>Immutable but for the payload's bytes, which must not be changed. Two are equal only with the
 * very same array of bytes: compare by {@link #messageId} instead.
 *
 * @param sequence its number in the outbox; of messages of one key to one destination, ascending in
 *     the order in which they are to be delivered
 * @param messageId the same for each destination and each attempt; what the other side knows
 *     repeats by
 * @param key whose order it keeps; empty if it has none
 * @param type what the payload is, for the reader; empty if the producer did not say
 * @param headers of the producer
 * @param appendedAt by the database's clock
 * @param attempt from 1; attempts of a relay that died in them are not counted
 * @param claim names the claim under which it is delivered: another one means that the relay that
 *     had it was given up, and what it still delivers is a repeat
 * @param replay whether it had been delivered before and was asked for once more
 * @param position in the log, covers the commit of the append: a replica that has replayed it shows
 *     what the producer wrote
 */
@SuppressWarnings("ArrayRecordComponent") // a copy for each reader would cost more than it protects
public record Message(
    long sequence,
    String messageId,
    String topic,
    Optional<String> key,
    Optional<String> type,
    Map<String, String> headers,
    byte[] payload,
    Instant appendedAt,
    int attempt,
    String claim,
    boolean replay,
    CommitPosition position) {

  /**
   * The payload, read by a codec, for handlers and publishers.
   *
   * @throws UnreadablePayloadException if the codec refuses it: a handler that lets that through
   *     rejects the message, which is told apart from other failures by it
   */
  public <P> P payload(PayloadCodec<P> codec) {
    try {
      return Objects.requireNonNull(codec.decode(payload));
    } catch (Exception | LinkageError e) {
      throw new UnreadablePayloadException(this, e);
    }
  }
}
