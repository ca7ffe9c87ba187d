package dev.pgbelay.idempotency;

import dev.pgbelay.core.PgBelayException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How responses of one operation become bytes and come back. Safe for several threads, as the codec
 * is.
 */
record ResponseBytes<R>(String operation, Codec<R> codec, int most) {

  byte[] encode(@Nullable R response) {
    if (response == null) {
      throw new PgBelayException(
          "the work of operation \""
              + operation
              + "\" returned null; return a response that says what is to be answered");
    }
    byte[] bytes = Objects.requireNonNull(codec.encode(response), "the codec returned null");
    if (bytes.length > most) {
      throw new PgBelayException(
          "a response of operation \""
              + operation
              + "\" has "
              + bytes.length
              + " bytes, and at most "
              + most
              + " are stored; nothing was committed. Answer with less, or raise maxBytes");
    }
    return bytes;
  }

  /** Without the codec's own exception, whose message may hold what was stored. */
  R decode(IdempotencyKey key, byte[] bytes) {
    try {
      return Objects.requireNonNull(codec.decode(bytes), "the codec returned null");
    } catch (Exception e) {
      throw new PgBelayException(
          "the response stored under key "
              + key
              + " cannot be read ("
              + e.getClass().getName()
              + "): the codec must read what older versions of it wrote. The key is not free; the"
              + " work was done");
    }
  }
}
