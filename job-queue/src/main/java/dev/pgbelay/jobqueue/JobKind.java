package dev.pgbelay.jobqueue;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * A kind of job: the name under which its jobs are stored, and how their payload is written. One
 * constant of it is shared by the code that enqueues and the worker that handles.
 *
 * <p>Immutable and safe for several threads, as far as its codec is.
 *
 * @param name 1 to 63 letters, digits, dots, dashes and underscores, no punctuation in front; it is
 *     stored with each job, so renaming it strands those that wait
 * @param codec of the payload
 * @param <P> the payload's type
 */
public record JobKind<P>(String name, PayloadCodec<P> codec) {
  /**
   * @throws dev.pgbelay.core.PgBelayException if the name is not fit
   */
  public JobKind {
    Options.requireName("kind", name);
  }

  /** A kind whose payload has a codec of its own. */
  public static <P> JobKind<P> of(String name, PayloadCodec<P> codec) {
    return new JobKind<>(name, codec);
  }

  /** A kind whose payload is bytes, stored as they are. */
  public static JobKind<byte[]> bytes(String name) {
    return new JobKind<>(name, new Bytes());
  }

  /** A kind whose payload is a text, stored as UTF-8. */
  public static JobKind<String> text(String name) {
    return new JobKind<>(name, new Text());
  }

  /** A job of this kind, in the queue {@code default}, to be run as soon as possible. */
  public NewJob<P> job(P payload) {
    return NewJob.of(this, payload);
  }

  @Override
  public String toString() {
    return "job kind '" + name + "'";
  }

  private record Bytes() implements PayloadCodec<byte[]> {
    @Override
    public byte[] encode(byte[] payload) {
      return payload;
    }

    @Override
    public byte[] decode(byte[] bytes) {
      return bytes;
    }
  }

  private record Text() implements PayloadCodec<String> {
    @Override
    public byte[] encode(String payload) {
      return payload.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String decode(byte[] bytes) throws CharacterCodingException {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    }
  }
}
