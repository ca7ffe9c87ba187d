package dev.pgbelay.outbox;

/**
 * Turns payloads into bytes, and bytes back for those who read them. What was appended last week is
 * read by the code of today, and by other services: read what older versions wrote.
 *
 * <p>Must be safe for several threads.
 *
 * @param <P> the payload's type
 */
public interface PayloadCodec<P> {
  /** What it throws reaches the caller of {@link NewMessage#of} as it is. */
  byte[] encode(P payload);

  /**
   * The payload again.
   *
   * @throws Exception if the bytes are not one; a message whose bytes are refused fails for good
   */
  P decode(byte[] bytes) throws Exception;
}
