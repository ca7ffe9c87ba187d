package dev.pgbelay.idempotency.jackson;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Codec;
import java.io.IOException;

/**
 * Values as JSON in UTF-8, by Jackson, which the service brings along.
 *
 * <p>Without a mapper of your own, properties that a class does not know are left out when it is
 * read: during a deployment the old version meets what the new one stored. A property that last
 * week's bytes do not have is null or zero; give it a default in the class.
 *
 * <p>Safe for several threads, as the mapper is.
 *
 * @param <T> what is kept
 */
public final class JacksonCodec<T> implements Codec<T> {
  private static final ObjectMapper DEFAULT =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  private final ObjectMapper mapper;
  private final JavaType type;

  private JacksonCodec(ObjectMapper mapper, JavaType type) {
    this.mapper = mapper;
    this.type = type;
  }

  /** With a mapper of defaults. */
  public static <T> JacksonCodec<T> of(Class<T> type) {
    return of(DEFAULT, type);
  }

  /** With the service's mapper; its settings decide. */
  public static <T> JacksonCodec<T> of(ObjectMapper mapper, Class<T> type) {
    return new JacksonCodec<>(mapper, mapper.constructType(type));
  }

  /** For types with parameters, such as a list of something. */
  public static <T> JacksonCodec<T> of(ObjectMapper mapper, TypeReference<T> type) {
    return new JacksonCodec<>(mapper, mapper.constructType(type.getType()));
  }

  /**
   * Writes it.
   *
   * @throws PgBelayException if Jackson cannot; without Jackson's message, which may hold values
   */
  @Override
  public byte[] encode(T value) {
    try {
      return mapper.writerFor(type).writeValueAsBytes(value);
    } catch (JsonProcessingException e) {
      throw new PgBelayException(
          "a "
              + type.toCanonical()
              + " cannot be written as JSON ("
              + e.getClass().getName()
              + "): try its class with Jackson alone");
    }
  }

  @Override
  public T decode(byte[] bytes) throws IOException {
    T value = mapper.readerFor(type).readValue(bytes);
    if (value == null) {
      throw new IOException("what was stored is the JSON null");
    }
    return value;
  }
}
