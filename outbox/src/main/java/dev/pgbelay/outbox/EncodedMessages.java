package dev.pgbelay.outbox;

import java.util.ArrayList;
import java.util.List;

/**
 * Messages as they are stored; as many as one statement takes, or more.
 *
 * @param all in their order
 */
record EncodedMessages(List<One> all) {
  private static final int MOST_ROWS = 5_000;
  private static final long MOST_BYTES = 8L << 20;

  /** One message with what the outbox gives it. */
  record One(NewMessage message, String messageId, int lane) {}

  /** In parts that one statement each can take; at least one. */
  List<EncodedMessages> inParts() {
    List<EncodedMessages> parts = new ArrayList<>();
    int from = 0;
    do {
      int to = from;
      long bytes = 0;
      while (to < all.size() && to - from < MOST_ROWS && (to == from || bytes < MOST_BYTES)) {
        bytes += all.get(to++).message().payload().length;
      }
      parts.add(new EncodedMessages(all.subList(from, to)));
      from = to;
    } while (from < all.size());
    return parts;
  }
}
