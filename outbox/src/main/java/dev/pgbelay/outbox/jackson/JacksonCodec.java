package dev.pgbelay.outbox.jackson;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.PayloadCodec;
import java.io.IOException;

/**
 * Payloads as JSON in UTF-8, by Jackson, which the service brings along.
 *
 * <p>Without a mapper of your own, properties that a class does not know are left out when a
 * payload is read: during a deployment the old version meets messages of the new one. A property
 * that a message of last week does not have is null or zero; give it a default in the class. What
 * is not JSON, or not of the class, makes the message fail for good.
 *
 * <p>Safe for several threads, as the mapper is.
 *
 * @param <P> the payload's type
 */
public final class JacksonCodec<P> implements PayloadCodec<P> {
  private static final ObjectMapper DEFAULT =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  private final ObjectMapper mapper;
  private final JavaType type;

  private JacksonCodec(ObjectMapper mapper, JavaType type) {
    this.mapper = mapper;
    this.type = type;
  }

  /** With a mapper of defaults. */
  public static <P> JacksonCodec<P> of(Class<P> type) {
    return of(DEFAULT, type);
  }

  /** With the service's mapper; its settings decide. */
  public static <P> JacksonCodec<P> of(ObjectMapper mapper, Class<P> type) {
    return new JacksonCodec<>(mapper, mapper.constructType(type));
  }

  /** For types with parameters, such as a list of something. */
  public static <P> JacksonCodec<P> of(ObjectMapper mapper, TypeReference<P> type) {
    return new JacksonCodec<>(mapper, mapper.constructType(type.getType()));
  }

  /**
   * Writes it.
   *
   * @throws PgBelayException if Jackson cannot; without Jackson's message, which may hold values of
   *     the payload
   */
  @Override
  public byte[] encode(P payload) {
    try {
      return mapper.writerFor(type).writeValueAsBytes(payload);
    } catch (JsonProcessingException e) {
      throw new PgBelayException(
          "a payload of "
              + type.toCanonical()
              + " cannot be written as JSON ("
              + e.getClass().getName()
              + "): try its class with Jackson alone");
    }
  }

  @Override
  public P decode(byte[] bytes) throws IOException {
    P payload = mapper.readerFor(type).readValue(bytes);
    if (payload == null) {
      throw new IOException("the payload is the JSON null");
    }
    return payload;
  }
}
