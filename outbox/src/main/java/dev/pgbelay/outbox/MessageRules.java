package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.outbox.internal.Names;

/** What the parts of a message must be. Values are not in the messages: they may name a person. */
final class MessageRules {
  private static final int LONGEST = 255;

  private MessageRules() {}

  static void requireTopic(String topic) {
    Names.requireTopic(topic);
  }

  /** A key, an id or a type: any text that PostgreSQL stores and an index holds. */
  static void requireText(String what, String text) {
    OptionRange.require("the length of the " + what, text.length(), 1, LONGEST);
    if (text.indexOf(0) >= 0) {
      throw new PgBelayException(
          "the " + what + " holds a NUL, which PostgreSQL does not store: encode it");
    }
    if (!isWhole(text)) {
      throw new PgBelayException(
          "the "
              + what
              + " holds half of a surrogate pair, which UTF-8 cannot say: two that differ only there"
              + " would be the same");
    }
  }

  private static boolean isWhole(String text) {
    return text.codePoints().noneMatch(point -> Character.getType(point) == Character.SURROGATE);
  }

  /** What is asked of a message only when it is appended. */
  static void requireFit(NewMessage message, int payloadLimit) {
    if (message.strictOrder() && message.key().isEmpty()) {
      throw new PgBelayException(
          "a message of topic '"
              + message.topic()
              + "' asks for strict order and has no key, whose order it would be: give it one with"
              + " withKey(…), or leave withStrictOrder() out");
    }
    if (message.payload().length > payloadLimit) {
      throw new PgBelayException(
          "the payload of a message of topic '"
              + message.topic()
              + "' has "
              + message.payload().length
              + " bytes, the limit is "
              + payloadLimit
              + ": store it elsewhere and send its key, or raise payloadLimit");
    }
  }
}
