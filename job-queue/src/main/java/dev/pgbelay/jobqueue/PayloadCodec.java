package dev.pgbelay.jobqueue;

/**
 * Turns payloads of one {@link JobKind} into bytes and back. The bytes of a job that was enqueued
 * last week are read by the code of today: read what older versions wrote.
 *
 * <p>Must be safe for several threads.
 *
 * @param <P> the payload's type
 */
public interface PayloadCodec<P> {
  /** What it throws reaches the caller of the enqueue as it is. */
  byte[] encode(P payload);

  /**
   * Called right before the job's handler. A job whose bytes it refuses becomes a dead letter at
   * once, with the exception's class as the reason: other attempts would read the same bytes.
   *
   * @throws Exception if the bytes are not a payload
   */
  P decode(byte[] bytes) throws Exception;
}
