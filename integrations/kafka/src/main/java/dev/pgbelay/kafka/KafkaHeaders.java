package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.outbox.Message;
import java.util.Optional;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** What stands in the headers of a record, as text in UTF-8, beside the producer's own headers. */
public final class KafkaHeaders {
  /** Begins the names of all of them; the producer's own that begin so are left out. */
  static final String PREFIX = "pgbelay-";

  /** {@link Message#messageId}: what a consumer's inbox is given. */
  public static final String MESSAGE_ID = PREFIX + "message-id";

  /** {@link Message#topic}, which need not be Kafka's. */
  public static final String TOPIC = PREFIX + "topic";

  /** {@link Message#type}, where there is one. */
  public static final String TYPE = PREFIX + "type";

  /** {@link Message#claim}. */
  public static final String CLAIM = PREFIX + "claim";

  /** {@link Message#attempt}. */
  public static final String ATTEMPT = PREFIX + "attempt";

  /** "true" on a replay, else absent. */
  public static final String REPLAY = PREFIX + "replay";

  /** {@link Message#appendedAt}, as ISO 8601 has it. */
  public static final String APPENDED_AT = PREFIX + "appended-at";

  /** {@link Message#position}: system identifier, timeline and place, parted by blanks. */
  public static final String POSITION = PREFIX + "position";

  private KafkaHeaders() {}

  /** The message's id, the same each time it is sent; empty if the record is not an outbox's. */
  public static Optional<String> messageId(Headers headers) {
    return text(headers, MESSAGE_ID);
  }

  /** The value of a header; of several, the last. */
  public static Optional<String> text(Headers headers, String name) {
    return Optional.ofNullable(headers.lastHeader(name))
        .map(Header::value)
        .map(bytes -> new String(bytes, UTF_8));
  }

  static void write(Message message, Headers headers) {
    message
        .headers()
        .forEach(
            (name, value) -> {
              if (!name.startsWith(PREFIX)) {
                add(headers, name, value);
              }
            });
    add(headers, MESSAGE_ID, message.messageId());
    add(headers, TOPIC, message.topic());
    message.type().ifPresent(type -> add(headers, TYPE, type));
    add(headers, CLAIM, message.claim());
    add(headers, ATTEMPT, Integer.toString(message.attempt()));
    if (message.replay()) {
      add(headers, REPLAY, "true");
    }
    add(headers, APPENDED_AT, message.appendedAt().toString());
    add(
        headers,
        POSITION,
        Long.toUnsignedString(message.position().systemIdentifier())
            + ' '
            + message.position().timeline()
            + ' '
            + message.position().lsnText());
  }

  private static void add(Headers headers, String name, String value) {
    headers.add(name, value.getBytes(UTF_8));
  }
}
