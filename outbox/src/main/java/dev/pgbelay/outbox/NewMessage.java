package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.StoredHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A message to be appended; begin with {@link #text}, {@link #bytes} or {@link #of}. Immutable but
 * for the payload's bytes, which must not be changed, and then safe for several threads. Two are
 * equal only with the very same array of bytes.
 *
 * @param topic which is routed to one destination or several: 1 to 249 letters, digits, '.', '-' or
 *     '_'
 * @param key messages of one key are delivered in their order; none unless said, up to 255
 *     characters
 * @param type what the payload is, for the reader; none unless said, up to 255 characters
 * @param payload as it is delivered; the outbox says how large it may be
 * @param headers texts that travel with it, such as a trace context: up to 32 of 4,096 characters;
 *     not secret
 * @param messageId by which the other side knows repeats; a UUID of version 7 unless said, up to
 *     255 characters
 * @param strictOrder whether the append waits for other transactions that append to the key
 */
@SuppressWarnings("ArrayRecordComponent") // a copy for each reader would cost more than it protects
public record NewMessage(
    String topic,
    Optional<String> key,
    Optional<String> type,
    byte[] payload,
    Map<String, String> headers,
    Optional<String> messageId,
    boolean strictOrder) {
  /**
   * @throws PgBelayException naming what is wrong, and the rule
   */
  public NewMessage {
    MessageRules.requireTopic(topic);
    key.ifPresent(text -> MessageRules.requireText("key", text));
    type.ifPresent(text -> MessageRules.requireText("type", text));
    messageId.ifPresent(text -> MessageRules.requireText("message id", text));
    if (headers.isEmpty()) {
      headers = Map.of();
    } else {
      StoredHeaders.require(headers);
      headers = Collections.unmodifiableMap(new LinkedHashMap<>(headers));
    }
  }

  /** A message whose payload is text, in UTF-8. */
  public static NewMessage text(String topic, String payload) {
    return bytes(
        topic, given("payload", payload, "make it empty").getBytes(StandardCharsets.UTF_8));
  }

  /** A message whose payload is these bytes; they are not copied. */
  public static NewMessage bytes(String topic, byte[] payload) {
    return new NewMessage(
        topic, Optional.empty(), Optional.empty(), payload, Map.of(), Optional.empty(), false);
  }

  /** A message whose payload is encoded here and now. */
  public static <P> NewMessage of(String topic, PayloadCodec<? super P> codec, P payload) {
    return bytes(topic, codec.encode(payload));
  }

  /**
   * This message in the order of a key. The order is that of the commits where the producers hold a
   * lock on what the key stands for while they append, or ask for {@link #withStrictOrder}; else
   * that of the appends.
   *
   * @throws PgBelayException if it is null, empty, too long or holds a NUL
   */
  public NewMessage withKey(String key) {
    return new NewMessage(
        topic, Optional.of(given("key", key)), type, payload, headers, messageId, strictOrder);
  }

  /** This message with the name of what its payload is. */
  public NewMessage withType(String type) {
    return new NewMessage(
        topic, key, Optional.of(given("type", type)), payload, headers, messageId, strictOrder);
  }

  /**
   * This message with one more header, or another value of one.
   *
   * @throws PgBelayException if name or value is null, too long or holds a NUL, or there are too
   *     many
   */
  public NewMessage withHeader(String name, String value) {
    Map<String, String> more = new LinkedHashMap<>(headers);
    more.put(
        given("name of a header", name, "leave the header out"),
        given("value of header '" + name + "'", value, "leave the header out"));
    return withHeaders(more);
  }

  /** This message with these headers and no others. */
  public NewMessage withHeaders(Map<String, String> texts) {
    return new NewMessage(topic, key, type, payload, texts, messageId, strictOrder);
  }

  /**
   * This message under an id of your own, unless one was appended under it before: the outbox
   * remembers such ids for a time. The append then waits for a transaction that has appended the
   * same id and not ended.
   *
   * @throws PgBelayException if it is null, empty, too long or holds a NUL
   */
  public NewMessage withMessageId(String id) {
    return new NewMessage(
        topic, key, type, payload, headers, Optional.of(given("message id", id)), strictOrder);
  }

  /**
   * This message in the order of the commits, for producers that hold no lock on what the key
   * stands for: the append waits until no other transaction that appended to the key strictly is
   * open, and holds others up until its own ends.
   */
  public NewMessage withStrictOrder() {
    return new NewMessage(topic, key, type, payload, headers, messageId, true);
  }

  private static String given(String what, @Nullable String text) {
    return given(what, text, "leave it out");
  }

  private static String given(String what, @Nullable String text, String remedy) {
    if (text == null) {
      throw new PgBelayException("the " + what + " is null: " + remedy + " where there is none");
    }
    return text;
  }

  /** Without payload, key and headers' values. */
  @Override
  public String toString() {
    return "NewMessage[" + topic + ", " + payload.length + " bytes]";
  }
}
