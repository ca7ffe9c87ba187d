package dev.pgbelay.idempotency;

/**
 * Turns what is kept under a key (a response, a request, the result of a step) into bytes and back.
 * What was stored last week is read by the code of today: read what older versions wrote. Bytes can
 * be encrypted here; nothing else looks into them.
 *
 * <p>Must be safe for several threads.
 *
 * @param <T> what is kept, never null
 */
public interface Codec<T> {
  /**
   * Called inside the transaction that stores the bytes.
   *
   * @throws RuntimeException if it cannot be written down: it reaches the caller as it is, the
   *     transaction is rolled back, and the key is as free as before
   */
  byte[] encode(T value);

  /**
   * Reads what was written.
   *
   * @throws Exception if the bytes are not what {@link #encode} writes
   */
  T decode(byte[] bytes) throws Exception;

  /** Text in UTF-8. */
  static Codec<String> text() {
    return PlainCodecs.TEXT;
  }

  /** Bytes as they are; copied, so that later changes of the array change nothing. */
  static Codec<byte[]> bytes() {
    return PlainCodecs.BYTES;
  }
}
